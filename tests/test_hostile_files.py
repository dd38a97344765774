"""Files made to do harm, or damaged by chance: data or one sentence, and nothing is executed.

The fuzz tests change valid files of every kind: bytes are flipped, cut, spliced, repeated, or
overwritten with extreme lengths. Every outcome but data and SparseVAEError is a failure.
"""

import gzip
import io
import os
import pickle
import random
import struct
import tempfile
import tracemalloc
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sparsevae.data import readers
from sparsevae.errors import DatasetError, SparseVAEError

MEGABYTE = 2**20
EXTREMES = (
    0,
    1,
    -1,
    127,
    255,
    2**15,
    2**16 - 1,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63 - 1,
    2**64 - 1,
)
ORDERS = ("little", "big")
SEED = 20261122


class Payload:
    """Unpickling it writes a file."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.write_text, (self.marker, "executed")


@contextmanager
def little_memory(most=8 * MEGABYTE):
    """Python and NumPy allocate no more than `most` bytes inside the block."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < most


def refused(path, part, **options):
    with pytest.raises(DatasetError, match=part) as caught:
        readers.read(path, **options)
    assert "\n" not in str(caught.value)


def npy_bytes(values):
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


def npy_header(text, version=1):
    """The start of a .npy file with any text as its header."""
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text.encode()


def claims(shape, descr="'<f8'"):
    return npy_header(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}\n")


def packed(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return path


# -- nothing is executed ----------------------------------------------------------------------


def test_a_pickle_is_never_loaded(tmp_path):
    marker = tmp_path / "marker"
    evil = np.array([Payload(marker), Payload(marker)], dtype=object)
    np.save(tmp_path / "x.npy", evil, allow_pickle=True)
    np.savez(tmp_path / "x.npz", x=evil)
    np.savez(tmp_path / "y.npz", x=np.eye(2), y=evil)
    np.save(tmp_path / "good.npy", np.eye(2))
    refused(tmp_path / "x.npy", "holds Python objects, which are never loaded")
    refused(tmp_path / "x.npz", "array 'x', holds Python objects")
    refused(tmp_path / "y.npz", "array 'y', holds Python objects")
    refused(tmp_path / "good.npy", "holds Python objects", labels=str(tmp_path / "x.npy"))
    for name in ("z.npy", "z.npz", "z.csv", "z.parquet", "z.idx"):
        (tmp_path / name).write_bytes(pickle.dumps(Payload(marker)))
        refused(tmp_path / name, name)
    packed(tmp_path / "w.npz", x=pickle.dumps(Payload(marker)))
    refused(tmp_path / "w.npz", "not a .npy file")
    assert not marker.exists()
    pickle.loads(pickle.dumps(Payload(marker)))
    assert marker.exists(), "the payload would have worked"


def test_a_header_is_no_program(tmp_path):
    call = f"__import__('pathlib').Path({str(tmp_path / 'marker')!r}).touch()"
    (tmp_path / "x.npy").write_bytes(npy_header(call) + bytes(100))
    refused(tmp_path / "x.npy", "header is damaged")
    assert not (tmp_path / "marker").exists()


def test_members_outside_of_an_archive_are_not_written(tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    path = packed(inner / "x.npz", **{"..__..__evil.npy": npy_bytes(np.eye(3))})
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["../../evil.npy"]
    assert readers.read(path).values.shape == (3, 3)
    assert [p.name for p in tmp_path.rglob("*")] == ["inner", "x.npz"]


# -- claims are held against the content ------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "part"),
    [
        (claims((2**40, 2)), "claims 17592186044416 bytes of values in its header and holds 16"),
        (claims((2**62, 2**62, 2**62)), "in its header and holds 16"),
        (claims((-1, -2)), "not empty"),
        (claims((2, -2)), "not empty"),
        (claims((1, 1)), "claims 8 bytes of values in its header and holds 16"),
        (claims((2,) * 40), "at most 8 axes"),
        (claims((2, 2), "'<U200000000'"), "claims 3200000000 bytes"),
        (claims((2, 2), "('<f4', (2, 2))"), "header is damaged|not empty"),
        (claims((2, 2), "'V8'"), "not empty"),
        (claims((2, 2), "'|O'"), "holds Python objects"),
        (claims("(" * 3000), "header is damaged"),
        (claims("2" * 5000), "header is damaged"),
        (npy_header("{" + " " * 60_000 + "}"), "header is damaged"),
        (npy_header("{}" + " " * 200_000, version=2), "header is damaged"),
        (npy_header("{}", version=3), "header is damaged"),
        (b"\x93NUMPY\2\0\xff\xff\xff\xff", "header is damaged"),
    ],
)
def test_headers_of_arrays_that_lie(tmp_path, head, part):
    (tmp_path / "x.npy").write_bytes(head + bytes(16))
    packed(tmp_path / "x.npz", **{"x.npy": head + bytes(16)})
    with little_memory():
        refused(tmp_path / "x.npy", part)
        refused(tmp_path / "x.npz", part)


def test_an_archive_that_unpacks_to_very_much(tmp_path):
    bomb = io.BytesIO()
    archive = zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED)
    with archive, archive.open("x.npy", "w") as member:
        member.write(claims((100 * MEGABYTE // 8, 1)))
        for _ in range(100):
            member.write(bytes(MEGABYTE))
    (tmp_path / "x.npz").write_bytes(bomb.getvalue())
    with little_memory():
        refused(tmp_path / "x.npz", "unpacks to 1048.* bytes and only 10000000", memory=10**7)


def test_an_archive_that_lies_about_what_it_unpacks_to(tmp_path):
    """The directory at the end claims 2,000 bytes, and the content is 100 MB."""
    content = claims((234, 1)) + bytes(100 * MEGABYTE)
    path = packed(tmp_path / "x.npz", **{"x.npy": content})
    directory = bytearray(path.read_bytes())
    for place in (directory.find(b"PK\3\4") + 22, directory.find(b"PK\1\2") + 24):
        directory[place : place + 4] = struct.pack("<I", len(claims((234, 1))) + 234 * 8)
    path.write_bytes(directory)
    del content
    with little_memory():
        refused(path, "damaged .npz")


def test_a_squeezed_idx_file_that_unpacks_to_very_much(tmp_path):
    head = bytes([0, 0, 8, 3]) + struct.pack(">3I", 100, MEGABYTE, 1)
    squeeze = zlib.compressobj(wbits=31)
    parts = [squeeze.compress(head), *(squeeze.compress(bytes(MEGABYTE)) for _ in range(100))]
    (tmp_path / "x.idx.gz").write_bytes(b"".join([*parts, squeeze.flush()]))
    with little_memory():
        refused(tmp_path / "x.idx.gz", "claims 104857600 bytes", memory=10**7)


@pytest.mark.parametrize(
    "shape", [(2**32 - 1,) * 3, (2**31, 1, 1), (3, 4, 5), (2, 2), (0, 28, 28)]
)
def test_an_idx_file_with_dimensions_that_lie(tmp_path, shape):
    head = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    (tmp_path / "x.idx").write_bytes(head + bytes(10))
    with little_memory():
        refused(tmp_path / "x.idx", "claims|without any value")


def test_tables_with_absurd_numbers_of_fields(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("," * 200_000 + "\n" + "," * 200_000 + "\n")
    refused(path, "has 200001 columns; at most 100000")
    path.write_text("a,b\n1,2\n3" + ",4" * 200_000 + "\n")
    refused(path, "line 3 has 200001 fields and the first one 2")
    path.write_text("1" * 5 * MEGABYTE + "\n1,2\n")
    refused(path, "has a line of 4194304 characters or more")
    path.write_text("a,b\n1,2\n" + "1" * 5 * MEGABYTE)
    refused(path, "no column to learn from")
    path.write_text('a,b\n1,2\n3,"' + "\n" * 200_000)
    refused(path, "not a table in text")


def test_a_table_that_repeats_one_value_for_ever(tmp_path):
    """A few kilobytes of run lengths that stand for a gigabyte of values."""
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    column = arrow.repeat(arrow.scalar(1.0), 1_000_000)
    table = arrow.table({f"c{place}": column for place in range(4)})
    parquet.write_table(table, tmp_path / "x.parquet")
    size = (tmp_path / "x.parquet").stat().st_size
    assert size * 500 < table.nbytes
    with little_memory():
        refused(
            tmp_path / "x.parquet",
            r"holds \d+ bytes of values or more and only 1048576",
            memory=MEGABYTE,
        )


# -- folders of images ------------------------------------------------------------------------


@pytest.fixture
def pictures(tmp_path):
    """A folder with two images, inside of `tmp_path`."""
    folder = tmp_path / "x"
    folder.mkdir()
    for name in "ab":
        Image.new("L", (4, 4)).save(folder / f"{name}.png")
    return folder


def test_a_link_that_leads_out_of_the_folder(tmp_path, pictures):
    (tmp_path / "secret.png").write_bytes((pictures / "a.png").read_bytes())
    (pictures / "c.png").symlink_to(tmp_path / "secret.png")
    refused(pictures, "c.png is a link that leads out of")
    (pictures / "c.png").unlink()
    (pictures / "class").symlink_to(tmp_path, target_is_directory=True)
    refused(pictures, "class is a link that leads out of")
    (pictures / "class").unlink()
    (pictures / "c.png").symlink_to("../x/../../nowhere.png")
    refused(pictures, "c.png is a link that leads out of")


def test_a_link_inside_the_folder_and_a_folder_behind_a_link(tmp_path, pictures):
    (pictures / "c.png").symlink_to("a.png")
    (tmp_path / "link").symlink_to(pictures, target_is_directory=True)
    assert len(readers.read(tmp_path / "link").values) == 3
    (pictures / "loop").symlink_to(".", target_is_directory=True)
    refused(pictures, "is a folder inside the class 'loop'")


def test_a_pipe_is_not_waited_for(tmp_path, pictures):
    os.mkfifo(pictures / "c.png")
    (note,) = (note for note in readers.read(pictures).notes if "left out" in note)
    assert "c.png" in note
    os.mkfifo(tmp_path / "x.npy")
    refused(tmp_path / "x.npy", "is no file")


def png(width, height, *chunks):
    def chunk(kind, content):
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", head), *chunks, (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


@pytest.mark.parametrize("side", [5000, 10_000, 2**31 - 1])
def test_an_image_with_very_many_pixels(pictures, side):
    data = (b"IDAT", zlib.compress(bytes(10_000)))
    (pictures / "c.png").write_bytes(png(side, side, data))
    with little_memory():
        refused(pictures, "c.png (has .* pixels|is larger than|cannot be read)")


def test_an_image_with_a_text_that_unpacks_to_very_much(pictures):
    text = (b"zTXt", b"a\0\0" + zlib.compress(bytes(80 * MEGABYTE)))
    data = (b"IDAT", zlib.compress(bytes(20)))
    (pictures / "c.png").write_bytes(png(4, 4, text, data))
    with little_memory(32 * MEGABYTE):
        refused(pictures, "c.png cannot be read as an image")


@pytest.mark.parametrize(
    "content", [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n", b"<svg/>"]
)
def test_formats_with_programs_in_them_are_not_opened(pictures, content):
    (pictures / "c.png").write_bytes(content)
    refused(pictures, "c.png cannot be read as an image")


# -- fuzz -------------------------------------------------------------------------------------


def images_as(form, **options):
    image = np.random.default_rng(1).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    found = []
    for picture in (Image.fromarray(image), Image.fromarray(image[..., 0])):
        stream = io.BytesIO()
        picture.save(stream, form, **options)
        found.append(stream.getvalue())
    return found


def table_bytes():
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    values = {"a": np.arange(20.0), "b": np.arange(20) % 3, "kind": ["u", "v"] * 10}
    found = []
    for options in ({"compression": "snappy"}, {"use_dictionary": False, "compression": "gzip"}):
        stream = io.BytesIO()
        parquet.write_table(arrow.table(values), stream, **options)
        found.append(stream.getvalue())
    return found


def archive_bytes():
    values, labels = np.arange(12.0).reshape(4, 3), np.array(["a", "b", "a", "b"])
    found = []
    for save in (np.savez, np.savez_compressed):
        stream = io.BytesIO()
        save(stream, x=values, y=labels)
        found.append(stream.getvalue())
    return found


def idx_bytes():
    plain = bytes([0, 0, 8, 3]) + struct.pack(">3I", 4, 3, 5) + bytes(range(60))
    return [plain, gzip.compress(plain)]


TEXT = b'width,"length, cm",kind\n1.5,2,a\n3.5,4e3,b\n-1,.5,"a"\n'
ARRAYS = [npy_bytes(np.arange(12.0).reshape(4, 3)), npy_bytes(np.zeros((3, 4, 5, 3), np.uint8))]
VALID = {
    "x.npy": lambda: ARRAYS,
    "x.npz": archive_bytes,
    "x.csv": lambda: [TEXT, TEXT.replace(b",", b";"), b"1,2\n3,4\n5,6\n"],
    "x.parquet": table_bytes,
    "x.idx": idx_bytes,
    "png": lambda: images_as("PNG"),
    "jpeg": lambda: images_as("JPEG"),
    "bmp": lambda: images_as("BMP"),
    "gif": lambda: images_as("GIF"),
    "tiff": lambda: images_as("TIFF"),
    "webp": lambda: images_as("WEBP"),
    "ppm": lambda: images_as("PPM"),
}


QUICK = ("x.npy", "x.npz", "x.idx")
TABLES = ("x.csv", "x.parquet")
AMOUNTS = [
    *((kind, 10_000 if kind in QUICK else 2_000 if kind in TABLES else 500) for kind in VALID),
    *(pytest.param(k, 10_000, marks=pytest.mark.slow) for k in VALID if k not in QUICK),
]


class Fuzzer:
    """Changed copies of valid files, one to three changes each, the same for the same seed."""

    def __init__(self, valid, seed):
        self.valid, self.random = valid, random.Random(seed)
        self.changes = (self.flip, self.cut, self.remove, self.splice, self.repeat, self.lie)

    def one(self):
        found = bytearray(self.random.choice(self.valid))
        for _ in range(self.random.randint(1, 3)):
            self.random.choice(self.changes)(found)
        return bytes(found)

    def span(self, found):
        start = self.random.randint(0, len(found))
        return slice(start, start + self.random.randint(1, 32))

    def flip(self, found):
        for _ in range(self.random.randint(1, 3)):
            if found:
                found[self.random.randrange(len(found))] ^= 1 << self.random.randrange(8)

    def cut(self, found):
        del found[self.random.randint(0, len(found)) :]

    def remove(self, found):
        del found[self.span(found)]

    def splice(self, found):
        other = self.random.choice(self.valid)
        found[self.span(found)] = other[self.span(other)]

    def repeat(self, found):
        part = found[self.span(found)]
        found[self.span(found)] = part * self.random.randint(1, 8)

    def lie(self, found):
        width = self.random.choice((1, 2, 4, 8))
        value = self.random.choice(EXTREMES) % 256**width
        start = self.random.randint(0, len(found))
        found[start : start + width] = value.to_bytes(width, self.random.choice(ORDERS))


def peak_memory():
    """Bytes this process has had in memory at most, since the last call of `forget_peak`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024


def forget_peak():
    Path("/proc/self/clear_refs").write_text("5")


@pytest.fixture
def quick_folder():
    """A folder in memory where there is one: ten thousand files a reader wear a disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.exists() else None) as folder:
        yield Path(folder)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize(("kind", "count"), AMOUNTS)
def test_fuzzed_files_give_data_or_an_error(kind, count, quick_folder, monkeypatch):
    monkeypatch.setenv("SPARSEVAE_CACHE", str(quick_folder / "cache"))
    fuzzer = Fuzzer(VALID[kind](), SEED)
    path = quick_folder / (kind if "." in kind else "x")
    target = path
    if "." not in kind:
        path.mkdir()
        (path / f"0.{kind}").write_bytes(fuzzer.valid[1])
        target = path / f"1.{kind}"
    options = {"labels": "kind"} if kind in ("x.csv", "x.parquet") else {}
    forget_peak()
    before, sentences, data = peak_memory(), set(), 0
    for number in range(count):
        target.write_bytes(fuzzer.one())
        try:
            raw = readers.read(path, memory=MEGABYTE, **options)
        except SparseVAEError as error:
            sentences.add(str(error))
        except Exception as error:
            raise AssertionError(f"file {number} of seed {SEED}") from error
        else:
            data += raw.values.ndim in (2, 4) and len(raw.values) >= 2
    assert data > 0
    assert sentences
    assert not any("\n" in sentence for sentence in sentences)
    assert peak_memory() - before < 200 * MEGABYTE
