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
def _peek(data, at):
    """Return the 16 bits from bit `at` on, which are followed by at least a byte."""
    byte = U64(at) >> U64(3)
    word = U64(data[byte]) << U64(16) | U64(data[byte + U64(1)]) << U64(8) | U64(data[byte + U64(2)])
    return word >> (U64(8) - (U64(at) & U64(7))) & U64(0xFFFF)


@kernel
def walk_blocks(data, ends, scan, tables, blocks):
    """Follow the codes of a sequential JPEG scan, or of a progressive one of DC, as ITU-T T.81 defines them.

    Args:
        data: the scan's data without markers and stuffed bytes, and at least 256 more bytes, uint8 (n,).
        ends: for each interval between restart markers: the bit after its last byte, int64 (k,).
        scan: int64 (5,): number of MCUs; MCUs of an interval; SEQUENTIAL, DC_FIRST or DC_REFINED; first and last
            coefficient, in zigzag order.
        tables: uint16 (8, 65536), 256 x length + symbol for the next 16 bits; DC tables, then AC tables.
        blocks: for each block of an MCU: the rows of its two tables.

    Returns:
        Whether the codes stand for all blocks, and end with the data.
    """
    at, is_sequential = I64(0), scan[2] == SEQUENTIAL
    for part in range(ends.size):
        for _ in range(min(scan[1], scan[0] - part * scan[1])):
            for block in range(blocks.shape[0]):
                if scan[2] == DC_REFINED:
                    at += 1
                    continue
                entry = I64(tables[blocks[block, 0], _peek(data, at)])
                at += (entry >> 8) + (entry & 255)
                if entry == 0 or (entry & 255) > 15:
                    return False
                k = 1
                while is_sequential and k < 64:
                    entry = I64(tables[blocks[block, 1], _peek(data, at)])
                    zeros, size = (entry >> 4) & 15, entry & 15
                    at += (entry >> 8) + size
                    k += zeros + 1
                    if entry == 0 or (size > 0 and k > 64):
                        return False
                    if size == 0 and zeros < 15:
                        break
                if at > ends[part]:
                    return False
        if not 0 <= ends[part] - at < 8:
            return False
        at = ends[part]
    return True


@kernel
def walk_bands(data, ends, scan, table, masks):
    """Follow the codes of a progressive JPEG scan of AC.

    Args:
        data: as for `walk_blocks`.
        ends: as for `walk_blocks`.
        scan: as for `walk_blocks`, but AC_FIRST or AC_REFINED.
        table: uint16 (65536,), 256 x length + symbol for the next 16 bits.
        masks: for each block of the scan: its coefficients that are not 0, as bits. Updated.

    Returns:
        Whether the codes stand for all blocks, and end with the data.
    """
    at, last, is_refined = I64(0), scan[4], scan[2] == AC_REFINED
    for part in range(ends.size):
        run = I64(0)  # number of blocks, from this one on, that have no more codes
        for block in range(part * scan[1], min((part + 1) * scan[1], scan[0])):
            k = scan[3]
            while run == 0 and k <= last:
                entry = I64(table[_peek(data, at)])
                zeros, size = (entry >> 4) & 15, entry & 15
                at += entry >> 8
                if entry == 0 or (is_refined and size > 1):
                    return False
                if size == 0 and zeros < 15:
                    run = (I64(1) << zeros) + I64(_peek(data, at) >> U64(16 - zeros))
                    at += zeros
                    break
                at += size
                if is_refined:
                    at, k = _refine(at, masks[block], k, last, zeros)
                else:
                    k += zeros
                if size > 0:
                    if k > last:
                        return False
                    masks[block] |= U64(1) << U64(k)
                k += 1
            if run > 0:
                if is_refined:
                    at, k = _refine(at, masks[block], k, last, I64(64))
                run -= 1
            if at > ends[part]:
                return False
        if not 0 <= ends[part] - at < 8:
            return False
        at = ends[part]
    return True


@inner_kernel
def _refine(at, mask, k, last, zeros):
    """Skip a bit for each coefficient that is not 0, up to the coefficient after `zeros` others that are 0."""
    while k <= last:
        if (mask >> U64(k)) & U64(1):
            at += 1
        elif zeros == 0:
            break
        else:
            zeros -= 1
        k += 1
    return at, k


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
        count -= width
        code = I64(bits >> U64(count) & ((U64(1) << U64(width)) - U64(1)))
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
