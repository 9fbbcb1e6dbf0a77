"""The command that writes reports."""

from pathlib import Path

import click

from disbench.cli.options import (
    GROUPINGS,
    add_options,
    metrics_option,
    parse_titled_path,
    protocol_option,
)
from disbench.errors import InputError
from disbench.system.progress import show_progress

FORMATS = ("html", "latex", "markdown", "csv", "xlsx")


@click.command()
@click.argument("runs", nargs=-1, metavar="[[TITLE=]RUN|ENTRY|BOARD|TABLE]...")
@click.option("--format", "format_", type=click.Choice(FORMATS), help="By --out's suffix if not given, else markdown.")
@click.option("--out", type=click.Path(path_type=Path), help="A file; standard output if not given.")
@click.option("--standalone", is_flag=True, help="LaTeX: a document of its own, to compile as it is.")
@click.option("--intervals", is_flag=True, help="LaTeX, Markdown: the 95 % intervals of what was measured.")
@click.option("--corrected", is_flag=True, help="Published: as `leaderboard audit` corrects it.")
@click.option("--source", default="", metavar="TEXT", help="Entries: published tables alone whose citation has TEXT.")
@click.option("--by", type=click.Choice(GROUPINGS), help="Group the images of all subsets by this.")
@click.option("--parts", type=click.IntRange(2), help="With --by complexity or size: so many equal parts; 4 else.")
@click.option(
    "--times",
    multiple=True,
    metavar="FILE|DIR",
    type=click.Path(path_type=Path),
    help="HTML: what `disbench time` wrote, in place of the runs' own times; may be given several times.",
)
@add_options(protocol_option(None), metrics_option)
def report(runs, format_, out, standalone, intervals, corrected, source, by, parts, times, protocols, metrics):
    """One table of several runs, or of published scores: dis5k.

    The layout is that of the DiffDIS paper's Table 2.

    ENTRY is a file of a leaderboard or the name of a method on DIS5K, BOARD a leaderboard's folder or name, TABLE a
    published table, as diffdis-table-3. Without any, the latest finished run of every method under ./runs.
    """
    if parts and not by:
        raise InputError("--parts needs --by")
    from disbench.reports.inputs import classify_inputs
    from disbench.reports.inputs import load_inputs as read
    from disbench.reports.render import format_from_suffix, render_report, write_report
    from disbench.runs.result import load_latest

    format_ = format_ or (format_from_suffix(out) if out else "markdown")
    if times and format_ != "html":
        raise InputError("--times: times stand in an HTML report alone; `disbench times` prints them side by side")
    if format_ == "xlsx" and not out:
        raise InputError("a workbook is no text to print: give --out FILE.xlsx")
    tables, found, named = classify_inputs(map(parse_titled_path, runs))
    results = read(named) if runs else load_latest(Path("runs"))
    results = [result.with_protocol(protocol) for result in results for protocol in protocols or [result.protocol]]
    options = {"standalone": standalone, "metrics": metrics, "intervals": intervals}
    options |= {"tables": tables, "entries": found, "corrected": corrected, "source": source}
    if times:
        from disbench.reports.times import match_timings

        options["times"] = match_timings(results, times)
    if format_ == "html" and results:
        from disbench.reports.publish import rank_complexity, select_pictures

        options["cases"] = select_pictures(results)
        with show_progress() as progress:
            options["ranks"] = rank_complexity(results, progress)
    if by:
        if found or tables:
            raise InputError("--by: what is reported has no images to group; leave it or the entries away")
        from disbench.runs.grouping import group_images

        with show_progress() as progress:
            results = group_images(results, by, parts, progress)
    if out:
        write_report(out, results, format_, **options)
        click.echo(out)
    else:
        click.echo(render_report(results, format_, **options), nl=False)
