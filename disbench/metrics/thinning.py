"""Skeletons: Zhang and Suen, A fast parallel algorithm for thinning digital patterns, CACM 1984, as in scikit-image.

A pass looks at blocks of 64 x 8 pixels. What it removes is what scikit-image's table says (BSD-3-Clause, the
scikit-image team), which is the rule of the paper but for 25 patterns of neighbours, written as a decision diagram.
"""

import numpy as np

from disbench.metrics.kernels import kernel

ROWS = 8  # of a block, which is one word wide
ONE, LAST, NONE = np.uint64(1), np.uint64(63), np.uint64(0)


def thin(words: np.ndarray) -> np.ndarray:
    """The skeleton of a packed image, uint64 (h, words), packed; equal to scikit-image's skeletonize."""
    height, width = words.shape
    blocks = -(-height // ROWS) + 2  # of a column of words, in a frame of empty ones
    columns = np.zeros((width + 2, blocks * ROWS), np.uint64)
    bones = columns[1:-1, ROWS : ROWS + height]
    bones[:] = words.T
    _thin(columns, blocks)
    return np.ascontiguousarray(bones.T)


@kernel
def _choose(which, one, other):
    return other ^ which & (one ^ other)


@kernel
def _removable(nw, n, ne, e, se, s, sw, w):
    """Where a pass removes pixels with these neighbours, but for the three patterns that _removed knows.

    They are named as the first pass sees them; the second sees the image turned around. Each line chooses by one
    neighbour between what is so if it is foreground and what is so if not; the last choice is made first.
    """
    north, east = n & ~se, ~n & se
    corner, cut = north & ~s, east & s
    side = _choose(s, ~n & ~se, north)
    both = _choose(ne, n & ~s, corner & ~w)
    single = _choose(ne, ~w & (~s | east), ~w & side)
    upper = _choose(e, _choose(nw, both, single), _choose(ne, corner, w & side))
    lone = _choose(ne, w & corner, cut)
    pair = _choose(ne, w & north, w & (s | ~se))
    lower = _choose(e, _choose(nw, ne & w & corner, ~w & cut), _choose(nw, pair, lone))
    return _choose(sw, lower, upper)


@kernel
def _removed(left, here, right, first, found):
    """Fill in what a pass removes of a block; of it and its neighbours come its ROWS, and a row above and below.

    Their number is taken from the array: the loop over a number that is known to LLVM becomes no vector instructions.
    """
    for i in range(found.size):
        n, pixels, s = here[i], here[i + 1], here[i + 2]
        nw, w, sw = n << ONE | left[i] >> LAST, pixels << ONE | left[i + 1] >> LAST, s << ONE | left[i + 2] >> LAST
        ne, e, se = n >> ONE | right[i] << LAST, pixels >> ONE | right[i + 1] << LAST, s >> ONE | right[i + 2] << LAST
        if first:
            also = n & ~(ne | e | se | s) & (nw & ~(sw | w) | ~nw & sw & w)
            found[i] = pixels & (also | _removable(nw, n, ne, e, se, s, sw, w))
        else:
            also = e & se & ~(nw | n | ne | s | sw | w)
            found[i] = pixels & (also | _removable(se, s, sw, w, nw, n, ne, e))


@kernel
def _thin(columns, blocks):
    """Remove pixels in alternate passes, each at once, until neither pass removes any.

    A block is looked at again in the two passes after a pixel in it or beside it has gone: `now` are the blocks near
    what the last pass has removed, `before` those near what the one before it has, `near` has a block's last such pass.
    """
    flat = columns.reshape(-1)
    size = columns.shape[0] * blocks
    near = np.full(size, np.iinfo(np.int32).max, np.int32)  # blocks of the frame stay out
    now, before = np.empty(size, np.int32), np.empty(size, np.int32)
    after, changed = np.empty(size, np.int32), np.empty(size, np.int32)
    found = np.empty((size, ROWS), np.uint64)
    count, earlier, this = 0, 0, 0
    for k in range(1, columns.shape[0] - 1):
        for block in range(k * blocks + 1, (k + 1) * blocks - 1):
            near[block] = 0
            if flat[block * ROWS : (block + 1) * ROWS].any():
                now[count] = block
                count += 1
    while count > 0 or earlier > 0:
        total = count
        for i in range(earlier):
            if near[before[i]] < this:
                now[total] = before[i]
                total += 1
        this += 1
        changes = 0
        for i in range(total):
            here = now[i] * ROWS - 1
            left, right = here - blocks * ROWS, here + blocks * ROWS
            gone = found[changes]
            _removed(
                flat[left : left + ROWS + 2],
                flat[here : here + ROWS + 2],
                flat[right : right + ROWS + 2],
                this & 1,
                gone,
            )
            if gone.any():
                changed[changes] = now[i]
                changes += 1
        fresh = 0
        for i in range(changes):
            block, gone = changed[i], found[i]
            every = NONE
            for row in range(ROWS):
                flat[block * ROWS + row] &= ~gone[row]
                every |= gone[row]
            top, bottom = gone[0], gone[ROWS - 1]
            for side in range(-1, 2):
                edge = ~NONE if side == 0 else ONE if side < 0 else ONE << LAST
                beside = block + side * blocks
                for there, seen in ((beside - 1, top), (beside, every), (beside + 1, bottom)):
                    if seen & edge != NONE and near[there] < this:
                        near[there] = this
                        after[fresh] = there
                        fresh += 1
        before, now, after = now, after, before
        earlier, count = count, fresh
