"""Rows of NumPy arrays in files: ``.npy``, and members of ``.npz``, compressed or not."""

from __future__ import annotations

import errno
import lzma
import math
import pickle
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from dlnflow.data._rows import FileError, Rows, Table, flat_width, listed

PIECE = 2**20  # bytes read at once for a checksum
LOCAL_HEADER = 30  # bytes of a zip member's own header, before its name and extra field

DAMAGE = (
    ValueError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    SyntaxError,
    TypeError,
    LookupError,
    OverflowError,
    pickle.UnpicklingError,
    lzma.LZMAError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
IN_DAMAGE = (None, errno.EINVAL)  # numbers of OSError: bad data for bz2, and a place before a file


class MappedArray(Table):
    """An array that lies in a file as it is, mapped into memory: nothing is read before its turn.

    A flat array has one number per row.
    """

    def __init__(self, path: Path, label: str, array: Rows) -> None:
        self.path = path
        self.label = label
        self.array = array
        self.width = flat_width(label, array.shape, array.dtype)
        self.n = len(array)

    def raw_blocks(self, rows: int) -> Iterator[Rows]:
        """Views of the file."""
        for start in range(0, len(self.array), rows):
            block = self.array[start : start + rows]
            yield np.asarray(block).reshape(len(block), self.width)


class CompressedArray(Table):
    """A compressed member of an ``.npz``, unpacked block by block.

    One in Fortran order has its rows scattered over the whole member, and is read whole.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.member = f"{name}.npy"
        self.label = f"{path}: array {name!r}"
        with self._stream() as stream:
            shape, self.fortran, self.dtype = _header(stream)
        self.width = flat_width(self.label, shape, self.dtype)
        self.n = shape[0]

    @contextmanager
    def _stream(self) -> Iterator[IO[bytes]]:
        with (
            _damage(f"{self.label} cannot be read: damaged, or not one of numbers"),
            zipfile.ZipFile(self.path) as archive,
            archive.open(self.member) as stream,
        ):
            yield stream

    def raw_blocks(self, rows: int) -> Iterator[Rows]:
        """Blocks as they are unpacked."""
        with self._stream() as stream:
            if self.fortran:
                yield from self._whole(stream, rows)
                return
            _header(stream)
            row = self.width * self.dtype.itemsize
            left = self.n or 0
            while left:
                count = min(rows, left)
                data = stream.read(count * row)
                yield np.frombuffer(data, self.dtype).reshape(count, self.width)
                left -= count
            _compare_checksum(stream)

    def _whole(self, stream: IO[bytes], rows: int) -> Iterator[Rows]:
        warnings.warn(
            f"{self.label} is compressed in Fortran order, and is read into memory whole; "
            "save np.ascontiguousarray of it to have it read in blocks",
            UserWarning,
            stacklevel=2,
        )
        with _quietly():
            array = np.lib.format.read_array(stream, allow_pickle=False)
        for start in range(0, len(array), rows):
            block = array[start : start + rows]
            yield block.reshape(len(block), self.width)


def npy(path: Path) -> Table:
    """The array of a ``.npy`` file."""
    if _begins(path, b"PK\x03\x04"):
        raise FileError(f"{path}: holds several arrays, as an .npz does: name it so")
    with _damage(f"{path}: cannot be read: not a NumPy file of numbers, or cut short"), _quietly():
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    more = path.stat().st_size - array.offset - array.nbytes
    if more:
        raise FileError(
            f"{path}: cannot be read: its array of shape {array.shape} ends {more} bytes before "
            "the file does: damaged, or several arrays in one file"
        )
    return MappedArray(path, str(path), array)


def members(path: Path) -> list[str]:
    """The names of the arrays in an ``.npz`` file."""
    if _begins(path, np.lib.format.MAGIC_PREFIX):
        raise FileError(f"{path}: holds one array, as an .npy does: name it so")
    with (
        _damage(f"{path}: cannot be read: not a NumPy file of numbers, or cut short"),
        zipfile.ZipFile(path) as archive,
    ):
        return [name.removesuffix(".npy") for name in archive.namelist() if name[-4:] == ".npy"]


def npz(path: Path, name: str) -> Table:
    """One array of an ``.npz`` file: mapped if it is stored as it is, else unpacked in blocks.

    What is mapped is read through once beforehand, for its checksum.
    """
    found = members(path)
    if name not in found:
        raise FileError(f"{path}: array {name!r} is missing (found: {listed(found)})")
    label = f"{path}: array {name!r}"
    with (
        _damage(f"{label} cannot be read: damaged, or not one of numbers"),
        zipfile.ZipFile(path) as archive,
    ):
        entry = archive.getinfo(f"{name}.npy")
        with archive.open(entry) as stream:
            shape, fortran, dtype = _header(stream)
            flat_width(label, shape, dtype)
            begins = stream.tell()
            if entry.file_size != begins + math.prod(shape) * dtype.itemsize:
                raise ValueError(entry.file_size)
            if entry.compress_type != zipfile.ZIP_STORED:
                return CompressedArray(path, name)
            _compare_checksum(stream)
        offset = _data_offset(path, entry) + begins
        order: Any = "F" if fortran else "C"
        array = np.memmap(path, dtype, "r", offset, shape, order)
    return MappedArray(path, label, array)


def _begins(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


def _data_offset(path: Path, entry: zipfile.ZipInfo) -> int:
    """Where a member's bytes start: after its local header, whose lengths the directory lacks."""
    with path.open("rb") as file:
        file.seek(entry.header_offset)
        header = file.read(LOCAL_HEADER)
    name, extra = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
    return entry.header_offset + LOCAL_HEADER + name + extra


def _compare_checksum(stream: IO[bytes]) -> None:
    """Read a member to its end, where `zipfile` compares its checksum."""
    while stream.read(PIECE):
        pass


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, Fortran order and type, read from the start of an array."""
    version = np.lib.format.read_magic(stream)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(version)
    with _quietly():
        return readers[version](stream)


@contextmanager
def _damage(message: str) -> Iterator[None]:
    """Everything that is raised over a file that is damaged, or holds no numbers."""
    try:
        yield
    except FileError:
        raise
    except DAMAGE:
        raise FileError(message) from None
    except OSError as error:
        if error.errno not in IN_DAMAGE:
            raise
        raise FileError(message) from None


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the warnings of Python's parser and NumPy's over what a header holds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
