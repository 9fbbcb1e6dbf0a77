"""Time per image in reports: as runs recorded it, or as `disbench time` measured the same models.

All times are medians, so that the first images, which are slow, do not count for more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from disbench.errors import InputError
from disbench.runs.manifest import RUN_ONLY_KEYS
from disbench.runs.result import Result
from disbench.runs.times import Times, stage_times
from disbench.system.environment import first_difference, flatten_record

if TYPE_CHECKING:
    from disbench.timing.record import Timing

RunId = tuple[Path, str]  # folder and title: the same for a run under every protocol


def run_id(result: Result) -> RunId:
    """Return what identifies the run behind a result."""
    return result.folder, result.title


def collect_times(results: Sequence[Result]) -> dict[RunId, Times]:
    """Return run -> recorded times, for the runs that recorded any."""
    times = {run_id(result): stage_times(result) for result in results}
    return {run: stages for run, stages in times.items() if stages}


def match_timings(results: Sequence[Result], paths: Sequence[Path]) -> dict[RunId, Times]:
    """Assign the files of `disbench time` to the runs of the same models.

    Args:
        results: the runs.
        paths: files, or folders whose .json files are read.

    Returns:
        Run -> times, for the runs that were timed.

    Raises:
        InputError: for files that do not compare with each other, quick timings, timings whose audit failed, a timing
            that matches no run, and two timings of one run.
    """
    from disbench.timing import record

    timings = record.read_timings(paths)
    for file, timing in timings.items():
        if timing.quick:
            raise InputError(f"{file}: timed with --quick, which is not for a report; time it again without")
        failed = [rule for rule, has_passed in timing.audit.items() if not has_passed]
        if failed:
            raise InputError(f"{file}: its audit failed ({failed[0]}), so these are not the times of what was scored")
    record.check_same_conditions(timings)
    times: dict[RunId, Times] = {}
    files: dict[RunId, Path] = {}
    for file, timing in timings.items():
        runs = [run_id(result) for result in results if _differing_key(timing, result) is None]
        if not runs:
            reason = _explain_mismatch(timing, results)
            raise InputError(f"{file}: times {timing.title}, but no run is of its model, weights and options{reason}")
        if runs[0] in files:
            raise InputError(
                f"{file}: times {timing.title} as {files[runs[0]]} does; give one of the two files by name"
            )
        files |= dict.fromkeys(runs, file)
        times |= dict.fromkeys(runs, _make_times(timing))
    return times


def _make_times(timing: Timing) -> Times:
    stages = {stage: summary.p50 for stage, summary in timing.spreads.items()}
    return Times(
        total=stages.pop("whole"),
        stages=stages,
        n=len(timing.raw["whole"]),
        record=flatten_record(timing.environment),
        rate=max((rate, batch_size) for batch_size, rate in timing.throughput.items()),
        parameters=timing.parameters,
        flops=timing.flops or 0,
        memory=timing.memory,
    )


def _differing_key(timing: Timing, result: Result) -> str | None:
    """Return the first key in which the identities of a timed model and a run differ, or None.

    A key that only one of the two has, such as a size, is a difference too.
    """
    keys = timing.identity.keys() | (result.identity.keys() - RUN_ONLY_KEYS)
    return next((key for key in sorted(keys) if result.identity.get(key) != timing.identity.get(key)), None)


def _explain_mismatch(timing: Timing, results: Sequence[Result]) -> str:
    for result in results:
        key = _differing_key(timing, result)
        if key and "model" in timing.identity and result.identity.get("model") == timing.identity["model"]:
            return f"; {key} of {result.title} is {result.identity.get(key)!r}, not {timing.identity.get(key)!r}"
    return ""


def group_by_environment(records: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """Group records of one environment, in which times compare.

    Returns:
        Groups of indices, the largest group first.
    """
    groups: list[list[int]] = []
    for i, record in enumerate(records):
        for group in groups:
            # A record that lacks a field agrees with any value of it, so agreement with one member is not enough.
            if all(first_difference(record, records[k]) is None for k in group):
                group.append(i)
                break
        else:
            groups.append([i])
    return sorted(groups, key=len, reverse=True)


def label_groups(times: Sequence[Times], groups: Sequence[Sequence[int]]) -> list[str]:
    """Name each group of `group_by_environment` by its device, and by what sets it apart on the same device."""
    records = [{key: value for i in group for key, value in times[i].record.items()} for group in groups]
    devices = [times[group[0]].device for group in groups]
    labels = []
    for record, device in zip(records, devices, strict=True):
        rivals = [
            other
            for other, other_device in zip(records, devices, strict=True)
            if other_device == device and other is not record
        ]
        differences = [
            f"{key} {record[key]}"
            for key in record
            if any(key in rival and rival[key] != record[key] for rival in rivals)
        ]
        labels.append(f"{device} ({', '.join(differences[:3])})" if differences else device)
    return labels
