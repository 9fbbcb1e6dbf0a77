"""A small data set that is the same bytes on every machine: image encoders differ between versions."""

import struct
import zlib


def png(rows, channels):
    """An 8-bit PNG of rows of bytes in stored blocks: the same bytes on every machine."""
    raw = b"".join(b"\0" + row for row in rows)
    stored = b"\x78\x01\x01" + struct.pack("<HH", len(raw), len(raw) ^ 0xFFFF) + raw
    first = struct.pack(">IIBBBBB", len(rows[0]) // channels, len(rows), 8, {1: 0, 3: 2}[channels], 0, 0, 0)
    chunks = ((b"IHDR", first), (b"IDAT", stored + struct.pack(">I", zlib.adler32(raw))), (b"IEND", b""))
    parts = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def save(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def write_data(root):
    """`data`, of two pairs of 16 x 24 pixels, and `maps` of them."""
    for k, name in enumerate(("a", "b")):
        inside = [[4 <= y < 12 and 6 + k <= x < 16 for x in range(24)] for y in range(16)]
        truth = [bytes(255 * one for one in row) for row in inside]
        image = [bytes(v for one in row for v in ((40, 50, 60) if one else (200, 190, 180 + k))) for row in inside]
        soft = [bytes(230 if one else 20 + k for one in row) for row in inside]
        save(root / "data" / "gt" / f"{name}.png", png(truth, 1))
        save(root / "data" / "im" / f"{name}.png", png(image, 3))
        save(root / "maps" / f"{name}.png", png(soft, 1))
