# SPDX-License-Identifier: Apache-2.0
"""The picture reader itself: what the other tests see with."""

import struct
import zlib

import pattern
import pytest


def png(rows, step=3, kind=0):
    """Rows of raw bytes as a PNG; `kind` is the filter of each row."""

    def chunk(name, body):
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    raw, above = b"", bytes(len(rows[0]))
    for row in rows:
        raw += bytes([kind]) + bytes(filtered(kind, row, above, step))
        above = row
    header = struct.pack(">IIBBBBB", len(rows[0]) // step, len(rows), 8, 2 if step == 3 else 6, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(raw))
        + chunk(b"IEND", b"")
    )


def filtered(kind, row, above, step):
    for i, value in enumerate(row):
        left = row[i - step] if i >= step else 0
        up = above[i]
        corner = above[i - step] if i >= step else 0
        paeth = min((left, up, corner), key=lambda c: abs(left + up - corner - c))
        yield (value - (0, left, up, (left + up) // 2, paeth)[kind]) & 255


def drawn(name, frame, width=640, height=400):
    """What tests/guest/drawer.c draws, as far as the code goes."""
    body = name.encode().ljust(pattern.NAME_BYTES, b"\0") + frame.to_bytes(4, "big")
    code = body + pattern.crc16(body).to_bytes(2, "big")
    bits = [(byte >> (7 - i)) & 1 for byte in code for i in range(8)]
    rows = [bytearray(b"\x10\x20\x30" * width) for _ in range(height)]
    for row in range(pattern.ROWS):
        for column in range(pattern.COLUMNS):
            ring = row in (0, pattern.ROWS - 1) or column in (0, pattern.COLUMNS - 1)
            if ring:
                white = (row + column) % 2 == 0
            else:
                white = bits[(row - 1) * (pattern.COLUMNS - 2) + column - 1]
            x = pattern.CODE_X + column * pattern.CELL
            y = pattern.CODE_Y + row * pattern.CELL
            for line in rows[y : y + pattern.CELL]:
                line[3 * x : 3 * (x + pattern.CELL)] = (b"\xff" if white else b"\0") * (
                    3 * pattern.CELL
                )
    return [bytes(row) for row in rows]


def test_crc16_is_ccitt_false():
    assert pattern.crc16(b"123456789") == 0x29B1


@pytest.mark.parametrize("frame", [0, 1, 0x01020304, 0xFFFFFFFF])
@pytest.mark.parametrize("name", ["a", "alpha", "longname"])
def test_reads_name_and_frame(name, frame):
    stamp = pattern.decode(pattern.parse_png(png(drawn(name, frame))))
    assert (stamp.name, stamp.frame) == (name, frame)


@pytest.mark.parametrize("kind", range(5))
@pytest.mark.parametrize("step", [3, 4])
def test_undoes_every_filter(kind, step):
    rows = [bytes((x * 7 + y * 13 + x * y) & 255 for x in range(8 * step)) for y in range(6)]
    picture = pattern.parse_png(png(rows, step, kind))
    assert [picture.pixel(3, y) for y in range(6)] == [
        tuple(row[3 * step : 3 * step + 3]) for row in rows
    ]


def test_refuses_a_damaged_code():
    rows = drawn("alpha", 7)
    x, y = pattern.CODE_X + 5 * pattern.CELL, pattern.CODE_Y + 3 * pattern.CELL
    for line in range(y, y + pattern.CELL):
        row = bytearray(rows[line])
        for i in range(3 * x, 3 * (x + pattern.CELL)):
            row[i] ^= 0xFF
        rows[line] = bytes(row)
    with pytest.raises(pattern.NoPattern):
        pattern.decode(pattern.parse_png(png(rows)))


def test_refuses_a_blank_picture():
    picture = pattern.parse_png(png([bytes(640 * 3)] * 400))
    assert picture.is_blank()
    with pytest.raises(pattern.NoPattern):
        pattern.decode(picture)


def test_refuses_a_damaged_file():
    data = bytearray(png(drawn("alpha", 7)))
    data[60] ^= 1
    with pytest.raises(ValueError):
        pattern.parse_png(bytes(data))
