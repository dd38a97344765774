"""What readers make of files as people have them, and what they say of it."""

import numpy as np
import pandas
import pytest
from PIL import Image
from scipy import sparse
from tests.test_mixed_tables import main

from sparsevae import fit
from sparsevae.data import readers
from sparsevae.data.readers.mixed import read_frame
from sparsevae.data.readers.written import as_written
from sparsevae.errors import DatasetError
from sparsevae.runs.given import filled, raw_rows


def numbers(count=12):
    """Rows of two columns of numbers."""
    generator = np.random.default_rng(0)
    return pandas.DataFrame(generator.normal(size=(count, 2)).round(3), columns=["a", "b"])


@pytest.mark.parametrize("text", [False, True])
def test_the_index_of_a_parquet_file_is_left_out(tmp_path, text):
    frame = numbers().sample(frac=1, random_state=0)
    if text:
        frame["kind"] = list("pq") * 6
    frame.to_parquet(tmp_path / "t.parquet")
    raw = readers.read(tmp_path / "t.parquet")
    assert raw.columns[:2] == ("a", "b")
    assert "The data frame's index was left out: '__index_level_0__'." in raw.notes
    asked = readers.read(tmp_path / "t.parquet", columns=["a", "__index_level_0__"])
    assert asked.columns == ("a", "__index_level_0__")


@pytest.mark.parametrize("form", ["bsr", "coo", "csc", "csr", "dia"])
def test_sparse_matrices_in_every_format(tmp_path, form):
    dense = np.random.default_rng(0).poisson(0.5, (12, 4))
    sparse.save_npz(tmp_path / "t.npz", sparse.csr_matrix(dense).asformat(form))
    assert (readers.read(tmp_path / "t.npz").values.matrix.toarray() == dense).all()


def described(tmp_path, frame):
    """What a reader says of a table, and its schema."""
    frame.to_csv(tmp_path / "t.csv", index=False)
    raw = readers.read(tmp_path / "t.csv")
    return " ".join(raw.notes), raw


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({4: "x", 7: "y"}, "'a' (10 numbers, and 'x' in row 5 and 1 more: correct it, or empty"),
        ({4: "-"}, "'-' and '.' were taken for gaps in 'a'."),
        ({4: "None"}, ""),
        ({4: "n/a"}, ""),
        ({row: f"{row + 1}{row},5" for row in range(12)}, "numbers with a decimal comma, such"),
        ({row: f"{row + 1},{row:03}.5" for row in range(12)}, "commas for thousands, such as '1,"),
        ({row: f"{row + 1},{row:03}" for row in range(12)}, "for decimals or thousands, such as"),
        ({row: f"{row + 1}.01.2024" for row in range(12)}, "dates, such as '1.01.2024'"),
        (
            {**{row: f"2024-01-{row + 1:02}" for row in range(11)}, 11: "-"},
            "taken for gaps in 'a'",
        ),
        ({row: f"2024-01-{row + 1:02}" for row in range(11)}, "11 dates, and '-0.665' in row 12"),
    ],
)
def test_fields_that_are_no_numbers_are_named(tmp_path, fields, said):
    frame = numbers().astype({"a": str})
    for row, field in fields.items():
        frame.loc[row, "a"] = field
    notes, raw = described(tmp_path, frame)
    assert said in notes
    assert ("a" in raw.columns) is ("Left out" not in notes)


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        (["9,0", "1,0"], "'kind' (numbers with a decimal comma, such as '1,0')"),
        (["05.01.2024", "06.01.2024"], "'kind' (dates, such as '05.01.2024')"),
        (["3%", "4%"], "'kind' (numbers with a sign or unit, such as '3%')"),
        (["1", "2", "x"], "'kind' (numbers, and 'x')"),
        (["+", "-"], None),
        (["p", "q"], None),
    ],
)
def test_categories_that_look_like_numbers_or_dates(tmp_path, levels, said):
    notes, raw = described(tmp_path, numbers().assign(kind=(levels * 6)[:12]))
    assert "Columns: 2 numbers ('a', 'b'), 1 category ('kind')." in raw.schema.sentences()
    assert (f"Taken for categories: {said}; if they are" in notes) if said else notes == ""


def test_levels_that_the_model_has_not_seen_are_counted(tmp_path):
    frame = numbers().assign(kind=list("pq") * 6)
    schema = described(tmp_path, frame)[1].schema
    frame.loc[3:, "kind"] = "X"
    frame.to_csv(tmp_path / "t.csv", index=False)
    notes = readers.read(tmp_path / "t.csv", schema=schema, fewest=1).notes
    assert notes == (
        "'kind': 9 of 12 values are levels that the model has not seen (such as 'X'); they count "
        "as gaps.",
    )


def test_a_column_of_dashes_is_one_of_gaps(tmp_path):
    schema = described(tmp_path, numbers().assign(kind=list("pq") * 6))[1].schema
    numbers().assign(kind=list("pq") * 6, a="-").to_csv(tmp_path / "t.csv", index=False)
    raw = readers.read(tmp_path / "t.csv", schema=schema, fewest=1)
    assert np.isnan(raw.values[:, 0]).all()
    assert raw.notes == ("'-' and '.' were taken for gaps in 'a'.",)


def test_categories_of_intervals_and_dates_are_found_again():
    frame = numbers(60)
    frame["bin"] = pandas.cut(frame["a"], 3)
    frame["day"] = pandas.Categorical(pandas.to_datetime(["2024-01-01", "2024-01-02"] * 30))
    values = raw_rows(frame).values
    assert values.shape == (60, 7)
    assert not np.isnan(values).any()


def test_empty_lines(tmp_path):
    place = tmp_path / "t.csv"
    place.write_text("\na,b\n1,2\n\n\n3,4.5\n\n")
    raw = readers.read(place)
    assert raw.values.tolist() == [[1, 2], [3, 4.5]]
    assert raw.notes == ("2 empty lines were passed over.",)
    place.write_text("\na\n1.5\n\n2\n\n3\n\n")
    values = readers.read(place).values
    assert np.isnan(values[:, 0]).tolist() == [False, True, False, True, False]
    place.write_text("a\n1.5\n2\n\n\n")
    assert len(readers.read(place).values) == 2


@pytest.mark.parametrize("ending", ["jpg", "png", "tiff"])
def test_images_stand_upright(tmp_path, ending):
    turned = Image.Exif()
    turned[0x0112] = 6
    shades = np.repeat(np.arange(8, dtype=np.uint8)[:, None] * 30, 10, axis=1)
    for place in range(2):
        Image.fromarray(shades).save(tmp_path / f"{place}.{ending}", exif=turned)
    values = readers.read(tmp_path).values
    assert values.shape == (2, 1, 10, 8)
    assert values[0, 0, 0, 0] > values[0, 0, 0, 7]


def test_grey_images_for_a_model_of_colour(tmp_path):
    for place in range(2):
        Image.new("L", (8, 8), place * 9).save(tmp_path / f"{place}.png")
    raw = readers.read(tmp_path, colour=True)
    assert raw.values.shape == (2, 3, 8, 8)
    assert "2 of 2 images are grey" in raw.notes[0]


def test_years_in_the_first_line(tmp_path):
    place = tmp_path / "t.csv"
    place.write_text("country,2019,2020\nx,1,2\ny,3,4.5\nx,1,2\ny,3,4\nx,1,2\ny,3,4\n")
    raw = readers.read(place, drop=["x0"])
    assert raw.columns == ("x1", "x2")
    assert "The first line, 'country,2019,2020', holds no names" in raw.notes[0]
    named = readers.read(place, header=True)
    assert named.schema.names == ("country", "2019", "2020")
    assert readers.read(place, schema=named.schema, fewest=1).schema == named.schema
    assert readers.read(place, columns=["2019"]).columns == ("2019",)
    assert readers.read(place, header=False, drop=["x0"]).notes == ()


def test_all_that_is_wrong_with_names_is_said_at_once(tmp_path):
    numbers().to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DatasetError, match="no columns 'u', 'v'; its columns are 'a', 'b'"):
        readers.read(tmp_path / "t.csv", drop=["u"], columns=["v"])
    with pytest.raises(DatasetError, match="no column left for the values; keep") as caught:
        readers.read(tmp_path / "t.csv", drop=["*"])
    assert "None" not in str(caught.value)


def test_what_is_there_is_written_again_letter_by_letter(tmp_path):
    lines = ["id,price,flag,day,age,note"]
    for row in range(30):
        price, flag = f"{row * 7 % 11}.50", ["true", "false"][row * row % 3 % 2]
        lines.append(f"{row:05},{price},{flag},2024-01-{row % 9 + 1:02},{row * 5 % 13},NA")
    lines[4] = "00003,,,,-,NA"
    place = tmp_path / "t.csv"
    place.write_text("\n".join(lines) + "\n")
    schema = readers.read(place, drop=["id", "note"]).schema
    frame, notes = read_frame(str(place), schema)
    assert notes == ("'-' and '.' were taken for gaps in 'age'.",)
    rows = filled(frame, schema, np.nan_to_num(schema.encode(frame), nan=1.0))
    as_written(str(place), frame, rows, schema).to_csv(tmp_path / "again.csv", index=False)
    lines[4] = "00003,1.00,true,1970-01-02,1,NA"
    assert (tmp_path / "again.csv").read_text() == "\n".join(lines) + "\n"


def test_a_class_may_be_called_as_a_gap_is(tmp_path):
    frame = numbers().assign(kind=list("pq") * 6, label=["None", "-", "NA"] * 4)
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert readers.read(tmp_path / "t.csv", labels="label").classes == ("-", "NA", "None")


def test_commands_say_what_the_reader_says(tmp_path, capsys):
    frame = numbers(40).assign(kind=list("pq") * 20)
    run, table = str(tmp_path / "run"), str(tmp_path / "t.csv")
    fit(frame, latents=2, epochs=1).save(run)
    frame.loc[3, "a"] = np.nan
    frame.assign(kind="X").to_csv(table, index=False)
    for command in ("encode", "reconstruct", "impute"):
        assert main([command, run, table, "--out", str(tmp_path / "out.csv")]) == 0
        assert "'kind': 40 of 40 values are levels" in capsys.readouterr().out
    text, again = (tmp_path / "t.csv").read_text(), (tmp_path / "out.csv").read_text()
    pairs = zip(text.split("\n"), again.split("\n"), strict=True)
    assert [row for row, (old, new) in enumerate(pairs) if old != new] == [4]


def test_a_run_on_colour_takes_grey_images(tmp_path, capsys):
    levels = np.random.default_rng(0).integers(0, 255, (8, 3, 8, 8), dtype=np.uint8)
    fit(levels, latents=2, epochs=1).save(tmp_path / "run")
    (tmp_path / "grey").mkdir()
    Image.new("L", (8, 8), 9).save(tmp_path / "grey" / "0.png")
    run, folder, out = (str(tmp_path / name) for name in ("run", "grey", "codes.csv"))
    assert main(["encode", run, folder, "--out", out]) == 0
    assert "1 of 1 images is grey and was given three" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("head", "comma", "mark", "names"),
    [
        ("", "6,5", ";", ("x0", "x1")),  # not the last digits alone
        ('"Height, cm";Weight', "6", ";", ("Height, cm", "Weight")),
        ('"a;b","c ""d"", e"', "6", ",", ("a;b", 'c "d", e')),
        ("a\tb", "6", "\t", ("a", "b")),
        ('5" pipe;7" rod', "6", ";", ('5" pipe', '7" rod')),
    ],
)
def test_marks_in_quotes_and_in_numbers_are_not_between_fields(tmp_path, head, comma, mark, names):
    rows = [f"{comma}{row * row}{mark}{row * 7 % 11}" for row in range(12)]
    (tmp_path / "t.csv").write_text("\n".join([head, *rows] if head else rows))
    raw = readers.read(tmp_path / "t.csv")
    said = "'x0' (numbers with a decimal comma, such as '6,50')"
    assert raw.columns == (names if head else names[1:])
    assert (said in " ".join(raw.notes)) == (not head)
    assert raw.values[:, -1].tolist() == [row * 7 % 11 for row in range(12)]


@pytest.mark.parametrize("beside", ["", "text", "gap"])
def test_classes_of_a_text_are_its_fields_whatever_stands_beside_them(tmp_path, beside):
    frame = numbers().assign(kind=["1", "01", "1"] * 4)
    if beside == "text":
        frame["word"] = list("pq") * 6
    if beside == "gap":
        frame.loc[3, "a"] = np.nan
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert readers.read(tmp_path / "t.csv", labels="kind").classes == ("1", "01")


@pytest.mark.parametrize("values", ["x", "X", "images", "data"])
@pytest.mark.parametrize("labels", ["y", "labels", "target"])
def test_labels_in_an_archive_are_found_beside_all_names_of_values(tmp_path, values, labels):
    rows = numbers().to_numpy()
    np.savez(tmp_path / "t.npz", **{values: rows, labels: [3, 4] * 6})
    raw = readers.read(tmp_path / "t.npz")
    assert (raw.classes, raw.notes) == (("3", "4"), (f"Labels are {labels!r}.",))


@pytest.mark.parametrize("kind", ["columns", "truths", "numbers"])
def test_a_large_matrix_of_any_order_and_type_is_read(tmp_path, monkeypatch, kind):
    rows = numbers().to_numpy()
    rows = {"columns": np.asfortranarray(rows), "truths": rows > 0, "numbers": rows}[kind]
    np.save(tmp_path / "t.npy", rows)
    monkeypatch.setattr(readers, "LARGE", 8)
    assert (readers.read(tmp_path / "t.npy").values[:] == rows).all()


@pytest.mark.parametrize("folder", [".", "one-class"])
def test_images_beside_numbers_are_not_passed_over(tmp_path, folder):
    (tmp_path / folder).mkdir(exist_ok=True)
    Image.new("L", (8, 8)).save(tmp_path / folder / "a.png")
    np.save(tmp_path / "labels.npy", np.eye(3))
    with pytest.raises(DatasetError, match=r"images \(.*a.png\) beside numbers \(labels.npy\)"):
        readers.read(tmp_path)


@pytest.mark.parametrize(
    ("row", "odd", "what"),
    [(4, "2024-02-30", "dates"), (7, "inf", "numbers"), (2, "1e+39", "numbers")],
)
def test_the_row_of_a_date_that_is_none_and_of_a_number_too_large(tmp_path, row, odd, what):
    days = range(1, 13)
    frame = numbers().assign(c=[f"2024-02-{d:02}" if what == "dates" else f"{d}.5" for d in days])
    frame.loc[row, "c"] = odd
    frame.loc[0, "a"] = np.nan
    said, _ = described(tmp_path, frame)
    assert f"Left out: 'c' (11 {what}, and '{odd}' in row {row + 1}: correct it" in said


def test_all_images_that_cannot_be_read_are_named(tmp_path):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (30, 30), np.uint8))
    for name in "abcd":
        picture.save(tmp_path / f"{name}.png")
    for part in (0, 400):  # of the header, of the pixels
        for name in "bd":
            (tmp_path / f"{name}.png").write_bytes((tmp_path / "a.png").read_bytes()[:part])
        with pytest.raises(DatasetError, match=r"b\.png cannot be read .*/d\.png'\.$"):
            readers.read(tmp_path)
