"""The commands that make pictures: grid, view, curves."""

import click

from disbench.cli.options import PATH, focus_option, parse_titled_path
from disbench.system.progress import show_progress

CASES_HELP = (
    "spread: from easy to hard for the last RUN; disagreement: between methods; gain, loss: of the last RUN; or names."
)


@click.command()
@click.argument("runs", nargs=-1, metavar="[[TITLE=]RUN]...")
@click.option("--out", required=True, type=PATH, help="A .pdf, .png or .html file.")
@click.option("--cases", "selection", default="spread", show_default=True, metavar="RULE|NAME,...", help=CASES_HELP)
@click.option("--number", default=6, show_default=True, type=click.IntRange(1), help="Number of images, for a rule.")
@focus_option
def grid(runs, out, selection, number, focus):
    """Show image, ground truth and maps side by side, in one picture.

    An inset magnifies the finest structure. The last column shows the errors of the last RUN.

    Needs maps, which `disbench run` and `disbench score --save` keep. Default for RUN: the latest finished run of every
    method under ./runs.
    """
    from disbench.reports.grid import write_grid
    from disbench.reports.publish import select_cases
    from disbench.runs.outputs import check_output, list_inputs

    results = _load_results(runs, focus)
    check_output(out, list_inputs(results))
    write_grid(out, select_cases(results, number, selection), selection)
    click.echo(out)


@click.command()
@click.argument("runs", nargs=-1, metavar="[[TITLE=]RUN]...")
@click.option("--out", required=True, type=PATH, help="A folder of its own.")
@focus_option
def view(runs, out, focus):
    """Write a viewer of maps, to open in a browser.

    It compares methods to the pixel, by slider, blink and difference. It opens with the last RUN as A and the one
    before it as B.

    Needs maps, which `disbench run` and `disbench score --save` keep. Default for RUN: the latest finished run of every
    method under ./runs.
    """
    from disbench.reports.publish import find_all_samples
    from disbench.reports.viewer import write_viewer
    from disbench.runs.outputs import check_output, list_inputs
    from disbench.runs.result import drop_other_protocols

    results = drop_other_protocols(_load_results(runs, focus))
    check_output(out, list_inputs(results))  # before the data set is hashed
    with show_progress() as progress:
        click.echo(write_viewer(out, results, find_all_samples(results), progress))


@click.command()
@click.argument("runs", nargs=-1, metavar="[[TITLE=]RUN]...")
@click.option("--out", required=True, type=PATH, help="A .pdf, .png, .csv or .json file.")
@click.option("--split", metavar="SPLIT", help="A subset. Default: Overall, or the first that all runs have.")
def curves(runs, out, split):
    """Draw curves of precision and recall, F and E.

    Precision against recall, F and E against the threshold, in one figure or as numbers.

    Default for RUN: the latest finished run of every method under ./runs.
    """
    from disbench.reports.curves import write_curves

    write_curves(out, _load_results(runs), split)
    click.echo(out)


def _load_results(runs, focus=None):
    from disbench.reports.inputs import load_inputs
    from disbench.runs.lookup import ROOT
    from disbench.runs.result import load_latest, put_last

    results = load_inputs(map(parse_titled_path, runs)) if runs else load_latest(ROOT)
    return put_last(results, focus)
