"""The command that runs many methods on many data sets: suite."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from disbench.cli.examples import format_examples
from disbench.cli.options import (
    PATH,
    TEXT,
    add_options,
    engine_options,
    json_option,
    metrics_option,
    models_option,
    open_engine,
    out_option,
    protocol_option,
)
from disbench.errors import InputError, escape_control_chars
from disbench.system.caches import check_writable
from disbench.system.console import print_json, print_note, print_table, print_text
from disbench.system.progress import show_progress

if TYPE_CHECKING:
    from disbench.reports.suite import DataResults
    from disbench.runs.suite import Suite
    from disbench.runs.suite_plan import PlanItem
    from disbench.runs.suite_run import SuiteCell


@click.command(
    epilog=format_examples(
        "disbench suite dis5k --plan",
        "disbench suite suite.toml --device cuda:0,cuda:1",
    ),
)
@click.argument("file", required=False, metavar="[FILE.toml|NAME]", type=TEXT)
@click.option(
    "--from-pysodevaltoolkit",
    "pysod",
    nargs=2,
    metavar="DATASETS.json METHODS.json",
    type=PATH,
    help="Take data sets and folders of maps from the two files of PySODEvalToolkit.",
)
@click.option("--plan", is_flag=True, help="Show what is available, missing and done, with time and disk space.")
@click.option("--device", help="For methods without one of their own, as for `run`: cuda or cuda:0,cuda:1.")
@add_options(*engine_options, models_option, out_option)
@click.option(
    "--report", type=PATH, help="The folder of the report. Default: suites/NAME, next to OUT."
)
@click.option("--save/--no-save", default=True, help="Keep the maps of models. Default: --save.")
@click.option("--workers", type=click.IntRange(0), help="Threads that decode and measure, as for `run`.")
@add_options(protocol_option(None, "those of the suite"), metrics_option, json_option)
def suite(
    file, pysod, plan, device, engine, address, out, report, save, workers, protocols, metrics, as_json
):
    """Run many methods on many data sets. The same command resumes where it was stopped.

    FILE.toml lists methods, data sets, protocols and measures; NAME is a suite that disbench ships: mini or dis5k. A
    method that fails does not stop the others. Exit status 1: a method failed.

    Ends with one report, a block for each data set: HTML, CSV and LaTeX.
    """
    from disbench.registry.discovery import add_models_folder
    from disbench.runs.pysod_suite import list_pysod_inputs
    from disbench.runs.spec import RunConfig
    from disbench.runs.suite_plan import plan_suite
    from disbench.runs.suite_run import SuiteConfig, run_suite

    if pysod and not file:
        _check_outputs(out, report or out, list_pysod_inputs(*pysod))  # before links are made
    listed = _read(file, pysod, out).with_measures(",".join(protocols or ()), ",".join(metrics or ()))
    for folder in listed.models:
        add_models_folder(Path(folder))
    report = report or out.parent / "suites" / listed.name
    _check_outputs(out, report, [*listed.list_inputs(), file])
    with show_progress() as progress, open_engine(engine, address) as computes:
        run = RunConfig(out=out, save_maps=save, workers=workers)
        config = SuiteConfig(run=run, device=device, engine=computes, progress=progress)
        if plan:
            _print_plan(plan_suite(listed, config), out, as_json=as_json)
            return
        try:
            check_writable(report)  # before the work of hours
        except OSError as error:
            raise InputError(f"{report}: {error.strerror}; choose another place with --report") from None
        cells = run_suite(listed, config, _show_fault)
    _publish(listed, cells, report, as_json=as_json)
    if any(cell.fault for cell in cells):
        sys.exit(1)


def _check_outputs(out: Path, report: Path, inputs: Sequence[Path | str | None]) -> None:
    from disbench.runs.outputs import check_output

    for folder, option in ((out, "--out"), (report, "--report")):
        check_output(folder, inputs, option)
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder}: a file, not a folder; choose another place with {option}")


def _read(file: str | None, pysod: tuple[Path, Path] | None, out: Path) -> Suite:
    from disbench.leaderboard.entry import BOARDS_ROOT
    from disbench.runs.pysod_suite import read_pysod_suite
    from disbench.runs.suite import read_suite

    if bool(file) == bool(pysod):
        raise InputError("give a suite, or --from-pysodevaltoolkit with two files")
    if pysod:
        return read_pysod_suite(*pysod, out.parent / "suites" / pysod[1].stem)
    place = Path(str(file))
    shipped = {path.stem: path for path in (BOARDS_ROOT / "suites").glob("*.toml")} if BOARDS_ROOT else {}
    if not place.exists() and not place.suffix:
        if str(place) not in shipped:
            raise InputError(f"{place}: no such file; shipped suites: {', '.join(sorted(shipped))}")
        place = shipped[str(place)]
    return read_suite(place)


def _show_fault(cell: SuiteCell) -> None:
    if cell.fault:
        print_note(escape_control_chars(f"disbench: {cell.method.label} on {cell.data.label}: {cell.fault}"))


def _publish(listed: Suite, cells: Sequence[SuiteCell], folder: Path, *, as_json: bool) -> None:
    """Write the report, and print tables and paths."""
    from disbench.reports.suite import make_blocks, write_suite_report
    from disbench.reports.terminal import print_results_table

    datasets = _group_by_data(listed, cells)
    methods = list(dict.fromkeys(result.title for data in datasets for result in data.results))
    order = {title: i for i, title in enumerate(_list_titles(cells))}
    methods.sort(key=lambda title: order[title])
    metrics = listed.measures.metrics if listed.metrics else None
    paths = write_suite_report(folder, listed.title, make_blocks(datasets, methods, metrics))
    if as_json:
        entries = [
            {
                "method": cell.method.label,
                "dataset": cell.data.label,
                "fault": cell.fault,
                "results": [result.to_dict(metrics) for result in cell.results],
            }
            for cell in cells
        ]
        print_json({"suite": listed.title, "cells": entries, "report": {k: str(path) for k, path in paths.items()}})
        return
    for data in datasets:
        if data.results:
            print_results_table(data.results, metrics)
    for kind, path in paths.items():
        click.echo(f"{kind}: {path}")
    failed = [cell for cell in cells if cell.fault]
    for cell in failed:
        print_text(f"failed: {cell.method.label} on {cell.data.label}: {cell.fault}")
    click.echo(f"{len(cells) - len(failed)} of {len(cells)} finished")


def _list_titles(cells: Sequence[SuiteCell]) -> list[str]:
    """List the titles of all methods that have results, in the order of the suite."""
    return list(dict.fromkeys(result.title for cell in cells for result in cell.results))


def _group_by_data(listed: Suite, cells: Sequence[SuiteCell]) -> list[DataResults]:
    from disbench.reports.suite import DataResults

    groups = []
    for data in listed.datasets:
        members = [cell for cell in cells if cell.data is data]
        results = [result for cell in members for result in cell.results]
        faults = [(cell.method.label, cell.fault) for cell in members if cell.fault]
        title = data.label
        if results and (not data.title or results[0].token.startswith("dis-mini-")):
            # The synthetic data set keeps its name, so that no title passes it off as another one.
            title = f"{data.title}: {results[0].dataset}" if data.title else results[0].dataset
        groups.append(DataResults(title=title, results=results, faults=faults))
    titles = [group.title for group in groups]
    return [
        replace(group, title=f"{group.title} [{data.label}]") if titles.count(group.title) > 1 else group
        for group, data in zip(groups, listed.datasets, strict=True)
    ]


def _print_plan(items: Sequence[PlanItem], out: Path, *, as_json: bool) -> None:
    total = sum(item.bytes for item in items)
    unknown = [item for item in items if item.seconds is None and not item.faults]
    seconds = sum(item.seconds or 0 for item in items)
    place = next((folder for folder in (out, *out.absolute().parents) if folder.is_dir()), Path())
    free = shutil.disk_usage(place).free
    if as_json:
        cells = [asdict(item) | {"status": item.status} for item in items]
        summary = {"seconds": None if unknown else seconds, "bytes": total, "free_bytes": free}
        print_json({"cells": cells} | summary)
        return
    rows = [
        (
            item.method,
            item.dataset,
            item.status,
            f"{item.done}/{item.images}" if item.images else "",
            "" if item.faults else "unknown" if item.seconds is None else _format_seconds(item.seconds),
            "" if item.faults else f"{item.bytes / 1e6:,.1f} MB",
        )
        for item in items
    ]
    print_table(("method", "data set", "status", "images done", "time left", "disk, at most"), rows, keys=2)
    for fault in dict.fromkeys(fault for item in items for fault in item.faults):
        affected = [item for item in items if fault in item.faults]
        methods = ", ".join(dict.fromkeys(item.method for item in affected))
        datasets = ", ".join(dict.fromkeys(item.dataset for item in affected))
        print_text(f"missing: {methods} on {datasets}: {fault}")
    planned = [item for item in items if not item.faults]
    if unknown and len(unknown) == len(planned):
        print_text(f"Time left: unknown, because {out} has no run of these methods.")
    elif planned:
        more = f", and {len(unknown)} of unknown time" if unknown else ""
        print_text(f"Time left: {_format_seconds(seconds)}{more}; from the latest run of each model in {out}.")
    size = f"{total / 1e9:,.1f} GB" if total >= 1e9 else f"{total / 1e6:,.1f} MB"
    click.echo(f"Disk: {size} at most; free: {free / 1e9:,.1f} GB")


def _format_seconds(seconds: float) -> str:
    if seconds >= 5400:
        return f"{seconds / 3600:,.1f} h"
    return f"{seconds / 60:.1f} min" if seconds >= 90 else f"{seconds:.1f} s"
