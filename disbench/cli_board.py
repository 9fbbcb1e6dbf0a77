"""The commands on numbers: leaderboard, submit, compare, check."""

import sys
from pathlib import Path

import click

from disbench.console import json, progress, table
from disbench.errors import InputError, printable
from disbench.options import CUTS, json_option, metrics_option, protocol_option, shared, titled


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


@leaderboard.command("check")
@entries
def check_entries(entries):
    """Validate entries. Words, whole subsets, same data, scores that follow from evidence. Exit status 1: faults."""
    from disbench.leaderboard import boards, find
    from disbench.leaderboard.check import check

    paths = find(entries or boards())
    faults = check(paths)
    for fault in faults:
        click.echo(printable(fault))
    click.echo(f"{len(paths)} entries, {len(faults)} faults")
    sys.exit(1 if faults else 0)


@leaderboard.command()
@click.argument("tables", nargs=-1, metavar="[ENTRY|BOARD|TABLES]...")
@json_option
def audit(tables, as_json):
    """Test published tables against themselves. All that are known if none is named. Exit status 1: findings."""
    import msgspec

    from disbench.leaderboard import ROOT, find
    from disbench.leaderboard.audit import audit, published

    paths = find(tables) if tables else [*find(["dis5k"]), *sorted((ROOT / "tables").glob("*.json"))]
    read = published(paths)
    findings = audit(read)
    if as_json:
        json(msgspec.to_builtins(findings))
    else:
        for paper in dict.fromkeys(finding.paper for finding in findings):
            click.echo(printable(paper))
            for finding in findings:
                if finding.paper == paper:
                    click.echo(printable(f"  {finding.table}: {finding.message}"))
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
    from disbench.leaderboard.evidence import submit
    from disbench.runs import load

    title, folder = titled(run)
    click.echo(submit(load(folder, title), to, model, metrics))


def _tolerances(ctx, param, given) -> dict[str, float]:
    from disbench.metrics.catalogue import chosen

    found = {}
    for one in given:
        key, _, text = one.rpartition("=")
        try:
            found[key] = float(text)
        except ValueError:
            raise click.BadParameter(f"{one!r} is not METRIC=NUMBER", ctx, param) from None
        if not 0 <= found[key] < float("inf"):
            raise click.BadParameter(f"{one!r}: give a number from 0 up", ctx, param)
        if key:
            chosen(key)
    return found


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--against", required=True, metavar="BASELINE", help="A run, or an entry as `disbench submit` writes it.")
@click.option(
    "--tolerance",
    "tolerances",
    multiple=True,
    metavar="[METRIC=]NUMBER",
    callback=_tolerances,
    help="How much worse a score may be; of all measures without METRIC. Default: 0.001.",
)
@metrics_option
@json_option
def check(run, against, tolerances, metrics, as_json):
    """Compare a run with a baseline. Exit status 0: held, 1: some score is worse, 2: nothing comparable."""
    from dataclasses import asdict

    from disbench.regression import check, report

    found = check(run, against, tolerances, metrics)
    if as_json:
        json([asdict(one) | {"held": one.held} for one in found])
    else:
        click.echo(report(found))
    sys.exit(0 if all(one.held for one in found) else 1)


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="[TITLE=]RUN...")
@click.option("--split", metavar="SPLIT", help="A subset, or Overall; all that they share if not given.")
@click.option("--by", type=click.Choice(CUTS), help="Group the images of all subsets by this.")
@click.option("--parts", type=click.IntRange(2), help="With --by complexity or size: so many equal parts; 4 else.")
@click.option("--resamples", type=click.IntRange(100), default=10_000, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@shared(protocol_option(None), metrics_option, json_option)
def compare(runs, split, by, parts, resamples, seed, protocols, metrics, as_json):
    """Differences between runs, and whether they are chance.

    From the first RUN, with 95 % intervals and paired tests, ties with the best, and decisive images.

    An argument is a run folder, or a leaderboard entry that was measured.
    """
    from dataclasses import asdict

    from disbench.compare import compare
    from disbench.report.inputs import results as read
    from disbench.report.terminal import compared

    if parts and not by:
        raise InputError("--parts needs --by")
    if protocols and len(protocols) > 1:
        raise InputError("--protocol: scores of one protocol compare; give one")
    results = [result.under(protocols[0]) if protocols else result for result in read(map(titled, runs))]
    if by:
        from disbench.report.cuts import cut

        with progress() as shown:
            results = cut(results, by, parts, shown)
    lines = compare(results, metrics, split, resamples, seed)
    if as_json:
        json([asdict(line) for line in lines])
    else:
        compared(lines, resamples, seed)
