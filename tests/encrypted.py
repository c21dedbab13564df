"""Zip archives under a password, which Python can read but not write: the traditional cipher of PKWARE."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

CONSTANT = 134775813


def write_encrypted(path: Path, files: Mapping[str, bytes], password: str) -> None:
    """Write an archive whose members are encrypted (APPNOTE.TXT of PKWARE, 6.1)."""
    with zipfile.ZipFile(path, "w") as made:
        for name, content in files.items():
            # a header of twelve bytes, the last of which tells a wrong password
            check = zlib.crc32(content) >> 24
            made.writestr(name, bytes(_encrypt(bytes(11) + bytes([check]) + content, password)))
            member = made.getinfo(name)
            member.flag_bits |= 1
            member.CRC, member.file_size = zlib.crc32(content), len(content)
            _patch(made, member)


def _patch(made: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Write the header of a member again."""
    end = made.fp.tell()
    made.fp.seek(member.header_offset)
    made.fp.write(member.FileHeader(False))
    made.fp.seek(end)


def _encrypt(plain: bytes, password: str) -> Iterator[int]:
    keys = [0x12345678, 0x23456789, 0x34567890]
    for byte in password.encode():
        _update(keys, byte)
    for byte in plain:
        low = (keys[2] | 2) & 0xFFFF
        yield byte ^ ((low * (low ^ 1)) >> 8 & 0xFF)
        _update(keys, byte)


def _update(keys: list[int], byte: int) -> None:
    keys[0] = _crc(keys[0], byte)
    keys[1] = ((keys[1] + (keys[0] & 0xFF)) * CONSTANT + 1) & 0xFFFFFFFF
    keys[2] = _crc(keys[2], keys[1] >> 24)


def _crc(value: int, byte: int) -> int:
    # zlib inverts before and after, the cipher does not
    return zlib.crc32(bytes([byte]), value ^ 0xFFFFFFFF) ^ 0xFFFFFFFF
