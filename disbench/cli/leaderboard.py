"""The commands on numbers: leaderboard, submit, compare, check."""

import sys
from pathlib import Path

import click

from disbench.cli.options import json_option, metrics_option, parse_titled_path
from disbench.errors import escape_control_chars
from disbench.system.console import print_json, print_table


@click.group()
def leaderboard():
    """What is claimed of each method, beside what was measured."""


entries = click.argument("entries", nargs=-1, metavar="[ENTRY|BOARD]...")


@leaderboard.command()
@entries
@click.option("--split", default="Overall", show_default=True, help="The subset to show.")
@click.option("--find", metavar="TEXT", help="Those alone whose name or paper has TEXT.")
@click.option("--measured", is_flag=True, help="Those alone that were measured.")
@metrics_option
@json_option
def show(entries, split, find, measured, metrics, as_json):
    """Print entries, the best first; those of DIS5K if none is named."""
    import msgspec

    from disbench.leaderboard.entry import find_entries as found
    from disbench.leaderboard.entry import read_entry
    from disbench.leaderboard.show import HEAD, build_rows

    text = (find or "").casefold()
    chosen = [read_entry(path) for path in found(entries or ["dis5k"])]
    chosen = [e for e in chosen if text in " ".join([e.model, e.title, *e.paper.values()]).casefold()]
    chosen = [e for e in chosen if e.measured or not measured]
    if as_json:
        print_json(msgspec.to_builtins(chosen))
        return
    head, lines = build_rows(chosen, split, metrics)
    print_table((*HEAD, *head), lines)


@leaderboard.command("check")
@entries
def check_entries(entries):
    """Validate entries. Words, whole subsets, same data, scores that follow from evidence. Exit status 1: faults."""
    from disbench.leaderboard.check import check_entries
    from disbench.leaderboard.entry import find_entries, list_boards

    paths = find_entries(entries or list_boards())
    faults = check_entries(paths)
    for fault in faults:
        click.echo(escape_control_chars(fault))
    click.echo(f"{len(paths)} entries, {len(faults)} faults")
    sys.exit(1 if faults else 0)


@leaderboard.command()
@click.argument("tables", nargs=-1, metavar="[ENTRY|BOARD|TABLES]...")
@json_option
def audit(tables, as_json):
    """Test published tables against themselves. All that are known if none is named. Exit status 1: findings."""
    import msgspec

    from disbench.leaderboard.audit import audit_tables, collect_published
    from disbench.leaderboard.entry import BOARDS_ROOT, find_entries

    paths = find_entries(tables) if tables else [*find_entries(["dis5k"]), *sorted((BOARDS_ROOT / "tables").glob("*.json"))]
    read = collect_published(paths)
    findings = audit_tables(read)
    if as_json:
        print_json(msgspec.to_builtins(findings))
    else:
        for paper in dict.fromkeys(finding.paper for finding in findings):
            click.echo(escape_control_chars(paper))
            for finding in findings:
                if finding.paper == paper:
                    click.echo(escape_control_chars(f"  {finding.table}: {finding.message}"))
        cells = sum(len(row) for t in read for cells in t.columns.values() for row in cells.values())
        click.echo(f"{len(read)} tables, {cells} numbers, {len(findings)} findings")
    sys.exit(1 if findings else 0)


@click.command()
@click.argument("run", metavar="[TITLE=]RUN")
@click.option("--to", default="leaderboards", show_default=True, type=click.Path(path_type=Path), help="Its folder.")
@click.option("--as", "model", metavar="NAME", help="The entry's name; that of the run's model if not given.")
@metrics_option
def submit(run, to, model, metrics):
    """Write a finished run into a leaderboard.

    With it go the statistics of every image, from which its scores follow.
    """
    from disbench.leaderboard.evidence import submit_run
    from disbench.runs.result import load_run

    title, folder = parse_titled_path(run)
    click.echo(submit_run(load_run(folder, title), to, model, metrics))
