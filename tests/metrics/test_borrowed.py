"""Memory that a thread keeps between measurements: nobody sees what another one left in it."""

import threading

import numpy as np
import pytest
from measure_pairs import NAMES, frozen_pair

from disbench.metrics import borrowed
from disbench.metrics.borrowed import borrow_array
from disbench.metrics.effort import skeleton
from disbench.metrics.measurement import measure_soft


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch):
    monkeypatch.setattr(borrowed, "_kept", threading.local())


def address(array):
    return array.__array_interface__["data"][0]


def test_memory_is_lent_again_and_grows():
    with borrow_array((4, 6)) as first:
        first[:] = 1
        with borrow_array((4, 6)) as second:
            assert not np.shares_memory(first, second)
            second[:] = 2
        assert (first == 1).all()
    with borrow_array((2, 3)) as small:
        assert small.shape == (2, 3)
        assert address(small) == address(first)
    with borrow_array((50, 60)) as large:
        assert large.shape == (50, 60)
        assert large.flags.c_contiguous
        assert large.dtype == np.uint8


def test_memory_is_lent_to_one_thread_and_not_after_an_error():
    with pytest.raises(ValueError, match="on purpose"), borrow_array((4, 6)) as lost:
        raise ValueError("on purpose")
    with borrow_array((4, 6)) as kept:
        assert not np.shares_memory(lost, kept)
    others = []

    def borrow():
        with borrow_array((4, 6)) as array:
            others.append(address(array))

    thread = threading.Thread(target=borrow)
    thread.start()
    thread.join()
    assert others
    assert others[0] != address(kept)


def test_large_arrays_are_given_back(monkeypatch):
    monkeypatch.setattr(borrowed, "MAX_KEPT", 30)
    with borrow_array((5, 7)):
        pass
    assert not borrowed._kept.free
    with borrow_array((5, 6)):
        pass
    assert len(borrowed._kept.free) == 1


def values(measurement):
    return measurement.values, measurement.fg_hist.tolist(), measurement.bg_hist.tolist()


def test_measurements_in_one_another_and_after_one_another():
    pairs = [frozen_pair(name) for name in NAMES]
    alone = []
    for pair in pairs:
        borrowed._kept.__dict__.clear()
        alone.append(values(measure_soft(*pair, metrics="hce")))
    again = [values(measure_soft(*pair, metrics="hce")) for pair in pairs]
    assert again == alone
    inner = []

    def thin(foreground):
        inner.append(values(measure_soft(*pairs[0], metrics="hce")))
        return skeleton(foreground)

    assert [values(measure_soft(*pair, metrics="hce", thin=thin)) for pair in pairs] == alone
    assert inner == [alone[0]] * len(pairs)
