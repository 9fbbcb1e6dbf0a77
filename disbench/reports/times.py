"""Time per image: of runs and leaderboard entries, or by the rules of `disbench time` of the same model.

Medians, so that the first, slow images do not count for more.
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

Key = tuple[Path, str]  # of a run: the same under every protocol


def run_id(result: Result) -> Key:
    return result.folder, result.title


def own_times(results: Sequence[Result]) -> dict[Key, Times]:
    """The times of those that were timed."""
    return {run_id(result): times for result in results if (times := stage_times(result))}


def match_timings(results: Sequence[Result], paths: Sequence[Path]) -> dict[Key, Times]:
    """What `disbench time` wrote in files, or in all .json files of folders, of the models of some results.

    InputError for files that do not compare with each other, for what is not for a report, for a file of a model that
    is none of the results', and for two of one.
    """
    from disbench.timing import record

    timings = record.read_timings(paths)
    for file, one in timings.items():
        if one.quick:
            raise InputError(f"{file}: timed with --quick, which is not for a report; time it again without")
        if failed := [what for what, held in one.audit.items() if not held]:
            raise InputError(f"{file}: its audit failed ({failed[0]}), so these are not the times of what was scored")
    record.check_same_conditions(timings)
    found: dict[Key, Times] = {}
    owners: dict[Key, Path] = {}
    for file, one in timings.items():
        mine = [run_id(result) for result in results if _differs(one, result) is None]
        if not mine:
            why = _why(one, results)
            raise InputError(f"{file}: times {one.title}, but no run is of its model, weights and options{why}")
        if mine[0] in owners:
            raise InputError(
                f"{file}: times {one.title} as {owners[mine[0]]} does; give one of the two, by its file's name"
            )
        owners |= dict.fromkeys(mine, file)
        found |= dict.fromkeys(mine, _times(one))
    return found


def _times(one: Timing) -> Times:
    stages = {stage: spread.p50 for stage, spread in one.spreads.items()}
    rate = max((rate, size) for size, rate in one.throughput.items())
    return Times(stages, stages.pop("whole"), len(one.raw["whole"]), flatten_record(one.environment), rate)


def _differs(one: Timing, result: Result) -> str | None:
    """What of its identity a result has otherwise than the model that was timed, if anything."""
    names = one.identity.keys() | (result.identity.keys() - RUN_ONLY_KEYS)  # a size that one alone was given is one, too
    return next((name for name in sorted(names) if result.identity.get(name) != one.identity.get(name)), None)


def _why(one: Timing, results: Sequence[Result]) -> str:
    for result in results:
        if "model" in one.identity and result.identity.get("model") == one.identity["model"]:
            name = _differs(one, result)
            return f"; {name} of {result.title} is {result.identity.get(name)!r}, not {one.identity.get(name)!r}"
    return ""





def group_by_environment(records: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """The places of records in groups of one environment each, in which times compare; the largest first."""
    groups: list[list[int]] = []
    for i, one in enumerate(records):
        for group in groups:
            if all(first_difference(one, records[k]) is None for k in group):
                group.append(i)
                break
        else:
            groups.append([i])
    return sorted(groups, key=len, reverse=True)


def label_groups(times: Sequence[Times], groups: Sequence[Sequence[int]]) -> list[str]:
    """A name for each group of `alike`: its device, and where that is another's too, what tells the two apart."""
    whole = [{name: value for i in group for name, value in times[i].record.items()} for group in groups]
    devices = [times[group[0]].device for group in groups]
    names = []
    for mine, device in zip(whole, devices, strict=True):
        rivals = [other for other, of in zip(whole, devices, strict=True) if of == device and other is not mine]
        apart = [n for n in mine if any(n in other and other[n] != mine[n] for other in rivals)]
        names.append(device + (f" ({', '.join(f'{n} {mine[n]}' for n in apart[:3])})" if apart else ""))
    return names
