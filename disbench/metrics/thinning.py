"""Skeletons: Zhang and Suen, A fast parallel algorithm for thinning digital patterns, CACM 1984, as in scikit-image.

A pass removes the pixels that scikit-image's table names (BSD-3-Clause, the scikit-image team). The table is the rule
of the paper except for 25 patterns of neighbours. Here it is written as a decision diagram on words of 64 pixels. A
pass works on blocks of 64 x 8 pixels.
"""

import numpy as np

from disbench.metrics.kernels import inner_kernel, kernel

ROWS = 8  # rows of a block, which is one word wide
ONE, LAST, NONE = np.uint64(1), np.uint64(63), np.uint64(0)


def thin(words: np.ndarray) -> np.ndarray:
    """Return the skeleton of a packed image, uint64 (h, words), packed. It equals scikit-image's skeletonize."""
    height, width = words.shape
    blocks = -(-height // ROWS) + 2  # blocks of a column of words, in a frame of empty blocks
    columns = np.zeros((width + 2, blocks * ROWS), np.uint64)
    bones = columns[1:-1, ROWS : ROWS + height]
    bones[:] = words.T
    _thin(columns, blocks)
    return np.ascontiguousarray(bones.T)


@inner_kernel
def _choose(condition, on_true, on_false):
    """Choose bit by bit."""
    return on_false ^ condition & (on_true ^ on_false)


@inner_kernel
def _removable(nw, n, ne, e, se, s, sw, w):
    """Return where a pass removes pixels with these neighbours, except for the three patterns in _remove.

    The names of the neighbours are those of the first pass. The second pass sees the image turned by 180 degrees. Each
    line decides by one neighbour between the result if it is foreground and the result if it is background. The last
    decision comes first.
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


@inner_kernel
def _remove(left, here, right, is_first, removed):
    """Fill in the pixels that a pass removes from a block.

    The block and its neighbours on the left and right come with one row more above and below. The number of rows is
    taken from the array, because LLVM does not vectorise the loop over a constant number of rows.
    """
    for i in range(removed.size):
        n, pixels, s = here[i], here[i + 1], here[i + 2]
        nw, w, sw = n << ONE | left[i] >> LAST, pixels << ONE | left[i + 1] >> LAST, s << ONE | left[i + 2] >> LAST
        ne, e, se = n >> ONE | right[i] << LAST, pixels >> ONE | right[i + 1] << LAST, s >> ONE | right[i + 2] << LAST
        if is_first:
            also = n & ~(ne | e | se | s) & (nw & ~(sw | w) | ~nw & sw & w)
            removed[i] = pixels & (also | _removable(nw, n, ne, e, se, s, sw, w))
        else:
            also = e & se & ~(nw | n | ne | s | sw | w)
            removed[i] = pixels & (also | _removable(se, s, sw, w, nw, n, ne, e))


@kernel
def _thin(columns, blocks):
    """Remove pixels in alternate passes, each pass at once, until neither pass removes any.

    A block is checked again in the two passes after a pixel in it or next to it was removed. `now` holds the blocks
    near the removals of the last pass, and `before` the blocks near the removals of the pass before. `near` holds the
    last pass that removed pixels near each block.
    """
    flat = columns.reshape(-1)
    size = columns.shape[0] * blocks
    near = np.full(size, np.iinfo(np.int32).max, np.int32)  # blocks of the frame are never checked
    now, before = np.empty(size, np.int32), np.empty(size, np.int32)
    after, changed = np.empty(size, np.int32), np.empty(size, np.int32)
    removed = np.empty((size, ROWS), np.uint64)
    count, earlier, current = 0, 0, 0
    for k in range(1, columns.shape[0] - 1):
        for block in range(k * blocks + 1, (k + 1) * blocks - 1):
            near[block] = 0
            if flat[block * ROWS : (block + 1) * ROWS].any():
                now[count] = block
                count += 1
    while count > 0 or earlier > 0:
        total = count
        for i in range(earlier):
            if near[before[i]] < current:
                now[total] = before[i]
                total += 1
        current += 1
        changes = 0
        for i in range(total):
            here = now[i] * ROWS - 1
            left, right = here - blocks * ROWS, here + blocks * ROWS
            gone = removed[changes]
            _remove(
                flat[left : left + ROWS + 2],
                flat[here : here + ROWS + 2],
                flat[right : right + ROWS + 2],
                current & 1,
                gone,
            )
            any_row = NONE
            for row in range(ROWS):
                any_row |= gone[row]
            if any_row != NONE:
                changed[changes] = now[i]
                changes += 1
        fresh = 0
        for i in range(changes):
            block, gone = changed[i], removed[i]
            any_row = NONE
            for row in range(ROWS):
                flat[block * ROWS + row] &= ~gone[row]
                any_row |= gone[row]
            top, bottom = gone[0], gone[ROWS - 1]
            for side in range(-1, 2):
                edge = ~NONE if side == 0 else ONE if side < 0 else ONE << LAST
                neighbour = block + side * blocks
                for nearby, pixels in ((neighbour - 1, top), (neighbour, any_row), (neighbour + 1, bottom)):
                    if pixels & edge != NONE and near[nearby] < current:
                        near[nearby] = current
                        after[fresh] = nearby
                        fresh += 1
        before, now, after = now, after, before
        earlier, count = count, fresh
