"""The command that writes reports."""

import click

from disbench.cli.options import (
    GROUPINGS,
    PATH,
    add_options,
    focus_option,
    metrics_option,
    parse_titled_path,
    protocol_option,
)
from disbench.errors import InputError
from disbench.reports.formats import FORMATS
from disbench.system.progress import show_progress


@click.command()
@click.argument("runs", nargs=-1, metavar="[[TITLE=]RUN|ENTRY|BOARD|TABLE]...")
@click.option(
    "--format",
    "format_",
    type=click.Choice(tuple(FORMATS)),
    help="Default: the format of --out's suffix, or markdown.",
)
@click.option("--out", type=PATH, help="A file. Default: standard output.")
@click.option("--standalone", is_flag=True, help="LaTeX: a document that compiles, in place of a table.")
@click.option("--intervals", is_flag=True, help="LaTeX, Markdown: 95 % intervals of measured scores.")
@click.option("--corrected", is_flag=True, help="Published numbers as `leaderboard audit` corrects them.")
@click.option("--source", default="", metavar="TEXT", help="Entries: only tables with TEXT in their citation.")
@click.option("--rank-all", is_flag=True, help="Rank methods also on subsets that they were trained on.")
@click.option("--by", type=click.Choice(GROUPINGS), help="Group the images of all subsets by this.")
@click.option("--parts", type=click.IntRange(2), help="Number of equal parts by complexity or size. Default: 4.")
@click.option(
    "--times",
    multiple=True,
    metavar="FILE|DIR",
    type=PATH,
    help="HTML: files of `disbench time`, in place of the times of the runs. Repeatable.",
)
@add_options(focus_option, protocol_option(None), metrics_option)
def report(
    runs,
    format_,
    out,
    standalone,
    intervals,
    corrected,
    source,
    rank_all,
    by,
    parts,
    times,
    focus,
    protocols,
    metrics,
):
    """Make one table of runs and published scores.

    For example: disbench report dis5k.

    The layout is that of the DiffDIS paper's Table 2.

    RUN is a run folder, a method's folder or its name under ./runs for the latest run, or a pattern such as
    'runs/MyNet/*'. ENTRY is a file of a leaderboard or the name of a method on DIS5K, BOARD a leaderboard's folder or
    name, TABLE a published table, as diffdis-table-3. Default: the latest finished run of every method under ./runs.
    """
    from disbench.reports import api

    if not out and format_ == "xlsx":
        raise InputError("a workbook cannot be printed as text: give --out FILE.xlsx")
    with show_progress() as progress:
        content = api.report(
            [parse_titled_path(run) for run in runs],
            format=format_,
            out=out,
            metrics=metrics,
            protocol=",".join(protocols or ()),
            standalone=standalone,
            intervals=intervals,
            corrected=corrected,
            source=source,
            rank_all=rank_all,
            by=by,
            parts=parts,
            times=times,
            focus=focus,
            progress=progress,
        )
    if out:
        click.echo(out)
    else:
        click.echo(content, nl=False)
