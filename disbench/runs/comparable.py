"""The conditions for results in one table: same data set, same images, same rules, same kernel."""

from __future__ import annotations

from collections.abc import Sequence

from disbench.data.dataset import OVERALL, TEST_SPLITS
from disbench.errors import InputError
from disbench.runs.result import Result

PICTURES = ("Image", "Ground truth", "Errors")  # in grids, next to the maps of the methods


def count_images(result: Result, split: str) -> int:
    """Return the number of images behind a score of this result."""
    splits = TEST_SPLITS if split == OVERALL else (split,)
    return sum(len(result.rows.get(name, ())) for name in splits)


def check_comparable(results: Sequence[Result]) -> None:
    """Check that results may stand in one table.

    They must share the data set, the kernel, the rules of each protocol, and the images of each common subset.

    Raises:
        InputError: names the first two results that differ, and how.
    """
    if not results:
        raise InputError("nothing to report: give at least one finished run")
    _check_titles(results)
    _check_rules(results)
    _check_images(results)


def check_title(title: str) -> None:
    """Raise InputError for the title of a result that grids already use for a picture of their own."""
    if title in PICTURES:
        raise InputError(f"a result is called {title!r}, as a picture of every grid; give it another title: TITLE=RUN")


def _check_titles(results: Sequence[Result]) -> None:
    for result in results:
        check_title(result.title)
    columns = [(result.title, result.protocol) for result in results]
    duplicates = {column for column in columns if columns.count(column) > 1}
    if duplicates:
        column = duplicates.pop()
        folders = [result.folder for result in results if (result.title, result.protocol) == column]
        if folders[0].exists() and len({folder.resolve() for folder in folders}) == 1:
            raise InputError(f"{folders[0]}: named twice; omit it once, or give each a title: TITLE=RUN")
        parents = {folder.parent for folder in folders}
        latest = f" ({parents.pop()} is the latest alone)" if len(parents) == 1 and folders[0].is_dir() else ""
        raise InputError(
            f"two results are called {column[0]!r}: {' and '.join(map(str, folders))}; omit one of them{latest}, or "
            "give each a title: TITLE=RUN"
        )


def _check_rules(results: Sequence[Result]) -> None:
    first = results[0]
    for other in results[1:]:
        if other.dataset != first.dataset:
            raise InputError(
                f"{first.title} is scored on {first.dataset} and {other.title} on {other.dataset}; "
                "make one report for each data set"
            )
        peer = next(result for result in results if result.protocol == other.protocol)
        if _rules(other) != _rules(peer) or _kernel(other) != _kernel(first):
            differing = {*_rules(peer), _kernel(peer)} ^ {*_rules(other), _kernel(other)}
            raise InputError(
                f"{peer.title} ({peer.signature}) and {other.title} ({other.signature}) are scored by different "
                f"rules (only one has {', '.join(sorted(differing))}); score both with the same kernel, protocol and "
                "kind of truths"
            )


def _check_images(results: Sequence[Result]) -> None:
    holders: dict[str, Result] = {}  # subset -> the first result that has it
    for result in results:
        for split in result.splits:
            holder = holders.setdefault(split, result)
            if holder is not result and _truths(result, split) != _truths(holder, split):
                counts = count_images(holder, split), count_images(result, split)
                raise InputError(
                    f"{holder.title} ({counts[0]} images) and {result.title} ({counts[1]}) are "
                    f"scored on different images of {split}; score both on the same subset"
                )


def _truths(result: Result, split: str) -> list[tuple[str, int, int, int]]:
    """Return name, height, width and number of foreground pixels of every ground truth.

    A run stores no more about its ground truths than these.
    """
    measurements = ((row.name, row.measurement) for row in result.rows[split])
    return [(name, m.height, m.width, int(m.fg_hist.sum())) for name, m in measurements]


def _rules(result: Result) -> list[str]:
    """Return the fields of the signature that must agree.

    Free to differ: the subsets; the version, because the kernel's version decides numbers; and the size, which says how
    many maps were resized by the protocol's rule.
    """
    free = ("disbench:", "size:", *(f"{split}:" for split in result.splits))
    return [field for field in result.signature.split("|") if not field.startswith(free)]


def _kernel(result: Result) -> str:
    return next(field for field in result.signature.split("|") if field.startswith("kernel:"))
