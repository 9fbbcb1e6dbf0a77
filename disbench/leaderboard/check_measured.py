"""Validation of measured parts: whole subsets, possible values, and scores that follow from evidence."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path

from disbench.data.dataset import OVERALL, SPLIT_COUNTS, TEST_SPLITS
from disbench.data.mini import SPLITS as MINI_COUNTS
from disbench.errors import InputError
from disbench.leaderboard.bounds import check_values
from disbench.leaderboard.entry import Entry, Measured
from disbench.leaderboard.evidence import load_part, score_with_intervals
from disbench.leaderboard.names import is_plain_text
from disbench.leaderboard.truths import SeenEvidence, check_mini_images, check_truths
from disbench.metrics.measurement import KERNEL_VERSION
from disbench.runs.result import Result
from disbench.runs.row_log import Row

SCORE_TOLERANCE = 1e-9  # the last bits of a mean depend on the machine
INTERVAL_TOLERANCE = 1e-4  # the ends of an interval are single resamples, which depend on the machine more
FIRST_YEAR = 2022  # of DIS5K
CLOCKS = timedelta(days=1)  # that two clocks may differ by


def check_measured(path: Path, entry: Entry, measured: Measured, seen: SeenEvidence) -> Iterator[str]:
    """Validate a measured part.

    Args:
        path: the entry's file.
        entry: the entry.
        measured: the part.
        seen: what the entries before say; this part is added to it.

    Yields:
        One line for each fault, without the path of the entry.
    """
    yield from _check_claims(measured, entry.token)
    yield from check_truths(entry, measured)
    yield from seen.check_digests(path, entry, measured)
    try:
        result = load_part(path, entry, measured)
    except InputError as error:
        yield str(error).removeprefix(f"{path}: ")
        return
    rows: Mapping[str, Sequence[Row]] = result.rows
    images = [row for split_rows in rows.values() for row in split_rows]
    yield from _check_names(images)
    yield from check_mini_images(entry, rows)
    yield from seen.check_images(path, entry, measured, rows)
    yield from check_values(images, binary_truths=entry.token.startswith("dis-mini-"))
    yield from _check_scores(measured, result)


def _check_claims(measured: Measured, token: str) -> Iterator[str]:
    counts = MINI_COUNTS if token.startswith("dis-mini-") else SPLIT_COUNTS
    for split, n in measured.splits.items():
        if counts.get(split) != n:
            yield f"{split} has {counts.get(split)} images, {n} were scored: a subset is scored whole or not at all"
    subsets = {*measured.splits, *([OVERALL] if set(TEST_SPLITS) <= set(measured.splits) else [])}
    if set(measured.scores) != subsets or set(measured.truths) != set(measured.splits):
        yield f"its scores are of {', '.join(measured.scores)}, but its subsets are {', '.join(sorted(subsets))}"
    if not all(measured.scores.values()):
        yield "a subset has no scores"
    numbers = [number for row in measured.scores.values() for interval in row.values() for number in interval]
    if any(number == 0 and math.copysign(1, number) < 0 for number in numbers):
        yield "a score is -0.0, which no measure is"
    seconds = measured.seconds
    if seconds and not ("total" in seconds and all(0 <= value < inf for value in seconds.values())):
        yield f"its seconds are not times: {seconds}"
    yield from _check_time(measured.finished)
    yield from _check_versions(measured)


def _check_time(finished: str) -> Iterator[str]:
    try:
        time = datetime.fromisoformat(finished)
    except ValueError:
        yield f"finished: {finished!r} is not a time"
        return
    now = datetime.now(UTC)
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    if time.year < FIRST_YEAR:
        yield f"finished: {finished} is before there was DIS5K"
    elif time > now + CLOCKS:
        yield f"finished: {finished} is in the future; it is {now:%Y-%m-%d} now"


def _check_versions(measured: Measured) -> Iterator[str]:
    """Check the fields of the signature that name versions, and the number of resized maps."""
    match = re.match(r"disbench:[\w.+!-]{1,40}\|kernel:(\d{1,9})\|", measured.signature, re.ASCII)
    kernel = match and match[1]
    if not kernel or int(kernel) > int(KERNEL_VERSION):
        yield f"its signature names no version of kernels up to {KERNEL_VERSION}: {measured.signature[:60]}"
    elif measured.run.get("kernel", kernel) != kernel:
        yield f"its signature has kernel {kernel}, its run has kernel {measured.run['kernel']}"
    resized = re.search(r"\|size:[^|:]+:(\d+)$", measured.signature, re.ASCII)
    if resized and not 0 < int(resized[1]) <= sum(measured.splits.values()):
        yield f"its signature has {resized[1]} resized maps of {sum(measured.splits.values())}"


def _check_names(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        if not is_plain_text(row.name):
            yield f"{row.name!r} is not the name of an image"
            return


def _check_scores(measured: Measured, result: Result) -> Iterator[str]:
    """Check that scores and intervals follow from the evidence, which `result` was read from."""
    for split, row in measured.scores.items():
        try:
            recomputed = score_with_intervals(result, split, tuple(row))
        except (InputError, KeyError) as error:
            yield f"its scores on {split} cannot be computed: {error}"
            continue
        for metric, (value, *interval) in row.items():
            expected, *expected_interval = recomputed[metric]
            if not abs(value - expected) <= SCORE_TOLERANCE:
                yield f"{metric} on {split} is {value}, its evidence gives {expected}"
            elif not all(map(_is_same_end, interval, expected_interval)):
                yield f"the interval of {metric} on {split} is {interval}, its evidence gives {expected_interval}"


def _is_same_end(left: float | None, right: float | None) -> bool:
    return left is right if left is None or right is None else abs(left - right) <= INTERVAL_TOLERANCE
