"""What a run leaves for people: an HTML report, a LaTeX table and a qualitative grid, beside its scores."""

from collections.abc import Sequence
from pathlib import Path

from disbench.data.dataset import Sample
from disbench.data.location import find_dataset
from disbench.errors import InputError
from disbench.metrics.catalogue import MetricKeys
from disbench.reports import grid
from disbench.reports.cases import Case, make_cases
from disbench.reports.render import write_report
from disbench.runs.result import Result, drop_other_protocols
from disbench.system.progress import Progress


def publish_run(results: Sequence[Result], metrics: MetricKeys = None) -> dict[str, Path]:
    """Write the reports of `results` into the folder of the last, whose errors the grid shows. Kind -> path."""
    folder = results[-1].folder / "report"
    folder.mkdir(exist_ok=True)
    found, known = select_pictures(results), rank_complexity(results)
    paths = {"HTML report": folder / "report.html", "LaTeX table": folder / "table.tex"}
    for path in paths.values():
        write_report(path, results, cases=found, ranks=known, metrics=metrics)
    if found:
        paths["Qualitative grid"] = folder / "grid.png"
        grid.write_grid(paths["Qualitative grid"], found)
    return paths


def select_pictures(results: Sequence[Result], n: int = 6, how: str = "spread") -> list[Case]:
    """Cases for the last result, the one of interest, as in the paper's tables; see disbench.report.cases.choose."""
    return make_cases(drop_other_protocols(results)[::-1], find_samples(results[-1]), n, how)


def rank_complexity(results: Sequence[Result], progress: Progress | None = None) -> dict[tuple[str, str], float]:
    """(subset, image) -> complexity, where the truths are still at hand; else none, and a report has no such plot."""
    from disbench.runs.grouping import measure_complexities

    rows = [row for split in results[0].splits for row in results[0].rows[split]]
    try:
        found = measure_complexities(results[0], rows, progress)
    except InputError:
        return {}
    return {(row.split, row.name): one.rank for row, one in zip(rows, found, strict=True)}


def find_all_samples(results: Sequence[Result]) -> list[Sample]:
    """The files behind the rows of all runs, as `samples` finds them."""
    found: list[Sample] = []
    for result in results:
        missing = set(result.splits) - {sample.split for sample in found}
        found += [sample for sample in find_samples(result) if sample.split in missing] if missing else []
    return found


def find_samples(result: Result) -> list[Sample]:
    """The files behind a run's rows, where its data set is still at hand; else none, and a report has no pictures."""
    where = result.meta["data"]
    images, truths = map(Path, where) if len(where) == 2 else (None, None)
    split = None if result.token.startswith("folder:") else ",".join(result.splits)
    try:
        return find_dataset((images, truths) if truths else where[0], split).samples
    except InputError:
        return []
