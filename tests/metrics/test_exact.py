"""Scores do not depend on the order of sums, hence not on instruction sets, caches and compilers."""

import ast
import hashlib
import math
from decimal import Decimal, localcontext
from importlib import import_module
from pathlib import Path

import naive
import numpy as np
import pytest
from drawn_pairs import pairs
from hypothesis import given, settings
from hypothesis import strategies as st
from measure_pairs import prepared
from numba.core.dispatcher import Dispatcher
from scipy.ndimage import distance_transform_edt

from disbench.metrics import blurred, exact, weighted
from disbench.metrics.exact import divide_sum, power_of_half
from disbench.metrics.weighted import f_weighted, weighted_errors

ROOT = Path(__file__).parents[2]
PATHS = [path.relative_to(ROOT) for path in (ROOT / "disbench").rglob("*.py")]
MODULES_WITH_KERNELS = [
    ".".join(path.with_suffix("").parts) for path in sorted(PATHS) if "\n@kernel\n" in (ROOT / path).read_text("utf-8")
]


def halve(exponent, places=40):
    with localcontext() as context:
        context.prec = places
        return Decimal("0.5") ** Decimal(exponent)


def test_powers_of_half_are_accurate():
    exponents = [0.0, 1.0, 2.0, 36.2, 0.2, math.nextafter(1, 0), *np.random.default_rng(0).uniform(0, 40, 200).tolist()]
    for exponent, power in zip(exponents, power_of_half(np.array(exponents)).tolist(), strict=True):
        assert abs(Decimal(power) / halve(exponent) - 1) < 3e-16
    assert power_of_half(np.arange(40.0)).tolist() == [2.0**-n for n in range(40)]


def test_weights_are_the_formula_to_one_rounding():
    assert weighted.WEIGHTS[0] == 0
    for square in (1, 2, 4, 5, 9, 100, 1234, 32760, 32761):
        exact_units = (2 - halve(Decimal(square).sqrt() / 5)) * 2**44
        assert abs(int(weighted.WEIGHTS[square]) - exact_units) < 0.51


def test_weights_and_gaussian_are_the_same_bytes_on_every_machine():
    digest = hashlib.sha256(weighted.WEIGHTS.astype("<u8").tobytes()).hexdigest()
    assert digest.startswith("a3749500ff9415d0")
    assert [share.hex() for share in blurred.BLUR] == [
        "0x1.3c2ffc9aef1d7p-3",
        "0x1.35ed303be38b0p-3",
        "0x1.23e0b7a102a0fp-3",
        "0x1.081a19d5a2455p-3",
    ]


def check(mask, truth):
    """Rounding to units may change the error of each pixel by 2^-45 levels."""
    mask, foreground, lo, hi = prepared(mask, truth)
    pixels, *errors = weighted_errors(mask, foreground, lo, hi)
    if pixels:
        missed, spilled = naive.weighted_errors(mask, foreground > 0, lo, hi)
        assert errors == [
            pytest.approx(missed, rel=1e-14, abs=3e-14 * pixels / (hi - lo)),
            pytest.approx(spilled, rel=3e-14, abs=0),
        ]
        assert f_weighted(pixels, *errors) == pytest.approx(f_weighted(pixels, missed, spilled), abs=1e-13)


@settings(max_examples=40)
@given(pairs())
def test_the_sums_are_exact(pair):
    check(*pair)


def test_the_sums_over_several_blocks_are_exact():
    rng = np.random.default_rng(3)
    truth = np.where(rng.random((5, 700)) < 0.02, np.uint8(255), np.uint8(0))
    truth[:, 250:450] = 0
    check(rng.integers(0, 256, truth.shape, np.uint8), truth)


def draw_sparse(rng):
    """Draw a foreground with wide gaps: points, columns with gaps, dots, a part of a row, or a slanted line."""
    height, width = rng.integers(1, 300), rng.integers(1, 900)
    foreground = np.zeros((height, width), np.uint8)
    kind = rng.integers(5)
    if kind == 0:
        foreground[rng.integers(0, height, 4), rng.integers(0, width, 4)] = 255
    elif kind == 1:
        foreground[:, rng.integers(0, width, 3)] = 255
        foreground[rng.random(foreground.shape) < rng.choice([0, 0.5, 0.98])] = 0
    elif kind == 2:
        foreground[rng.random(foreground.shape) < rng.choice([1e-4, 1e-3, 1e-2])] = 255
    elif kind == 3:
        foreground[rng.integers(height), rng.integers(width) :] = 255
    else:
        y, x = np.indices(foreground.shape) - rng.integers(0, foreground.shape)[:, None, None]
        foreground[np.abs(y - rng.uniform(-3, 3) * x) < rng.uniform(0.5, 2)] = 255
    foreground[rng.integers(height), rng.integers(width)] = 255
    return foreground


@settings(max_examples=100)
@given(st.integers(0, 2**32 - 1))
def test_distances_are_exact_across_wide_gaps(seed):
    rng = np.random.default_rng(seed)
    foreground = draw_sparse(rng)
    mask = rng.integers(0, 256, foreground.shape, np.uint8)
    mask[rng.random(mask.shape) < rng.choice([0, 0.5, 0.95, 0.999])] = 0
    squares = np.rint(np.minimum(distance_transform_edt(foreground == 0), weighted.FAR) ** 2).astype(int)
    levels = np.bincount(squares.ravel(), mask.ravel()).astype(int).tolist()
    total = sum(level * int(weight) for level, weight in zip(levels, weighted.WEIGHTS.tolist(), strict=False))
    assert weighted_errors(mask, foreground, 0, 255)[2] == divide_sum((total >> 32, total & 0xFFFFFFFF), 255)


def list_turns(image):
    """The image, mirrored and transposed in all ways."""
    turns = [image, image[::-1], image[:, ::-1], image[::-1, ::-1]]
    return [np.ascontiguousarray(turn) for each in turns for turn in (each, each.T)]


def test_the_order_of_pixels_decides_nothing():
    """Mirrored and transposed, an image has the same errors, added in another order."""
    rng = np.random.default_rng(5)
    mask = rng.integers(3, 248, (200, 333), np.uint8)
    foreground = np.where(rng.random(mask.shape) < 0.01, np.uint8(255), np.uint8(0))
    turned = zip(list_turns(mask), list_turns(foreground), strict=True)
    assert len({weighted_errors(m, f, 3, 247)[2] for m, f in turned}) == 1
    # Without background no pixel is equally near to two others, and each is blurred by itself.
    missed = {weighted_errors(m, np.full_like(m, 255), 3, 247)[1] for m in list_turns(mask)[::2]}
    assert len(missed) == 1


def test_subtotals_and_sums_cannot_overflow():
    greatest = int(weighted.WEIGHTS.max())
    assert weighted.BLOCK * 255 * greatest < 2**64
    assert weighted.BLOCK * 255 < 2**16  # _sum
    assert int(weighted.SQUARES.max()) + weighted.FAR2 < 2**16
    assert weighted.SQUARES.max() > weighted.FAR2  # or else what is beyond FAR would seem as near as FAR
    assert weighted.BLOCK + weighted.FAR + weighted.UNROLLED <= weighted.SPAN
    assert weighted.FAR + weighted.UNROLLED <= weighted.BLOCKS * weighted.BLOCK
    assert blurred.TILE * 255 * 2**exact.PLACES < 2**63
    assert blurred.OFFSET > 255
    most = 2**32 - 1  # pixels, and so subtotals: an image of one column has a subtotal per pixel
    lower = most * int(exact.LOWER)
    upper = most * (weighted.BLOCK * 255 * greatest >> int(exact.HALF))
    assert max(lower, upper) < 2**64
    assert divide_sum((most, lower), 255) == pytest.approx((most * 2.0**32 + lower) / 255 / 2**44)


@pytest.mark.parametrize("shape", [(1000, 1001), (100_000, 1)])
def test_a_map_that_is_wrong_everywhere(shape):
    foreground, mask = np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8)
    foreground[0, 0], mask[0, 0] = 255, 0
    weights = 2 - 0.5 ** (np.minimum(np.hypot(*np.ogrid[: shape[0], : shape[1]]), 181) / 5)
    weights[0, 0] = 0
    _, missed, spilled = weighted_errors(mask, foreground, 0, 255)
    assert spilled == pytest.approx(math.fsum(weights.ravel().tolist()), rel=1e-13)
    share = np.exp(-(np.arange(-3, 4) ** 2) / 50)
    share /= share.sum()
    assert missed == pytest.approx(share[3:].sum() ** (2 if shape[1] > 1 else 1) * (1 if shape[1] > 1 else share[3]))
    _, missed, _ = weighted_errors(np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8), 0, 255)
    along = [np.convolve(np.ones(side), share, "same").sum() if side > 6 else share[3] for side in shape]
    assert missed == pytest.approx(along[0] * along[1], rel=1e-12)


@pytest.mark.parametrize("name", MODULES_WITH_KERNELS)
def test_only_kernels_of_the_same_file_call_inner_kernels(name):
    """From Python, the call would end the process."""
    tree = ast.parse(Path(import_module(name).__file__).read_text("utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    marks = {function.name: ",".join(map(ast.unparse, function.decorator_list)) for function in functions}
    inner = {function for function, mark in marks.items() if mark == "inner_kernel"}
    assert all(function.startswith("_") for function in inner)
    for node in tree.body:
        names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
        assert not names & inner or marks.get(node.name) in ("kernel", "inner_kernel"), node.name


@pytest.mark.parametrize("name", MODULES_WITH_KERNELS)
def test_no_kernel_lets_the_compiler_reorder_or_fuse_floats(name):
    kernels = [value for value in vars(import_module(name)).values() if isinstance(value, Dispatcher)]
    assert kernels
    for kernel in kernels:
        assert not kernel.targetoptions.get("fastmath"), kernel
        assert not kernel.targetoptions.get("parallel"), kernel
