"""The command that writes reports."""

import click

from disbench.cli.examples import format_examples
from disbench.cli.options import (
    GROUPINGS,
    PATH,
    TEXT,
    KeyValue,
    add_options,
    collect_pairs,
    focus_option,
    metrics_option,
    parse_titled_path,
    protocol_option,
)
from disbench.errors import InputError
from disbench.reports.formats import FORMATS
from disbench.reports.options import LAYOUTS, MARKS
from disbench.reports.ranking import RANKINGS
from disbench.system.progress import show_progress


def _split_names(ctx, param, names):
    return [name.strip() for name in (names or "").split(",") if name.strip()]


@click.command(
    epilog=format_examples(
        "disbench report dis5k",
        "disbench report --out table.tex --source 2410.10105 dis5k Ours=RUN",
        "disbench report --out report.html --by complexity Theirs Mine",
    ),
)
@click.argument("runs", nargs=-1, metavar="[[TITLE=]RUN|ENTRY|BOARD|TABLE]...")
@click.option(
    "--format",
    "format_",
    type=click.Choice(tuple(FORMATS)),
    help="Default: the format of --out's suffix, or markdown.",
)
@click.option("--out", type=PATH, help="A file. Default: standard output.")
@click.option("--split", metavar="SPLITS", type=TEXT, help="Subsets to show, as DIS-TE1..4,Overall. Default: all.")
@click.option(
    "--order",
    metavar="NAMES",
    callback=_split_names,
    help="Methods in the order to show them, as IS-Net,...,Ours; '...' is all others. Default: others last.",
)
@click.option(
    "--name",
    "names",
    multiple=True,
    type=KeyValue(),
    callback=collect_pairs,
    help="Show a method under another name. Repeatable.",
)
@click.option("--digits", type=click.IntRange(1, 9), help="Decimals of scores. Default: 3; published ones as printed.")
@click.option(
    "--rank",
    type=click.Choice(RANKINGS),
    help="Which scores compete: all, those of each source, or only measured ones. Default: together if there are "
    "several sources.",
)
@click.option("--rank-all", is_flag=True, help="Rank methods also on subsets that they were trained on.")
@click.option(
    "--layout",
    type=click.Choice(LAYOUTS),
    help="Methods as columns or as rows. Default: what prints in 6 pt or more.",
)
@click.option("--caption", metavar="TEXT", default="", help="The first sentence of the caption.")
@click.option("--label", metavar="KEY", type=TEXT, help="LaTeX, Typst: the table's label. Default: tab:disbench.")
@click.option(
    "--marks",
    type=click.Choice(MARKS),
    help="LaTeX, Typst: best and second bold and underlined, or best to third red, green, blue. Default: bold.",
)
@click.option("--wide/--narrow", default=None, help="LaTeX: table* or table. Default: what it needs.")
@click.option(
    "--width", metavar="PT", type=float, help=r"LaTeX: what \the\textwidth of your class prints. Default: 345."
)
@click.option("--cite", is_flag=True, help=r"LaTeX: \cite the paper after the name of each method.")
@click.option("--bib", metavar="FILE.bib", type=PATH, help="LaTeX: write the BibTeX entries, and --cite them.")
@click.option("--standalone", is_flag=True, help="LaTeX: a document that compiles, in place of a table.")
@click.option("--intervals", is_flag=True, help="LaTeX, Markdown: 95 % intervals of measured scores.")
@click.option("--corrected", is_flag=True, help="Published numbers as `leaderboard audit` corrects them.")
@click.option("--source", default="", metavar="TEXT", help="Entries: only tables with TEXT in their citation.")
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
def report(runs, format_, out, names, protocols, **options):
    """Make one table of runs and published scores.

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
            names=names,
            protocol=",".join(protocols or ()),
            progress=progress,
            **options,
        )
    if out:
        click.echo(out)
    else:
        click.echo(content, nl=False)
