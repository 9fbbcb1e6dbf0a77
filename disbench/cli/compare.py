"""The commands that compare runs: compare, check."""

import sys

import click

from disbench.cli.options import GROUPINGS, add_options, json_option, metrics_option, parse_titled_path, protocol_option
from disbench.errors import InputError
from disbench.system.console import print_json
from disbench.system.progress import show_progress


def _tolerances(ctx, param, given) -> dict[str, float]:
    from disbench.metrics.catalogue import resolve_metrics

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
            resolve_metrics(key)
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

    from disbench.leaderboard.regression import check_run, format_checks

    found = check_run(run, against, tolerances, metrics)
    if as_json:
        print_json([asdict(one) | {"held": one.held} for one in found])
    else:
        click.echo(format_checks(found))
    sys.exit(0 if all(one.held for one in found) else 1)


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="[TITLE=]RUN...")
@click.option("--split", metavar="SPLIT", help="A subset, or Overall; all that they share if not given.")
@click.option("--by", type=click.Choice(GROUPINGS), help="Group the images of all subsets by this.")
@click.option("--parts", type=click.IntRange(2), help="With --by complexity or size: so many equal parts; 4 else.")
@click.option("--resamples", type=click.IntRange(100), default=10_000, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@add_options(protocol_option(None), metrics_option, json_option)
def compare(runs, split, by, parts, resamples, seed, protocols, metrics, as_json):
    """Differences between runs, and whether they are chance.

    From the first RUN, with 95 % intervals and paired tests, ties with the best, and decisive images.

    An argument is a run folder, or a leaderboard entry that was measured.
    """
    from dataclasses import asdict

    from disbench.reports.inputs import load_inputs as read
    from disbench.reports.terminal import print_comparison
    from disbench.stats.compare import compare

    if parts and not by:
        raise InputError("--parts needs --by")
    if protocols and len(protocols) > 1:
        raise InputError("--protocol: scores of one protocol compare; give one")
    results = [result.with_protocol(protocols[0]) if protocols else result for result in read(map(parse_titled_path, runs))]
    if by:
        from disbench.runs.grouping import group_images

        with show_progress() as shown:
            results = group_images(results, by, parts, shown)
    lines = compare(results, metrics, split, resamples, seed)
    if as_json:
        print_json([asdict(line) for line in lines])
    else:
        print_comparison(lines, resamples, seed)
