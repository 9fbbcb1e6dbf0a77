"""Which results may stand side by side."""

from __future__ import annotations

from collections.abc import Sequence

from disbench.data.dataset import OVERALL, TEST_SPLITS
from disbench.errors import InputError
from disbench.runs.result import Result


def count_images(result: Result, split: str) -> int:
    """Images behind a score of this result."""
    return sum(len(result.rows.get(s, ())) for s in (TEST_SPLITS if split == OVERALL else (split,)))


def check_comparable(results: Sequence[Result]) -> None:
    """InputError unless all are of one data set, those of one protocol by the same rules, all by the same kernel, and
    of the same images in the subsets they share.
    """
    if not results:
        raise InputError("nothing to report: give at least one finished run")
    columns = [(result.title, result.protocol) for result in results]
    if twice := {column for column in columns if columns.count(column) > 1}:
        title, protocol = twice.pop()
        where = " and ".join(str(r.folder) for r in results if (r.title, r.protocol) == (title, protocol))
        raise InputError(f"two results are called {title!r}, {where}; leave one away, or give each a title: TITLE=RUN")
    first = results[0]
    for other in results[1:]:
        if other.dataset != first.dataset:
            raise InputError(
                f"{first.title} is scored on {first.dataset} and {other.title} on {other.dataset}; "
                "make one report for each data set"
            )
        like = next(result for result in results if result.protocol == other.protocol)
        if _rules(other) != _rules(like) or _kernel(other) != _kernel(first):
            raise InputError(
                f"{like.title} ({like.signature}) and {other.title} ({other.signature}) are scored by different "
                "rules; score both with the same kernel and protocol"
            )
    holders: dict[str, Result] = {}
    for result in results:
        for split in result.splits:
            holder = holders.setdefault(split, result)
            if _truths(result, split) != _truths(holder, split):
                raise InputError(
                    f"{holder.title} ({count_images(holder, split)} images) and {result.title} ({count_images(result, split)}) are "
                    f"scored on different images of {split}; score both on the same subset"
                )


def _truths(result: Result, split: str) -> list[tuple[str, int, int, int]]:
    """Name, size and foreground pixels of every truth: as much as a run knows of what it was scored against."""
    measured = ((row.name, row.measurement) for row in result.rows[split])
    return [(name, m.height, m.width, int(m.fg_hist.sum())) for name, m in measured]


def _rules(result: Result) -> list[str]:
    """The signature's fields without those that may differ: the subsets; the version, since the kernel's decides
    numbers; and the size, which says how many maps were resized, by the protocol's rule.
    """
    free = ("disbench:", "size:", *(f"{split}:" for split in result.splits))
    return [field for field in result.signature.split("|") if not field.startswith(free)]


def _kernel(result: Result) -> str:
    return next(field for field in result.signature.split("|") if field.startswith("kernel:"))
