"""Reading anybody's data: what was written comes back, and a mistake is one sentence."""

import gzip
import importlib
import io
import re
import struct
import sys
import tempfile
import tracemalloc
import types
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from sparsevae.data import readers
from sparsevae.data.readers import memory
from sparsevae.errors import ConfigurationError, DatasetError

SOME = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
REAL = ("<f2", "<f4", "<f8", ">f4", ">f8", "|u1", "|i1", "<u2", ">i4", "<i8", "<u8", "|b1")
COLUMNAR = ("<f4", "<f8", "|u1", "|i1", "<u2", "<i4", "<i8", "|b1")


def numbers(dtype, shape, seed=0):
    """Different values of a type, whole and fractional, negative where the type has them."""
    draw = np.random.default_rng(seed).normal(0, 50, shape)
    kind = np.dtype(dtype).kind
    if kind == "b":
        return draw > 0
    return (np.abs(draw) if kind == "u" else draw).astype(dtype)


def idx_bytes(values):
    codes = {"|u1": 8, "|i1": 9, "<i2": 11, "<i4": 12, "<f4": 13, "<f8": 14}
    head = bytes([0, 0, codes[values.dtype.str], values.ndim])
    lengths = struct.pack(f">{values.ndim}I", *values.shape)
    return head + lengths + values.astype(values.dtype.newbyteorder(">")).tobytes()


def write_csv(path, values, names=None, labels=None, delimiter=","):
    rows = [[repr(float(v)) for v in row] for row in values]
    if labels is not None:
        rows = [[*row, str(label)] for row, label in zip(rows, labels, strict=True)]
    lines = [delimiter.join(row) for row in ([names] if names else []) + rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_parquet(path, table):
    arrow, parquet = map(importlib.import_module, ("pyarrow", "pyarrow.parquet"))
    parquet.write_table(arrow.table(table), path)
    return path


def write_images(root, images, labels=None, ending=".png"):
    for place, image in enumerate(images):
        folder = root if labels is None else root / str(labels[place])
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{place:04}{ending}")
    return root


def same(raw, values, labels=None, classes=()):
    assert raw.values.dtype == values.dtype
    np.testing.assert_array_equal(raw.values, values)
    assert raw.classes == tuple(classes)
    if labels is None:
        assert raw.labels is None
    else:
        assert raw.labels.dtype == np.int64
        np.testing.assert_array_equal(raw.labels, labels)


# -- what is written comes back ---------------------------------------------------------------

dtypes, sizes = st.sampled_from(REAL), st.integers(1, 12)
shapes = st.one_of(
    st.tuples(st.integers(2, 9), sizes),
    st.tuples(st.integers(2, 9), sizes, sizes),
    st.tuples(st.integers(2, 9), st.sampled_from([1, 3]), st.integers(4, 9), st.integers(4, 9)),
)


def as_read(values):
    values = values.view(np.uint8) if values.dtype.kind == "b" else values
    return values[:, None] if values.ndim == 3 else values


@SOME
@given(dtypes, shapes, st.booleans())
def test_npy_comes_back_and_is_mapped(tmp_path, dtype, shape, fortran):
    values = numbers(dtype, shape)
    np.save(tmp_path / "x.npy", np.asfortranarray(values) if fortran else values)
    raw = readers.read(tmp_path / "x.npy")
    same(raw, as_read(values))
    assert isinstance(raw.values, np.memmap)
    assert not raw.values.flags.writeable


@SOME
@given(dtypes, shapes, st.booleans())
def test_npz_comes_back(tmp_path, dtype, shape, compressed):
    values = numbers(dtype, shape)
    labels = np.arange(len(values)) % 2 + 3
    save = np.savez_compressed if compressed else np.savez
    save(tmp_path / "x.npz", images=values, labels=labels)
    raw = readers.read(tmp_path / "x.npz")
    same(raw, as_read(values), labels - 3, ("3", "4"))
    assert "Labels are 'labels'." in raw.notes


@SOME
@given(st.integers(2, 9), sizes, st.sampled_from([",", "\t", ";"]), st.booleans(), st.booleans())
def test_text_comes_back(tmp_path, rows, columns, delimiter, named, labelled):
    values = numbers("<f8", (rows, columns))
    names = [f"column {place}" for place in range(columns)]
    labels = [("b", "a")[place % 2] for place in range(rows)] if labelled else None
    path = tmp_path / ("x.tsv" if delimiter == "\t" else "x.csv")
    header = [*names, *(["kind"] if labelled else [])] if named else None
    write_csv(path, values, header, labels, delimiter)
    raw = readers.read(path, labels="kind" if named else f"x{columns}") if labelled else None
    raw = raw or readers.read(path)
    expected = (np.arange(rows) + 1) % 2 if labelled else None
    same(raw, values, expected, ("a", "b") if labelled else ())
    assert raw.columns == tuple(names if named else [f"x{place}" for place in range(columns)])


@SOME
@given(st.integers(2, 9), st.lists(st.sampled_from(COLUMNAR), min_size=1, max_size=6))
def test_parquet_comes_back(tmp_path, rows, kinds):
    table = {f"c{place}": numbers(kind, rows, place) for place, kind in enumerate(kinds)}
    labels = ["b", "a"] * rows
    path = write_parquet(tmp_path / "x.parquet", {**table, "kind": labels[:rows]})
    raw = readers.read(path, labels="kind")
    plain = [v.view(np.uint8) if v.dtype.kind == "b" else v for v in table.values()]
    stacked = np.stack(plain, axis=1).astype(np.result_type(*plain))
    same(raw, stacked, (np.arange(rows) + 1) % 2, ("a", "b"))
    assert raw.columns == tuple(table)


@SOME
@given(
    st.sampled_from(["|u1", "|i1", "<i2", "<i4", "<f4", "<f8"]),
    st.tuples(st.integers(2, 9), sizes, sizes),
    st.booleans(),
)
def test_idx_comes_back(tmp_path, dtype, shape, squeezed):
    values, labels = numbers(dtype, shape), np.arange(shape[0], dtype=np.uint8) % 2
    pack = gzip.compress if squeezed else bytes
    path = tmp_path / f"some-images-idx3-ubyte{'.gz' if squeezed else ''}"
    path.write_bytes(pack(idx_bytes(values)))
    (tmp_path / "labels.idx").write_bytes(pack(idx_bytes(labels)))
    raw = readers.read(path, labels=str(tmp_path / "labels.idx"))
    same(raw, values[:, None], labels, ("0", "1"))


@SOME
@given(
    st.integers(2, 6),
    st.sampled_from([1, 3]),
    st.integers(1, 20),
    st.integers(1, 20),
    st.booleans(),
    st.sampled_from([".png", ".bmp", ".tiff", ".ppm"]),
)
def test_a_folder_of_images_comes_back(count, channels, rows, columns, labelled, ending):
    shape = (count, rows, columns) if channels == 1 else (count, rows, columns, 3)
    values = numbers("|u1", shape)
    labels = [("b", "a")[place % 2] for place in range(count)] if labelled else None
    with tempfile.TemporaryDirectory() as folder:
        raw = readers.read(write_images(Path(folder) / "x", values, labels, ending))
    order = np.argsort(labels, kind="stable") if labelled else np.arange(count)
    expected = values[:, None] if channels == 1 else np.moveaxis(values, 3, 1)
    places = np.array([0 if name == "a" else 1 for name in labels])[order] if labelled else None
    same(raw, expected[order], places, ("a", "b") if labelled else ())
    assert raw.columns == ()


# -- a data set of the Hub, with a stand-in for the package -----------------------------------


class StandIn:
    """The parts of a datasets.Dataset that are used: columns of lists, read by batches."""

    def __init__(self, columns, names=None):
        self.columns = columns
        self.column_names = list(columns)
        classed = types.SimpleNamespace(names=names)
        plain = types.SimpleNamespace(dtype="float64")
        self.features = {name: classed if name == "label" and names else plain for name in columns}

    def __len__(self):
        return len(next(iter(self.columns.values())))

    def __getitem__(self, place):
        return {name: values[place] for name, values in self.columns.items()}

    def select_columns(self, names):
        return StandIn({name: self.columns[name] for name in names})

    def iter(self, batch_size):
        for start in range(0, len(self), batch_size):
            yield {n: v[start : start + batch_size] for n, v in self.columns.items()}


@pytest.fixture
def hub(monkeypatch):
    """Puts a data set, or an error, behind `load_dataset`; gives what that was called with."""

    def serve(found, calls):
        def load_dataset(path, *, split, trust_remote_code=None):
            calls.append((path, split, trust_remote_code))
            if isinstance(found, Exception):
                raise found
            return found

        module = types.SimpleNamespace(load_dataset=load_dataset)
        monkeypatch.setitem(sys.modules, "datasets", module)
        return calls

    return lambda found: serve(found, [])


def grey_pictures(count=4, size=(5, 6)):
    return [Image.fromarray(numbers("|u1", size, seed)) for seed in range(count)]


def test_images_of_the_hub(hub):
    pictures = grey_pictures()
    calls = hub(StandIn({"image": pictures, "label": [1, 0, 1, 3]}, ["cat", "dog", "eel", "fox"]))
    raw = readers.read("hf:someone/pets:test")
    assert calls == [("someone/pets", "test", False)]
    classes = ("cat", "dog", "eel", "fox")
    same(raw, np.stack(pictures)[:, None], [1, 0, 1, 3], classes)
    assert raw.notes == ("Labels are the column 'label'.",)
    assert raw.source == "hf:someone/pets:test"


def test_a_table_of_the_hub_in_several_batches(hub, monkeypatch):
    monkeypatch.setattr("sparsevae.data.readers.hub.AT_ONCE", 2)
    hub(StandIn({"a": [1.0, 2.0, 3.5], "b": [4, 5, 6], "kind": ["y", "x", "y"]}))
    raw = readers.read("hf:table", labels="kind", columns=["b", "a"])
    same(raw, np.array([[4, 1], [5, 2], [6, 3.5]]), [1, 0, 1], ("x", "y"))
    assert raw.columns == ("b", "a")
    with pytest.raises(DatasetError, match="holds 48 bytes of values or more and only 40"):
        readers.read("hf:table", labels="kind", columns=["b", "a"], memory=40)


@pytest.mark.parametrize(
    ("found", "options", "part"),
    [
        (OSError("offline\nand more"), {}, "cannot be read: offline"),
        (StandIn({"a": []}), {}, "has no rows"),
        (StandIn({"a": ["u", "v"]}), {}, "row 1, column 'a' holds 'u'.*, which is not a number"),
        (StandIn({"a": [1.0, "v"]}), {}, "row 2, column 'a' holds 'v'"),
        (StandIn({"a": [1.0, None]}), {}, "row 2, column 'a'.*is nan"),
        (StandIn({"a": [1.0, 2.0]}), {"labels": "b"}, "no column 'b'"),
        (StandIn({"a": [1.0, 2], "label": [-1, 0]}, ["u"]), {}, "labels run from -1 to 0"),
        (StandIn({"i": [*grey_pictures(1), *grey_pictures(1, (6, 5))]}), {}, "image 2 is not"),
    ],
)
def test_mistakes_with_the_hub(hub, found, options, part):
    hub(found)
    with pytest.raises(DatasetError, match=part) as caught:
        readers.read("hf:some/name", **options)
    assert "\n" not in str(caught.value)


def test_a_package_that_is_not_there_is_named(monkeypatch, tmp_path):
    for package in ("datasets", "pyarrow"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DatasetError, match="pip install datasets"):
        readers.read("hf:some/name")
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(DatasetError, match="pip install pyarrow"):
        readers.read(tmp_path / "x.parquet")


@pytest.mark.parametrize("name", ["hf:", "hf:../x", "hf:a/b/c", "hf:/etc", "hf:a:b:c"])
def test_a_name_that_is_none(name):
    with pytest.raises(DatasetError, match="names no data set"):
        readers.read(name)


# -- choices that a file leaves open ----------------------------------------------------------


def test_channels_are_recognised(tmp_path):
    values = numbers("|u1", (4, 8, 9, 3))
    np.save(tmp_path / "x.npy", values)
    raw = readers.read(tmp_path / "x.npy")
    same(raw, np.moveaxis(values, 3, 1))
    assert raw.notes == ("The last axis, of length 3, was taken for the channels.",)
    assert readers.read(tmp_path / "x.npy", channels="first").values.shape == (4, 8, 9, 3)


@pytest.mark.parametrize("shape", [(4, 3, 8, 3), (4, 5, 8, 9)])
def test_channels_that_cannot_be_told(tmp_path, shape):
    np.save(tmp_path / "x.npy", numbers("|u1", shape))
    with pytest.raises(DatasetError, match="say whether channels come"):
        readers.read(tmp_path / "x.npy")
    last = readers.read(tmp_path / "x.npy", channels="last").values
    assert last.shape == (shape[0], shape[3], shape[1], shape[2])


def test_arrays_of_npz_by_name(tmp_path):
    train, test = numbers("<f4", (4, 3)), numbers("<f4", (5, 3), 1)
    np.savez(tmp_path / "x.npz", train=train, test=test, kinds=np.array(list("baab")))
    with pytest.raises(DatasetError, match="holds 3 arrays"):
        readers.read(tmp_path / "x.npz")
    raw = readers.read(tmp_path / "x.npz", array="train", labels="kinds")
    same(raw, train, [1, 0, 0, 1], ("a", "b"))
    same(readers.read(tmp_path / "x.npz", array="test"), test)
    np.savez(tmp_path / "one.npz", anything=test)
    same(readers.read(tmp_path / "one.npz"), test)


@pytest.mark.parametrize(
    "kinds", [[3, 20, 3], [3.0, 20.0, 3.0], ["3", "20", "3"], [["3"], ["20"], ["3"]]]
)
def test_classes_that_are_numbers_are_sorted_as_numbers(tmp_path, kinds):
    np.savez(tmp_path / "x.npz", x=numbers("<f4", (3, 2)), y=np.array(kinds))
    raw = readers.read(tmp_path / "x.npz")
    assert raw.classes == ("3", "20")
    np.testing.assert_array_equal(raw.labels, [0, 1, 0])


def test_columns_are_chosen_by_name_and_in_order(tmp_path):
    path = write_csv(tmp_path / "x.csv", [[1, 2, 3], [4, 5, 7]], ["a", "b", "c"])
    raw = readers.read(path, columns=["c", "a"])
    same(raw, np.array([[3.0, 1], [7, 4]]))
    assert raw.columns == ("c", "a")
    assert readers.read(path, columns="b").columns == ("b",)


@pytest.mark.parametrize(
    ("text", "options", "columns", "rows", "note"),
    [
        ("0,1,2\n5,6,7\n8,9,1\n", {}, "012", 2, "counts up"),
        ("5,1,2\n5,6,7\n8,9,1\n", {}, ["x0", "x1", "x2"], 3, "holds no names"),
        (",a\n0,5\n1,7\n", {}, "a", 2, "without a name"),
        ("a,b\n1,x\n2,y\n2,y\n", {"labels": "b"}, "a", 3, None),
        ("kind,0.5,1.5\nx,1,2\ny,3,4\n", {"labels": "x0"}, ["x1", "x2"], 3, "holds no names"),
        ("\ufeffa;b\r\n1;2\r\n\r\n3;4\r\n", {}, "ab", 2, "1 empty line was"),
        ('"a, or b",c\n"1","2"\n3,4\n', {}, ["a, or b", "c"], 2, None),
    ],
)
def test_the_first_line_of_a_table(tmp_path, text, options, columns, rows, note):
    (tmp_path / "x.csv").write_text(text, encoding="utf-8", newline="")
    raw = readers.read(tmp_path / "x.csv", **options)
    assert raw.columns == tuple(columns)
    assert len(raw.values) == rows
    assert any(note in found for found in raw.notes) if note else not raw.notes


def test_colour_wins_and_other_files_are_left_out(tmp_path):
    write_images(tmp_path / "x", numbers("|u1", (2, 5, 4)))
    colour = numbers("|u1", (5, 4, 3))
    Image.fromarray(colour).save(tmp_path / "x/9.png")
    (tmp_path / "x/readme.txt").write_text("hello")
    (tmp_path / "x/.hidden").write_text("hello")
    (tmp_path / "x/empty").mkdir()
    raw = readers.read(tmp_path / "x")
    assert raw.values.shape == (3, 3, 5, 4)
    np.testing.assert_array_equal(raw.values[2], np.moveaxis(colour, 2, 0))
    np.testing.assert_array_equal(raw.values[0, 0], raw.values[0, 2])
    assert raw.notes == (
        "1 file that is no image was left out, such as readme.txt.",
        "2 of 3 images are grey and were given three equal channels.",
    )


def test_deep_grey_levels_keep_their_depth(tmp_path):
    for kind, ending in (("<u2", ".png"), ("<i4", ".tiff"), ("<f4", ".tiff")):
        values = numbers(kind, (3, 5, 4)) * 30
        raw = readers.read(write_images(tmp_path / kind, values, ending=ending))
        same(raw, values[:, None])


def test_an_opaque_alpha_and_a_palette_are_colours(tmp_path):
    colour = numbers("|u1", (5, 4, 3)) // 64 * 64
    opaque = np.concatenate([colour, np.full((5, 4, 1), 255, np.uint8)], axis=2)
    (tmp_path / "x").mkdir()
    Image.fromarray(opaque).save(tmp_path / "x/0.png")
    Image.fromarray(colour).quantize(256).save(tmp_path / "x/1.png")
    Image.fromarray(colour).save(tmp_path / "x/2.png")
    values = readers.read(tmp_path / "x").values
    assert values.shape == (3, 3, 5, 4)
    np.testing.assert_array_equal(values[0], values[2])


def test_the_same_values_have_the_same_checksum(tmp_path):
    values = numbers("|u1", (6, 4, 5))
    np.save(tmp_path / "x.npy", values)
    np.save(tmp_path / "fortran.npy", np.asfortranarray(values))
    np.savez(tmp_path / "x.npz", values)
    (tmp_path / "x.idx").write_bytes(idx_bytes(values))
    write_images(tmp_path / "x", values)
    names = ("x.npy", "fortran.npy", "x.npz", "x.idx", "x")
    found = {readers.read(tmp_path / name).sha256 for name in names}
    assert len(found) == 1
    np.save(tmp_path / "y.npy", np.arange(6) % 2)
    labelled = readers.read(tmp_path / "x.npy", labels=str(tmp_path / "y.npy"))
    assert labelled.sha256 not in found
    wide = values.astype("<i4")
    for order in "<>":
        np.save(tmp_path / f"{order}.npy", wide.astype(f"{order}i4"))
    assert len({readers.read(tmp_path / f"{order}.npy").sha256 for order in "<>"}) == 1


def test_what_is_larger_than_the_allowance_is_refused_before_it_fills_the_memory(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("sparsevae.data.readers.tables.BLOCK", 8)
    values = numbers("<f8", (40, 3))
    table = {name: values[:, place] for place, name in enumerate("abc")}
    paths = [
        (write_csv(tmp_path / "x.csv", values, list("abc")), "holds 144 bytes of values or more"),
        (write_parquet(tmp_path / "x.parquet", table), r"holds \d+ bytes"),
        (write_images(tmp_path / "x", numbers("|u1", (40, 5, 5))), "holds 1000 bytes"),
    ]
    for path, part in paths:
        with pytest.raises(DatasetError, match=f"{part}.*and only 100 are allowed"):
            readers.read(path, memory=100)
        assert len(readers.read(path, memory=1000).values) == 40
    assert readers.read(paths[0][0]).sha256 == readers.read(paths[1][0]).sha256


def test_an_array_is_never_loaded(tmp_path):
    """128 MB of zeros, of which the disk has none and memory no more than a few blocks."""
    rows = 2**20
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({rows}, 128)}}\n".encode()
    with (tmp_path / "x.npy").open("wb") as file:
        file.write(b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header)
        file.truncate(file.tell() + rows * 128)
    tracemalloc.start()
    try:
        raw = readers.read(tmp_path / "x.npy", memory=1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert raw.values.shape == (rows, 128)
    assert peak < 2**25


def test_the_allowance_follows_the_free_memory():
    assert memory.allowance(None) == pytest.approx(memory.free_memory() / 4, rel=0.2)
    assert memory.allowance(7) == 7
    with pytest.raises(ConfigurationError, match="positive number"):
        memory.allowance(0)


def test_free_memory_by_what_the_system_says(tmp_path, monkeypatch):
    system, container = tmp_path / "meminfo", tmp_path / "memory.max"
    monkeypatch.setattr(memory, "MEMORY", system)
    monkeypatch.setattr(memory, "CONTAINER", container)
    unknown = memory.free_memory()
    assert unknown >= 2**20
    system.write_text("MemTotal:       900 kB\nMemAvailable:   800 kB\n")
    assert memory.free_memory() == 800 * 1024
    for limit, expected in (("max", 800 * 1024), ("5000", 5000)):
        container.write_text(f"{limit}\n")
        assert memory.free_memory() == expected


def test_columns_that_carry_nothing_are_noted(tmp_path):
    path = write_csv(tmp_path / "x.csv", [[1, 2, 3], [1, 5, 3]], ["a", "b", "c"])
    assert readers.read(path).notes == (
        "2 columns are constant and carry no information: 'a', 'c'.",
    )
    np.save(tmp_path / "x.npy", np.zeros((3, 4, 4)))
    (note,) = readers.read(tmp_path / "x.npy").notes
    assert "nothing to learn" in note
    path = write_csv(tmp_path / "y.csv", [[1], [2]], ["a", "id"], ["p", "q"])
    (note,) = readers.read(path, labels="id").notes
    assert "class of its own" in note


# -- mistakes ---------------------------------------------------------------------------------


def saved(values):
    return lambda path: np.save(path, values)


def text(content):
    return lambda path: path.write_text(content)


def raw_bytes(content):
    return lambda path: path.write_bytes(content)


def columns(**table):
    return lambda path: write_parquet(path, table)


def pictures(*images):
    def write(path):
        path.mkdir()
        for place, image in enumerate(images):
            image.save(path / f"{place}.png")

    return write


def arrays(**table):
    return lambda path: np.savez(path, **table)


def picture(mode="L", size=(4, 5)):
    return Image.new(mode, size)


MISTAKES = [
    ("x.npy", saved(np.array([[1.0, 2], [np.nan, 3]])), {}, "row 2, column 'x0'.* is nan"),
    ("x.npy", saved(np.array([[1.0, 2], [3, -np.inf]])), {}, "row 2, column 'x1'.* is -inf"),
    ("x.npy", saved(np.array([[1.0], [1e39]])), {}, r"is 1e\+39; only numbers up to"),
    ("x.npy", saved(np.float16([[1], [np.inf]])), {}, "row 2, column 'x0'.* is inf"),
    (
        "x.npy",
        saved(np.where(np.eye(3), np.nan, 1.0)[None].repeat(2, 0)),
        {},
        r"image 1.*\[1, 1, 1\]",
    ),
    ("x.npy", saved(np.zeros((1, 3))), {}, "holds 1 row; at least 2"),
    ("x.npy", saved(np.zeros(5)), {}, r"array of shape \(5,\)"),
    ("x.npy", saved(np.zeros((2, 2, 2, 2, 2))), {}, "array of shape"),
    ("x.npy", saved(np.zeros((2,) * 9)), {}, "at most 8 axes"),
    ("x.npy", saved(np.zeros((0, 3))), {}, "not empty"),
    ("x.npy", saved(np.float64(3)), {}, "array of shape"),
    ("x.npy", saved(np.array([["a", "b"], ["c", "d"]])), {}, "type <U1"),
    ("x.npy", saved(np.zeros((2, 2), complex)), {}, "type complex128"),
    ("x.npy", saved(np.zeros((2, 2), "M8[s]")), {}, "type datetime64"),
    ("x.npy", saved(np.zeros(4, [("a", "f4")])), {}, "numbers that is not empty"),
    ("x.npy", raw_bytes(b""), {}, "not a .npy file"),
    ("x.npy", raw_bytes(b"\x93NUMPY\1\0\x10\0rubbish"), {}, "header is damaged"),
    ("x.npy", saved(np.zeros((3, 2))), {"columns": ["a"]}, "'columns' is not for that"),
    ("x.npy", saved(np.zeros((3, 2))), {"array": "a"}, "'array' is not for that"),
    ("x.npy", saved(np.zeros((3, 2))), {"labels": "absent.npy"}, "absent.npy is not there"),
    ("x.npy", saved(np.zeros((3, 2))), {"memory": -1}, "positive number of bytes"),
    ("x.npz", raw_bytes(b"PK"), {}, "damaged .npz file"),
    ("x.npz", arrays(), {}, "holds 0 arrays"),
    ("x.npz", arrays(a=np.zeros((2, 2))), {"array": "b"}, "no array 'b'; it holds 'a'"),
    ("x.npz", arrays(a=np.zeros((2, 2))), {"labels": "b"}, "no array 'b'"),
    ("x.npz", arrays(x=np.zeros((2, 2)), y=np.zeros(3)), {}, "2 rows and 3 labels"),
    ("x.npz", arrays(x=np.zeros((2, 2)), y=np.array([0.5, 1])), {}, "label 1 is '0.5'"),
    ("x.npz", arrays(x=np.zeros((2, 2)), y=np.array([np.nan, 1])), {}, "label 1 is 'nan'"),
    ("x.npz", arrays(x=np.zeros((2, 2)), y=np.array([" ", "a"])), {}, "a label is empty"),
    ("x.npz", arrays(x=np.zeros((2, 2)), y=np.array(["a" * 300, "a"])), {}, "300 characters"),
    ("x.npz", arrays(x=np.zeros((2, 2)), y=np.zeros((2, 2))), {}, "labels have shape"),
    ("x.csv", text(""), {}, "fewer than two lines"),
    ("x.csv", text("a,b\n"), {}, "fewer than two lines"),
    ("x.csv", text("a,b\n1,2\n"), {}, "holds 1 row;"),
    ("x.csv", text("a,b\n1,nan\nnan,4\n"), {}, "no column to learn from"),
    ("x.csv", text("a,b\n1,2,3\n3,4\n"), {}, "line 2 has 3 fields and the first one 2"),
    ("x.csv", text("a,b\n1,2\n3,4,5\n"), {}, "line 3 has 3 fields and the first one 2"),
    ("x.csv", text("a,a\n1,2\n3,4\n"), {}, "several columns 'a'"),
    ("x.csv", text("a,b\n1,2\n3,4\n"), {"labels": "c"}, "no column 'c'; its columns are 'a', 'b'"),
    (
        "x.csv",
        text("a,b\n1,2\n3,4\n"),
        {"columns": ["a"], "labels": "a"},
        "not that of the labels",
    ),
    ("x.csv", text("a,b\n1,2\n3,4\n"), {"columns": ["a", "a"]}, "each once"),
    ("x.csv", text("a,b\n1,2\n3,4\n"), {"columns": []}, "at least one column"),
    ("x.csv", text("a\n1\n3\n"), {"labels": "a"}, "at least one column"),
    ("x.csv", text("a,b\n1,2\n3,4.5\n"), {"labels": "b"}, "a label is 4.5; labels name classes"),
    ("x.csv", text('a,b\n1,2\n3,"4\n'), {}, "not a table in text"),
    ("x.csv", raw_bytes(b"a,b\n1,\xff\n"), {}, "not text in UTF-8"),
    ("x.csv", text("a,b\n1,2\n3,4\n"), {"channels": "last"}, "'channels' is not for that"),
    ("x.parquet", raw_bytes(b"PAR1"), {}, "damaged Parquet file"),
    ("x.parquet", columns(a=[1, None]), {}, "no column to learn from"),
    (
        "x.parquet",
        columns(a=[1, None], b=[None, 2.0]),
        {},
        "no column to learn from",
    ),
    (
        "x.parquet",
        columns(a=["u"], b=["v"]),
        {},
        "no column to learn from",
    ),
    ("x.parquet", columns(a=[1, 2], b=["u", None]), {"labels": "b"}, "label 2 is 'nan'"),
    ("x.parquet", columns(a=np.zeros(0), b=np.zeros(0)), {"labels": "b"}, "array of shape"),
    ("x.parquet", columns(a=[1, 2]), {"columns": ["b"]}, "no column 'b'"),
    ("x.idx", raw_bytes(b"no"), {}, "not an IDX file"),
    ("x.idx", raw_bytes(bytes(200)), {"memory": 100}, "has 200 bytes and only 100"),
    ("x", pictures(), {}, "holds no images"),
    ("x", pictures(picture()), {}, "holds 1 row;"),
    ("x", pictures(picture(), picture(size=(5, 5))), {}, "1.png has 5 x 5 .* 5 x 4"),
    ("x", pictures(picture(), picture("I;16")), {}, "make all images alike"),
    ("x", pictures(picture("RGBA"), picture("RGBA")), {}, "0.png has transparent parts"),
    ("x", pictures(picture(), picture()), {"labels": "a"}, "a folder of images, and 'labels'"),
    ("x.txt", text("1 2 3"), {}, "ending that is not known"),
    ("x.npy.gz", raw_bytes(b""), {}, "ending that is not known"),
]


@pytest.mark.parametrize(
    ("name", "write", "options", "part"), MISTAKES, ids=[f"{m[0]} {m[3]}" for m in MISTAKES]
)
def test_a_mistake_is_one_sentence(tmp_path, name, write, options, part):
    write(tmp_path / name)
    with pytest.raises((DatasetError, ConfigurationError), match=part) as caught:
        readers.read(tmp_path / name, **options)
    said = str(caught.value)
    assert "\n" not in said
    assert said.endswith(".")
    assert "memory" in options or name in said or str(options.get("labels")) in said


def test_one_row_is_enough_where_nothing_is_learned(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((1, 3)))
    write_csv(tmp_path / "x.csv", np.ones((1, 3)), list("abc"))
    for name in ("x.npy", "x.csv"):
        raw = readers.read(tmp_path / name, fewest=1)
        same(raw, np.ones((1, 3)))
        assert raw.notes == ()


def test_a_path_that_leads_nowhere(tmp_path):
    with pytest.raises(DatasetError, match=r"absent.npy is not there"):
        readers.read(tmp_path / "absent.npy")
    with pytest.raises(DatasetError, match="is not there"):
        readers.read("x" * 5000)


def test_labels_of_an_array_are_an_array(tmp_path):
    np.save(tmp_path / "x.npy", np.eye(3))
    path = write_csv(tmp_path / "x.csv", np.eye(3))
    with pytest.raises(ConfigurationError, match=r"labels of .* are a \.npy or IDX file"):
        readers.read(tmp_path / "x.npy", labels=str(path))


def test_folders_that_are_no_classes(tmp_path):
    write_images(tmp_path / "x", numbers("|u1", (2, 3, 3)), ["a", "b"])
    write_images(tmp_path / "x", numbers("|u1", (1, 3, 3)))
    with pytest.raises(DatasetError, match="images beside subfolders"):
        readers.read(tmp_path / "x")
    (tmp_path / "x/a/deep").mkdir()
    with pytest.raises(DatasetError, match="deep is a folder inside the class 'a'"):
        readers.read(tmp_path / "x")


def test_a_damaged_image_is_named(tmp_path):
    write_images(tmp_path / "x", numbers("|u1", (3, 30, 30)))
    whole = (tmp_path / "x/0001.png").read_bytes()
    for content in (whole[:60], whole[: len(whole) // 2], b"", b"GIF89a"):
        (tmp_path / "x/0001.png").write_bytes(content)
        with pytest.raises(DatasetError, match=r"0001\.png cannot be read as an image"):
            readers.read(tmp_path / "x")


def test_an_animation_is_refused(tmp_path):
    frames = grey_pictures(3)
    stream = io.BytesIO()
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:])
    (tmp_path / "x").mkdir()
    (tmp_path / "x/0.gif").write_bytes(stream.getvalue())
    with pytest.raises(DatasetError, match=re.escape("0.gif holds 3 images")):
        readers.read(tmp_path / "x")
