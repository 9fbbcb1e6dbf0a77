"""Commands that compare runs: compare, check."""

import sys

import click

from disbench.cli.examples import format_examples
from disbench.cli.options import (
    GROUPINGS,
    TEXT,
    add_options,
    focus_option,
    json_option,
    metrics_option,
    parse_titled_path,
    protocol_option,
)
from disbench.errors import InputError
from disbench.system.console import print_json, print_table
from disbench.system.progress import show_progress


def _parse_tolerances(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, float]:
    """Parse [METRIC=]NUMBER arguments; "" is the key of a number without a metric."""
    from disbench.metrics.catalogue import resolve_metrics

    tolerances: dict[str, float] = {}
    for argument in values:
        key, equals, text = argument.rpartition("=")
        if equals and not key:
            raise click.BadParameter(f"{argument!r}: the metric is empty; give METRIC=NUMBER, or a number", ctx, param)
        try:
            tolerance = float(text)
        except ValueError:
            raise click.BadParameter(f"{argument!r} is not METRIC=NUMBER", ctx, param) from None
        if not 0 <= tolerance < float("inf"):
            raise click.BadParameter(f"{argument!r}: give a number from 0 up", ctx, param)
        if key:
            resolve_metrics(key)  # raises InputError for an unknown metric
        tolerances[key] = tolerance
    return tolerances


@click.command(
    epilog=format_examples(
        "disbench check Mine --against leaderboards/dis5k/mine.json",
        "disbench check New --against Old --tolerance f_max=0.002 --tolerance 0.001",
    ),
)
@click.argument("run", metavar="RUN", type=TEXT)
@click.option(
    "--against",
    required=True,
    metavar="BASELINE",
    type=TEXT,
    help="A run, or an entry that `disbench submit` wrote.",
)
@click.option(
    "--tolerance",
    "tolerances",
    multiple=True,
    metavar="[METRIC=]NUMBER",
    callback=_parse_tolerances,
    help="How much worse a score may be. Without METRIC: for all measures. Default: 0.001.",
)
@metrics_option
@json_option
def check(run, against, tolerances, metrics, as_json):
    """Check a run against a baseline.

    Exit status 0: no score is worse. 1: a score is worse. 2: nothing can be compared.
    """
    from dataclasses import asdict

    from disbench.leaderboard.regression import CHECK_HEAD, check_run, format_row, format_verdict

    checks = check_run(run, against, tolerances, metrics)
    if as_json:
        print_json([asdict(score_check) | {"held": score_check.passed} for score_check in checks])
    else:
        print_table(CHECK_HEAD, list(map(format_row, checks)), keys=2)
        click.echo(format_verdict(checks))
    sys.exit(0 if all(score_check.passed for score_check in checks) else 1)


@click.command(
    epilog=format_examples(
        "disbench compare Theirs Mine",
        "disbench compare --split DIS-VD --metrics f_max,mae Theirs Mine",
        "disbench compare --by complexity --parts 4 Theirs Mine",
    ),
)
@click.argument("runs", nargs=-1, required=True, metavar="[TITLE=]RUN...")
@click.option("--split", metavar="SPLIT", help="A subset, or Overall. Default: all subsets that the runs share.")
@click.option("--by", type=click.Choice(GROUPINGS), help="Group the images of all subsets.")
@click.option(
    "--parts", type=click.IntRange(2), help="Number of equal groups. Default: 4. Needs --by complexity or --by size."
)
@click.option(
    "--resamples",
    type=click.IntRange(100),
    default=10_000,
    show_default=True,
    help="Bootstrap resamples, and random exchanges of each test.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the resamples.")
@add_options(focus_option, protocol_option(None), metrics_option, json_option)
def compare(runs, split, by, parts, resamples, seed, focus, protocols, metrics, as_json):
    """Compare runs and test their differences.

    Prints scores and the differences of the last RUN from each other with 95 % intervals, paired tests, ties with the
    best, and the images that decide each difference.

    A RUN is a run folder, a method's folder or its name under ./runs for the latest run, a pattern such as
    'runs/MyNet/*', or a leaderboard entry with measured scores.
    """
    from dataclasses import asdict

    from disbench.reports.inputs import load_inputs
    from disbench.reports.terminal import print_comparison
    from disbench.runs.result import drop_other_protocols
    from disbench.stats.compare import compare

    if parts and not by:
        raise InputError("--parts needs --by")
    if protocols and len(protocols) > 1:
        raise InputError("--protocol: scores of different protocols cannot be compared; give one")
    results = load_inputs(map(parse_titled_path, runs))
    if protocols:
        results = [result.with_protocol(protocols[0]) for result in drop_other_protocols(results)]
    if by:
        from disbench.runs.grouping import group_images

        with show_progress() as progress:
            results = group_images(results, by, parts, progress)
    comparisons = compare(results, metrics, split, focus=focus, resamples=resamples, seed=seed)
    if as_json:
        entries = [asdict(comparison) for comparison in comparisons]
        for entry in entries:
            if not entry["marks"]:  # as in all entries before this key was added
                del entry["marks"]
        print_json(entries)
    else:
        print_comparison(comparisons, resamples, seed)
