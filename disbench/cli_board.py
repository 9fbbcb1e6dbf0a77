"""The commands on numbers: leaderboard, submit."""

import sys
from pathlib import Path

import click

from disbench.console import json, table
from disbench.options import json_option, metrics_option, titled


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

    from disbench.leaderboard import find as found
    from disbench.leaderboard import read
    from disbench.leaderboard.show import HEAD, rows

    text = (find or "").casefold()
    chosen = [read(path) for path in found(entries or ["dis5k"])]
    chosen = [e for e in chosen if text in " ".join([e.model, e.title, *e.paper.values()]).casefold()]
    chosen = [e for e in chosen if e.measured or not measured]
    if as_json:
        json(msgspec.to_builtins(chosen))
        return
    head, lines = rows(chosen, split, metrics)
    table((*HEAD, *head), lines)


@leaderboard.command()
@entries
def check(entries):
    """Validate entries: words, whole subsets, same data, scores that follow from evidence. Exit status 1: faults."""
    from disbench.leaderboard import boards, find
    from disbench.leaderboard.check import check

    paths = find(entries or boards())
    faults = check(paths)
    for fault in faults:
        click.echo(fault)
    click.echo(f"{len(paths)} entries, {len(faults)} faults")
    sys.exit(1 if faults else 0)


@leaderboard.command()
@click.argument("tables", nargs=-1, metavar="[ENTRY|BOARD|TABLES]...")
@json_option
def audit(tables, as_json):
    """Test published tables against themselves, all that are known if none is named. Exit status 1: findings."""
    import msgspec

    from disbench.leaderboard import ROOT, find
    from disbench.leaderboard.audit import audit, published

    paths = find(tables) if tables else [*find(["dis5k"]), *sorted((ROOT / "tables").glob("*.json"))]
    read = published(paths)
    findings = audit(read)
    if as_json:
        json(msgspec.to_builtins(findings))
    else:
        for finding in findings:
            click.echo(f"{finding.table}: {finding.message}")
        cells = sum(len(row) for t in read for cells in t.columns.values() for row in cells.values())
        click.echo(f"{len(read)} tables, {cells} numbers, {len(findings)} findings")
    sys.exit(1 if findings else 0)


@click.command()
@click.argument("run", metavar="[TITLE=]RUN")
@click.option("--to", default="leaderboards", show_default=True, type=click.Path(path_type=Path), help="Its folder.")
@click.option("--as", "model", metavar="NAME", help="The entry's name; that of the run's model if not given.")
@metrics_option
def submit(run, to, model, metrics):
    """Write a finished run into a leaderboard, with the statistics of every image that its scores follow from."""
    from disbench.leaderboard.evidence import submit
    from disbench.runs import load

    title, folder = titled(run)
    click.echo(submit(load(folder, title), to, model, metrics))
