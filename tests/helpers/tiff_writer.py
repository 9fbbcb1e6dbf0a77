"""TIFF files of kinds that neither Pillow nor OpenCV writes."""

import struct

import numpy as np

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, STRIPS, ORIENTATION = 256, 257, 258, 259, 262, 273, 274
CHANNELS, ROWS, SIZES, PLANAR, TILE_WIDTH, TILE_HEIGHT, TILES, TILE_SIZES, FORMAT = (
    *(277, 278, 279, 284, 322, 323, 324, 325),
    339,
)


def tiff(pixels, *, tile=0, parts=(), big=False, **tags):
    """Write an array (h, w) or (h, w, c), native byte order, as one strip or as square tiles.

    `tags` are further tags, or other values: tag_274=3. `parts` replaces the bytes of
    the strip by those of several.
    """
    height, width, *channels = pixels.shape
    count = channels[0] if channels else 1
    parts, offsets, sizes = list(parts) or [pixels.tobytes()], STRIPS, SIZES
    if tile:
        offsets, sizes, parts = TILES, TILE_SIZES, []
        for y in range(0, height, tile):
            for x in range(0, width, tile):
                block = np.zeros((tile, tile, *channels), pixels.dtype)
                piece = pixels[y : y + tile, x : x + tile]
                block[: piece.shape[0], : piece.shape[1]] = piece
                parts.append(block.tobytes())
    values = {
        **{WIDTH: [width], HEIGHT: [height], BITS: [8 * pixels.itemsize] * count, COMPRESSION: [1]},
        **{PHOTOMETRIC: [2 if count == 3 else 1], CHANNELS: [count], offsets: parts, sizes: [len(p) for p in parts]},
        **({TILE_WIDTH: [tile], TILE_HEIGHT: [tile]} if tile else {ROWS: [height]}),
        **{int(name[4:]): value if isinstance(value, list) else [value] for name, value in tags.items()},
    }
    start, entry, number = b"II*\0\x08\0\0\0", "<HHI", "I"
    if big:
        start, entry, number = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16), "<HHQ", "Q"
    short = struct.calcsize(number)
    after = len(start) + struct.calcsize("<Q" if big else "<H") + (4 + 2 * short) * len(values) + short
    entries, blob = b"", b""

    def put(content):
        nonlocal blob
        blob += content + bytes(-len(content) % 8)
        return after + len(blob) - len(content) - (-len(content) % 8)

    for tag, value in sorted(values.items()):
        if tag == offsets and isinstance(value[0], bytes):
            value = [put(part) for part in value]
        kind, code = (3, "H") if tag in (BITS, FORMAT) else (4, "I")
        packed = struct.pack(f"<{len(value)}{code}", *value)
        if len(packed) > short:
            packed = struct.pack("<" + number, put(packed))
        entries += struct.pack(entry, tag, kind, len(value)) + packed.ljust(short, b"\0")
    return start + struct.pack("<Q" if big else "<H", len(values)) + entries + bytes(short) + blob
