# SPDX-License-Identifier: Apache-2.0
"""Reads a PNG picture and the code in it that tells who drew it, and when.

The code is described in tests/guest/drawer.c. Everything here is plain Python: PNG is
zlib with a filter on each row.

pattern.py PICTURE.png...     prints what each picture says
"""

import struct
import sys
import zlib
from dataclasses import dataclass

CELL = 16
CODE_X = CODE_Y = 32
COLUMNS, ROWS = 18, 9
NAME_BYTES = 8


@dataclass
class Picture:
    """Rows of red, green, blue bytes."""

    width: int
    height: int
    rows: list

    def pixel(self, x, y):
        return tuple(self.rows[y][3 * x : 3 * x + 3])

    def crc32(self):
        crc = 0
        for row in self.rows:
            crc = zlib.crc32(row, crc)
        return crc

    def is_blank(self):
        """One colour all over: nobody drew anything."""
        first = self.rows[0][:3]
        return all(row == first * self.width for row in self.rows)


@dataclass
class Stamp:
    """What a picture says of itself."""

    name: str
    frame: int


class NoPattern(Exception):
    """The picture is whole, but nobody's code stands in it."""


def unfilter(kind, row, above, step):
    if kind == 0:
        return row
    if kind == 1:
        for i in range(step, len(row)):
            row[i] = (row[i] + row[i - step]) & 255
    elif kind == 2:
        for i, up in enumerate(above):
            row[i] = (row[i] + up) & 255
    elif kind == 3:
        for i, up in enumerate(above):
            left = row[i - step] if i >= step else 0
            row[i] = (row[i] + (left + up) // 2) & 255
    elif kind == 4:
        for i, up in enumerate(above):
            left, corner = (row[i - step], above[i - step]) if i >= step else (0, 0)
            guess = left + up - corner
            a, b, c = abs(guess - left), abs(guess - up), abs(guess - corner)
            row[i] = (row[i] + (left if a <= b and a <= c else up if b <= c else corner)) & 255
    else:
        raise ValueError(f"PNG filter {kind}")
    return row


def parse_png(data):
    """8 bits a channel, with or without alpha, not interlaced: what screendump writes."""
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("not a PNG file")
    at, compressed, header = 8, b"", None
    while at + 12 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + size]
        if zlib.crc32(kind + body) != struct.unpack_from(">I", data, at + 8 + size)[0]:
            raise ValueError("PNG chunk is damaged")
        if kind == b"IHDR":
            header = struct.unpack(">IIBBBBB", body)
        elif kind == b"IDAT":
            compressed += body
        elif kind == b"IEND":
            break
        at += 12 + size
    if header is None:
        raise ValueError("PNG file without a header")
    width, height, depth, colour, _, _, interlaced = header
    if depth != 8 or colour not in (2, 6) or interlaced:
        raise ValueError(f"PNG depth {depth} colour {colour} interlace {interlaced}")
    step = 3 if colour == 2 else 4
    raw = zlib.decompress(compressed)
    stride = width * step
    if len(raw) < (stride + 1) * height:
        raise ValueError("PNG file is cut short")
    rows, above = [], bytearray(stride)
    for y in range(height):
        start = y * (stride + 1)
        above = unfilter(
            raw[start], bytearray(raw[start + 1 : start + 1 + stride]), above, step
        )
        if step == 3:
            rows.append(bytes(above))
        else:
            rgb = bytearray(width * 3)
            for channel in range(3):
                rgb[channel::3] = above[channel::4]
            rows.append(bytes(rgb))
    return Picture(width, height, rows)


def read_png(path):
    with open(path, "rb") as file:
        return parse_png(file.read())


def write_png(path, picture):
    """What read_png() reads: 8 bits a channel, no alpha, no filter."""

    def chunk(kind, body):
        check = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", picture.width, picture.height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + row for row in picture.rows), 1)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, body in ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")):
            file.write(chunk(kind, body))


def crc16(data):
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def decode(picture):
    """The stamp, or NoPattern with the reason."""
    if picture.width < CODE_X + COLUMNS * CELL or picture.height < CODE_Y + ROWS * CELL:
        raise NoPattern(f"picture is only {picture.width}x{picture.height}")
    cells = []
    for row in range(ROWS):
        for column in range(COLUMNS):
            colour = picture.pixel(
                CODE_X + column * CELL + CELL // 2, CODE_Y + row * CELL + CELL // 2
            )
            if colour not in ((0, 0, 0), (255, 255, 255)):
                raise NoPattern(f"cell {column},{row} is {colour}, neither black nor white")
            white = colour[0] == 255
            if row in (0, ROWS - 1) or column in (0, COLUMNS - 1):
                if white != ((row + column) % 2 == 0):
                    raise NoPattern(f"ring is broken at cell {column},{row}")
            else:
                cells.append(white)
    code = bytes(
        sum(bit << (7 - i) for i, bit in enumerate(cells[at : at + 8]))
        for at in range(0, len(cells), 8)
    )
    body, check = code[: NAME_BYTES + 4], int.from_bytes(code[NAME_BYTES + 4 :], "big")
    if crc16(body) != check:
        raise NoPattern(f"check sum is {check:#x}, should be {crc16(body):#x}")
    name = body[:NAME_BYTES].rstrip(b"\0").decode("ascii", errors="replace")
    return Stamp(name, int.from_bytes(body[NAME_BYTES:], "big"))


def main():
    for path in sys.argv[1:]:
        picture = read_png(path)
        try:
            stamp = decode(picture)
            print(f"{path}: {picture.width}x{picture.height} {stamp.name} frame {stamp.frame}")
        except NoPattern as reason:
            print(f"{path}: {picture.width}x{picture.height} no pattern: {reason}")


if __name__ == "__main__":
    main()
