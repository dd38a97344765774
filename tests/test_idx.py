"""The IDX reader: right arrays from right files, one clear error from everything else."""

import gzip
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsevae.data import idx
from sparsevae.errors import DatasetError


def packed(array):
    """The bytes of an IDX file, written from the description of the format."""
    codes = {"|u1": 8, "|i1": 9, "<i2": 11, "<i4": 12, "<f4": 13, "<f8": 14}
    header = bytes([0, 0, codes[array.dtype.str], array.ndim])
    header += struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def header(code, *shape):
    return bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


@pytest.mark.parametrize("dtype", ["u1", "i1", "<i2", "<i4", "<f4", "<f8"])
@pytest.mark.parametrize("squeeze", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_every_type_survives(dtype, squeeze, tmp_path):
    array = (np.arange(24) * 5 - 7).astype(dtype).reshape(2, 3, 4)
    path = tmp_path / "file"
    path.write_bytes(squeeze(packed(array)))
    found = idx.read(path)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


def test_the_array_may_be_written_to():
    found = idx.parse(packed(np.zeros((2, 2), np.uint8)))
    found[0, 0] = 9
    assert found.sum() == 9


IMAGES = packed(np.arange(60, dtype=np.uint8).reshape(3, 4, 5))
SQUEEZED = gzip.compress(IMAGES)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "nothing"),
        (b"\0\0", "not an IDX file"),
        (b"PK\3\4" + IMAGES[4:], "504b0304"),
        (b"\0\0\x0a" + IMAGES[3:], "not an IDX file"),
        (header(8), "0 axes"),
        (header(8, *[1] * 9) + b"\0", "9 axes"),
        (IMAGES[:10], "ends inside its header"),
        (header(8, 0, 28, 28), "without any value"),
        (IMAGES[:-1], "only 59"),
        (IMAGES + b"\0", "holds more"),
        (header(8, 2**32 - 1, 2**32 - 1), "at most"),
        (header(8, 2**31 - 1) + b"short", "only 5"),
        (SQUEEZED[:-9], "truncated gzip"),
        (SQUEEZED[:15], "truncated gzip"),
        (SQUEEZED[:-8] + b"\1\2\3\4\5\6\7\x08", "damaged gzip"),
        (SQUEEZED[:10] + b"\xff" * 40, "damaged gzip"),
        (SQUEEZED + b"rubbish", "damaged gzip"),
    ],
    ids=range(17),
)
def test_everything_else_is_one_sentence(content, part):
    with pytest.raises(DatasetError, match=part) as caught:
        idx.parse(content, "some/file")
    assert str(caught.value).startswith("some/file")
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(DatasetError, match=f"cannot read {path}"):
            idx.read(path)


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(header(8, 10, 10) + bytes(100_000_000), 1),
        gzip.compress(header(8, 2**31 - 1) + bytes(10)),
        header(14, 2**27) + bytes(10),
    ],
    ids=["bomb", "lying gzip header", "lying header"],
)
def test_memory_follows_the_content_and_not_the_claim(content):
    tracemalloc.start()
    try:
        with pytest.raises(DatasetError):
            idx.parse(content)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * idx.CHUNK


def test_unpack_stops_one_byte_after_the_most():
    assert idx.unpack(gzip.compress(bytes(5000)), 99, "it") == bytes(100)
    assert idx.unpack(gzip.compress(bytes(99)), 99, "it") == bytes(99)
    assert idx.unpack(b"plain", 99, "it") == b"plain"


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_bytes_give_an_array_or_a_dataset_error(data):
    code = data.draw(st.sampled_from([*idx.TYPES, 0, 255]))
    shape = data.draw(
        st.lists(st.one_of(st.integers(0, 3), st.integers(0, 2**32 - 1)), max_size=9)
    )
    body = header(code, *shape) + data.draw(st.binary(max_size=60))
    content = data.draw(st.sampled_from([body, gzip.compress(body), data.draw(st.binary())]))
    if content and data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(content) - 1))
        content = content[:place] + data.draw(st.binary(max_size=3)) + content[place + 1 :]
    try:
        array = idx.parse(content, most=2**20)
    except DatasetError:
        return
    assert 0 < array.nbytes <= 2**20


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=4),
    st.sampled_from(["|u1", "|i1", "<i2", "<i4", "<f4", "<f8"]),
    st.integers(0, 2**32),
)
def test_any_array_comes_back(shape, dtype, seed):
    array = (np.random.default_rng(seed).standard_normal(shape) * 100).astype("i8").astype(dtype)
    np.testing.assert_array_equal(idx.parse(packed(array)), array)
