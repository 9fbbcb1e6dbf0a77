"""The report files of a finished run, and the images and ground truths that pictures need."""

from collections.abc import Sequence
from pathlib import Path

from disbench.data.dataset import Sample
from disbench.data.soft_truths import declare_truths
from disbench.errors import InputError
from disbench.metrics.catalogue import MetricKeys
from disbench.reports.cases import Case, ImageKey, make_cases, require_maps, select_rows
from disbench.reports.grid import write_grid
from disbench.reports.options import HtmlOptions
from disbench.reports.render import write_report
from disbench.reports.report import Report
from disbench.runs.result import Result, share_protocol
from disbench.runs.result_data import find_result_data
from disbench.runs.unchanged import check_data
from disbench.system.progress import Progress, announce_once


def publish_run(results: Sequence[Result], metrics: MetricKeys = None) -> dict[str, Path]:
    """Write an HTML report, a LaTeX table and a qualitative grid into the folder of the last result.

    The grid is written if images and maps are available and unchanged. It shows the errors of the last result.

    Returns:
        Kind of file -> its path.
    """
    folder = results[-1].folder / "report"
    folder.mkdir(exist_ok=True)
    cases = select_report_cases(results)
    report = Report(results, metrics=metrics)
    paths = {"HTML report": folder / "report.html", "LaTeX table": folder / "table.tex"}
    write_report(
        paths["HTML report"], report, options=HtmlOptions(cases=cases, complexity=load_complexity_ranks(results))
    )
    write_report(paths["LaTeX table"], report)
    if cases:
        paths["Qualitative grid"] = folder / "grid.png"
        write_grid(paths["Qualitative grid"], cases)
    return paths


def select_cases(results: Sequence[Result], n: int = 6, selection: str = "spread") -> list[Case]:
    """Select cases by the last result, which is the method of interest, as in the paper's tables.

    Args:
        results: the methods to show.
        n: number of images, if a rule selects them.
        selection: as in disbench.reports.cases.select_rows.

    Returns:
        Cases with the maps of the last result first; none if images are not available.

    Raises:
        InputError: as in make_cases, and for a result that lacks a map of a selected image.
    """
    shown = share_protocol(results)[::-1]
    selected = select_rows(shown, n, selection)
    for result in shown:
        measured = {row.key for rows in result.rows.values() for row in rows}
        require_maps(result, [row for row in selected if row.key in measured])
    return make_cases(shown, find_samples(results[-1]), n, selection)


def select_report_cases(results: Sequence[Result]) -> list[Case]:
    """Select cases like `select_cases`, but none if the data set has changed, which is announced."""
    try:
        samples = find_samples(results[-1])
    except InputError as error:
        announce_once(f"no pictures in the report: {error}")
        return []
    return make_cases(share_protocol(results)[::-1], samples)


def load_complexity_ranks(results: Sequence[Result], progress: Progress | None = None) -> dict[ImageKey, float]:
    """Return (subset, image) -> complexity for the images of the first result.

    Empty if its ground truths are not available, so that a report omits the plot.
    """
    from disbench.runs.grouping import measure_complexities

    rows = [row for split in results[0].splits for row in results[0].rows[split]]
    try:
        complexities = measure_complexities(results[0], rows, progress)
    except InputError:
        return {}
    return {row.key: complexity.rank for row, complexity in zip(rows, complexities, strict=True)}


def find_all_samples(results: Sequence[Result]) -> list[Sample]:
    """Return the samples of all results, each subset once; see `find_samples`."""
    samples: list[Sample] = []
    for result in results:
        missing = set(result.splits) - {sample.split for sample in samples}
        if missing:
            samples += [sample for sample in find_samples(result) if sample.split in missing]
    return samples


def find_samples(result: Result) -> list[Sample]:
    """Return the images and ground truths behind a result; none if its data set is no longer available.

    Raises:
        InputError: if they are not those that the result was measured on.
    """
    try:
        dataset = find_result_data(result, images=True)
    except InputError:
        return []
    check_data(result, dataset)
    return declare_truths(dataset, result.identity.get("truth_kind", "binary")).samples
