"""Walk through the compressed data of JPEG scans and of TIFF strips (LZW) without decoding pixels.

libjpeg replaces missing and damaged data by grey, libtiff by what happens to be in memory. Both only print a warning to
the process's standard error, in which no thread can find its own. These kernels follow the same codes and count what
the codes stand for, so damage is a return value.
"""

import numpy as np

from disbench.system.compilation import make_inner_decorator, make_kernel_decorator

SEQUENTIAL, DC_FIRST, DC_REFINED, AC_FIRST, AC_REFINED = range(5)
DAMAGED = -1
I64, U64 = np.int64, np.uint64
kernel, inner_kernel = make_kernel_decorator(nogil=True), make_inner_decorator(nogil=True)


@inner_kernel
def _refill(data, at, bits, count):
    """Add bytes of a scan to the bit buffer, up to 56 bits, or up to the next marker. FF 00 stands for FF."""
    while count <= 48 and at < data.size:
        byte = data[at]
        if byte == 0xFF:
            after = at + 1
            while after < data.size and data[after] == 0xFF:
                after += 1
            if after >= data.size or data[after] != 0:
                break
            at = after
        at += 1
        bits = (bits << U64(8)) | U64(byte)
        count += 8
    return at, bits, count


@inner_kernel
def _look_up(table, bits, count):
    """Return the entry of a table, 256 x length + symbol, for the next code; 0 if there is no such code."""
    ahead = bits >> U64(count - 16) if count >= 16 else bits << U64(16 - count)
    entry = I64(table[ahead & U64(0xFFFF)])
    return entry if (entry >> 8) <= count else I64(0)


@inner_kernel
def _take(bits, count, width):
    """Return the next `width` bits as a number, without removing them. `count` is not smaller."""
    return I64((bits >> U64(count - width)) & ((U64(1) << U64(width)) - U64(1)))


@kernel
def walk_blocks(data, at, scan, tables, blocks):
    """Follow the codes of a sequential JPEG scan, or of a progressive one of DC, as ITU-T T.81 defines them.

    Args:
        data: the file, uint8 (n,).
        at: offset of the scan's data.
        scan: int64 (5,): number of MCUs; MCUs between two restart markers, or 0; SEQUENTIAL, DC_FIRST or DC_REFINED;
            first and last coefficient, in zigzag order.
        tables: uint16 (8, 65536), 256 x length + symbol for the next 16 bits; DC tables, then AC tables.
        blocks: for each block of an MCU: the rows of its two tables.

    Returns:
        The offset of the marker that follows, or DAMAGED.
    """
    reader = (I64(at), U64(0), I64(0))
    for mcu in range(scan[0]):
        reader = _restart(data, reader, scan[1], mcu)
        for block in range(blocks.shape[0]):
            if reader[0] < 0:
                return I64(DAMAGED)
            reader = _walk_block(data, reader, tables, blocks[block], scan[2])
    return _find_end(data, reader)


@kernel
def walk_bands(data, at, scan, table, masks):
    """Follow the codes of a progressive JPEG scan of AC.

    Args:
        data: the file, uint8 (n,).
        at: offset of the scan's data.
        scan: as for `walk_blocks`, but AC_FIRST or AC_REFINED.
        table: uint16 (65536,), 256 x length + symbol for the next 16 bits.
        masks: for each block of the scan: its coefficients that are not 0, as bits. Updated.

    Returns:
        The offset of the marker that follows, or DAMAGED.
    """
    reader, run = (I64(at), U64(0), I64(0)), I64(0)
    for mcu in range(scan[0]):
        reader = _restart(data, reader, scan[1], mcu)
        if scan[1] > 0 and mcu % scan[1] == 0:
            run = I64(0)
        if reader[0] < 0:
            return I64(DAMAGED)
        reader, run, masks[mcu] = _walk_band(data, reader, run, masks[mcu], table, scan)
    return _find_end(data, reader)


@inner_kernel
def _restart(data, reader, interval, mcu):
    """Step over the restart marker before an MCU, if one belongs there. Returns a negative offset for damage."""
    if interval == 0 or mcu == 0 or mcu % interval:
        return reader
    at, bits, count = _refill(data, *reader)
    while at + 1 < data.size and data[at] == 0xFF and data[at + 1] == 0xFF:
        at += 1
    number = (mcu // interval - 1) & 7
    if count >= 8 or at + 1 >= data.size or data[at] != 0xFF or data[at + 1] != 0xD0 + number:
        return I64(DAMAGED), bits, count
    return at + 2, U64(0), I64(0)


@inner_kernel
def _find_end(data, reader):
    """Return the offset of the marker that ends a scan, or DAMAGED."""
    if reader[0] < 0:
        return I64(DAMAGED)
    at, _, count = _refill(data, *reader)
    is_whole = count < 8 and at < data.size and data[at] == 0xFF
    return at if is_whole else I64(DAMAGED)


@inner_kernel
def _walk_block(data, reader, tables, rows, kind):
    """Follow one block of a sequential scan, or of a progressive scan of DC. Returns a negative offset for damage.

    `reader` is the offset, the bit buffer and the number of bits in it.
    """
    at, bits, count = _refill(data, *reader)
    if kind == DC_REFINED:
        return (at if count > 0 else I64(DAMAGED)), bits, count - 1
    entry = _look_up(tables[rows[0]], bits, count)
    count -= (entry >> 8) + (entry & 255)
    if entry == 0 or count < 0 or (entry & 255) > 15:
        return I64(DAMAGED), bits, count
    k = 1
    while kind == SEQUENTIAL and k < 64:
        if count < 32:
            at, bits, count = _refill(data, at, bits, count)
        entry = _look_up(tables[rows[1]], bits, count)
        zeros, size = (entry >> 4) & 15, entry & 15
        count -= (entry >> 8) + size
        k += zeros + 1
        if entry == 0 or count < 0 or (size > 0 and k > 64):
            return I64(DAMAGED), bits, count
        if size == 0 and zeros < 15:
            break
    return at, bits, count


@inner_kernel
def _walk_band(data, reader, run, mask, table, scan):
    """Follow one block of a progressive scan of AC. Returns a negative offset for damage.

    `run` is the number of blocks, from this one on, that have no more codes.
    """
    at, bits, count = reader
    kind, k, last = scan[2], scan[3], scan[4]
    while run == 0 and k <= last:
        at, bits, count = _refill(data, at, bits, count)
        entry = _look_up(table, bits, count)
        zeros, size = (entry >> 4) & 15, entry & 15
        count -= entry >> 8
        is_end = size == 0 and zeros < 15
        width = zeros if is_end else size
        if entry == 0 or count < width or (kind == AC_REFINED and size > 1):
            return (I64(DAMAGED), bits, count), run, mask
        if is_end:
            run = (I64(1) << zeros) + _take(bits, count, width)
            count -= width
            break
        count -= width
        if kind == AC_FIRST:
            k += zeros
        else:
            (at, bits, count), k = _refine(data, (at, bits, count), mask, k, last, zeros)
            if at < 0:
                return (at, bits, count), run, mask
        if size > 0:
            if k > last:
                return (I64(DAMAGED), bits, count), run, mask
            mask |= U64(1) << U64(k)
        k += 1
    if run > 0:
        if kind == AC_REFINED:
            (at, bits, count), k = _refine(data, (at, bits, count), mask, k, last, I64(64))
        run -= 1
    return (at, bits, count), run, mask


@inner_kernel
def _refine(data, reader, mask, k, last, zeros):
    """Skip a bit for each coefficient that is not 0, up to the coefficient after `zeros` others that are 0."""
    at, bits, count = reader
    while k <= last:
        if (mask >> U64(k)) & U64(1):
            if count == 0:
                at, bits, count = _refill(data, at, bits, count)
            if count == 0:
                return (I64(DAMAGED), bits, count), k
            count -= 1
        elif zeros == 0:
            break
        else:
            zeros -= 1
        k += 1
    return (at, bits, count), k


@kernel
def measure_lzw(data):
    """Return the number of bytes that a strip of LZW codes expands to, or DAMAGED for a code not yet in the table."""
    lengths = np.ones(4097, np.int64)
    size, free, width, previous = I64(0), I64(258), I64(9), I64(-1)
    bits, count = U64(0), I64(0)
    at = I64(0)
    while True:
        while count < width and at < data.size:
            bits = (bits << U64(8)) | U64(data[at])
            at, count = at + 1, count + 8
        if count < width:
            return size
        code = _take(bits, count, width)
        count -= width
        if code == 257:
            return size
        if code == 256:
            free, width, previous = I64(258), I64(9), I64(-1)
            continue
        if code > free or (code == free and previous < 0) or free > 4096 or (previous < 0 and code > 255):
            return I64(DAMAGED)
        if previous >= 0:
            lengths[free] = lengths[previous] + 1
            free += 1
        size += lengths[code]
        previous = code
        if free + 1 >= (I64(1) << width) and width < 12:
            width += 1
