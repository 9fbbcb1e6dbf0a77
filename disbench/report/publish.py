"""What a run leaves for people: an HTML report, a LaTeX table and a qualitative grid, beside its scores."""

from collections.abc import Sequence
from pathlib import Path

from disbench.data import Sample, find
from disbench.data.digests import Progress
from disbench.errors import InputError
from disbench.metrics import Keys
from disbench.report import grid, write
from disbench.report.cases import Case, cases
from disbench.runs import Result, distinct


def publish(results: Sequence[Result], metrics: Keys = None) -> dict[str, Path]:
    """Write the reports of `results` into the folder of the last, whose errors the grid shows. Kind -> path."""
    folder = results[-1].folder / "report"
    folder.mkdir(exist_ok=True)
    found, known = pictures(results), ranks(results)
    paths = {"HTML report": folder / "report.html", "LaTeX table": folder / "table.tex"}
    for path in paths.values():
        write(path, results, cases=found, ranks=known, metrics=metrics)
    if found:
        paths["Qualitative grid"] = folder / "grid.png"
        grid.write(paths["Qualitative grid"], found)
    return paths


def pictures(results: Sequence[Result], n: int = 6, how: str = "spread") -> list[Case]:
    """Cases for the last result, the one of interest, as in the paper's tables; see disbench.report.cases.choose."""
    return cases(distinct(results)[::-1], samples(results[-1]), n, how)


def ranks(results: Sequence[Result], progress: Progress | None = None) -> dict[tuple[str, str], float]:
    """(subset, image) -> complexity, where the truths are still at hand; else none, and a report has no such plot."""
    from disbench.report.cuts import complexities

    rows = [row for split in results[0].splits for row in results[0].rows[split]]
    try:
        found = complexities(results[0], rows, progress)
    except InputError:
        return {}
    return {(row.split, row.name): one.rank for row, one in zip(rows, found, strict=True)}


def all_samples(results: Sequence[Result]) -> list[Sample]:
    """The files behind the rows of all runs, as `samples` finds them."""
    found: list[Sample] = []
    for result in results:
        missing = set(result.splits) - {sample.split for sample in found}
        found += [sample for sample in samples(result) if sample.split in missing] if missing else []
    return found


def samples(result: Result) -> list[Sample]:
    """The files behind a run's rows, where its data set is still at hand; else none, and a report has no pictures."""
    where = result.meta["data"]
    images, truths = map(Path, where) if len(where) == 2 else (None, None)
    split = None if result.token.startswith("folder:") else ",".join(result.splits)
    try:
        return find((images, truths) if truths else where[0], split).samples
    except InputError:
        return []
