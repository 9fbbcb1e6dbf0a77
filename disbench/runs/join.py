"""Runs of the same maps, measured by different metrics or for different protocols, as one method."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from disbench.errors import InputError
from disbench.runs.outputs import list_inputs
from disbench.runs.result import Result
from disbench.runs.row_log import Row

PRECISION = 1e-9  # machines may differ in the last bits of a value


def join_runs(results: Sequence[Result]) -> list[Result]:
    """Join the runs of the same maps under the same title: each then has the measures of all of them.

    Maps are the same if their pixels are, for every image, and so are the ground truths. Entries of leaderboards and
    results of other maps stay as they are.

    Returns:
        The results in their order. Of joined runs, the last of each protocol keeps its place.

    Raises:
        InputError: for runs that measured the same maps by different kernels, or with different outcomes.
    """
    groups: dict[object, list[Result]] = {}
    identities = [_identify_maps(result) for result in results]
    for identity, result in zip(identities, results, strict=True):
        groups.setdefault(identity, []).append(result)
    bases = {identity: _join(members) for identity, members in groups.items()}
    joined: dict[object, Result] = {}
    for i, (identity, result) in enumerate(zip(identities, results, strict=True)):
        base = bases[identity]
        if base is None:
            joined[i] = result
        else:
            joined.pop((identity, result.protocol), None)  # so that the last place counts
            joined[identity, result.protocol] = base.with_protocol(result.protocol)
    return list(joined.values())


def score_measured(
    result: Result, results: Sequence[Result], metrics: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Score a result: subset -> metric -> score, without metrics that only another protocol of the method has.

    Raises:
        InputError: for a metric that was not measured for any protocol of the method.
    """
    others = [other for other in results if other.title == result.title and other is not result]
    keys = [key for key in metrics if result.has_metric(key) or not any(other.has_metric(key) for other in others)]
    return result.scores(keys) if keys else {subset: {} for subset in result.subsets}


def _identify_maps(result: Result) -> object:
    """Return what results of the same maps of one method have in common."""
    digests = tuple((*row.key, row.digest) for rows in result.rows.values() for row in rows)
    if result.folder.is_file() or result.by or not all(digest for *_, digest in digests):
        return id(result)
    data = result.identity.get("data", {})
    truths = tuple((split, data.get(split, {}).get("truths")) for split in result.splits)
    return result.title, result.token, result.size, truths, digests


def _join(members: Sequence[Result]) -> Result | None:
    """Return a result with the measures of all members; None if they are one run."""
    runs = {result.folder: result for result in members}
    if len(runs) < 2:
        return None
    # Times, and what pictures need, are those of one run: the last, or the last that has kept its maps.
    kept = [folder for folder in runs if (folder / "masks").is_dir()]
    base = runs[(kept or list(runs))[-1]]
    rows = {split: list(split_rows) for split, split_rows in base.rows.items()}
    for other in runs.values():
        if other is base:
            continue
        if other.identity.get("kernel") != base.identity.get("kernel"):
            raise InputError(
                f"{other.folder} and {base.folder}: the same maps measured by different kernels; run the command of "
                "the older one again, or omit it"
            )
        for split, split_rows in rows.items():
            pairs = zip(split_rows, other.rows[split], strict=True)
            rows[split] = [_join_rows(row, addition, (base.folder, other.folder)) for row, addition in pairs]
    inputs = dict.fromkeys(map(str, list_inputs(list(runs.values()))))  # of every run, so that no output replaces them
    meta = {**base.meta, "inputs": list(inputs)}
    training = [run.meta["trained_on"] for run in runs.values() if run.meta.get("trained_on") is not None]
    if training:  # what any of them states, since maps alone state nothing
        meta["trained_on"] = next((stated for stated in training if not isinstance(stated, str)), training[0])
    return replace(base, rows=rows, meta=meta)


def _join_rows(row: Row, addition: Row, folders: tuple[Path, Path]) -> Row:
    """Return a row with the values of another of the same map. InputError where the two contradict each other."""
    first, second = row.measurement, addition.measurement
    differing = [
        column
        for column in first.values.keys() & second.values.keys()
        if first.values[column] != second.values[column]
        and not np.allclose(first.values[column], second.values[column], rtol=PRECISION, atol=PRECISION)
    ]
    for rule in (128, None):  # both foregrounds
        if not np.array_equal(first.histograms(rule), second.histograms(rule)):
            differing.append("histograms")
    if differing:
        raise InputError(
            f"{folders[0]} and {folders[1]}: different {min(differing)} of {row.split}/{row.name}, though maps and "
            "ground truths are the same; delete the one that is wrong and run its command again"
        )
    return replace(row, measurement=replace(first, values={**second.values, **first.values}))
