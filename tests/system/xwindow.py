# SPDX-License-Identifier: Apache-2.0
"""Takes the picture of the one window on a private X server.

It speaks the few requests of the X protocol, version 11, that this needs: QueryTree,
GetGeometry, GetImage.
"""

import socket
import struct

QUERY_TREE, GET_GEOMETRY, GET_IMAGE = 15, 14, 73
Z_PIXMAP = 2


class Server:
    """A connection to display `:N` of this host, over its Unix socket."""

    def __init__(self, number):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(f"/tmp/.X11-unix/X{number}")
        self.socket.sendall(struct.pack("<BxHHHHxx", ord("l"), 11, 0, 0, 0))
        status, _, _, _, words = struct.unpack("<BBHHH", self._receive(8))
        setup = self._receive(4 * words)
        if status != 1:
            raise OSError(f"the X server refuses: {setup!r}")
        vendor_bytes = struct.unpack_from("<H", setup, 16)[0]
        formats = setup[21]
        root = 32 + (vendor_bytes + 3) // 4 * 4 + 8 * formats
        self.root = struct.unpack_from("<I", setup, root)[0]

    def close(self):
        self.socket.close()

    def _receive(self, size):
        data = bytearray()
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise OSError("the X server has gone")
            data += part
        return bytes(data)

    def _ask(self, request):
        self.socket.sendall(request)
        while True:
            head = self._receive(32)
            if head[0] == 0:
                raise OSError(f"X error {head[1]}")
            if head[0] == 1:
                return head, self._receive(4 * struct.unpack_from("<I", head, 4)[0])

    def window(self):
        """The largest window and its size."""
        head, body = self._ask(struct.pack("<BxHI", QUERY_TREE, 2, self.root))
        found = []
        for child in struct.unpack_from(f"<{struct.unpack_from('<H', head, 16)[0]}I", body):
            geometry, _ = self._ask(struct.pack("<BxHI", GET_GEOMETRY, 2, child))
            width, height = struct.unpack_from("<HH", geometry, 16)
            found.append((width * height, child, width, height))
        if not found:
            raise OSError("no window yet")
        return max(found)[1:]

    def picture(self, top, bottom):
        """Width, height and rows of RGB of the window without its first and last lines."""
        window, width, height = self.window()
        height -= top + bottom
        head, body = self._ask(
            struct.pack(
                "<BBHIhhHHI", GET_IMAGE, Z_PIXMAP, 5, window, 0, top, width, height, 0xFFFFFFFF
            )
        )
        if head[1] != 24:
            raise OSError(f"the X server has a depth of {head[1]}, not 24")
        rows = []
        for y in range(height):
            line = body[4 * width * y : 4 * width * (y + 1)]
            rgb = bytearray(3 * width)
            rgb[0::3], rgb[1::3], rgb[2::3] = line[2::4], line[1::4], line[0::4]
            rows.append(bytes(rgb))
        return width, height, rows
