"""The commands that make pictures: curves, grid, view."""

from pathlib import Path

import click

from disbench.cli.options import parse_titled_path
from disbench.system.progress import show_progress

CASES = "spread, from easy to hard for the last RUN; disagreement between methods; gain or loss of the last; or names."


@click.command()
@click.argument("runs", nargs=-1, metavar="[[TITLE=]RUN]...")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A .pdf, .png or .html file.")
@click.option("--cases", "how", default="spread", show_default=True, metavar="RULE|NAME,...", help=CASES)
@click.option("--number", default=6, show_default=True, type=click.IntRange(1), help="How many images, by a rule.")
def grid(runs, out, how, number):
    """Image, truth and maps side by side, in one picture.

    With an inset where the structure is finest, and the errors of the last RUN.

    Needs maps, which `disbench run` and `disbench score --save` keep. Without RUN: the latest finished run of every
    method under ./runs.
    """
    from disbench.reports.grid import write_grid
    from disbench.reports.publish import select_pictures

    write_grid(out, select_pictures(_results(runs), number, how), how)
    click.echo(out)


@click.command()
@click.argument("runs", nargs=-1, metavar="[[TITLE=]RUN]...")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A folder of its own.")
def view(runs, out):
    """A viewer of maps in a folder, to open in a browser.

    Method against method by slider, blink and difference, to the pixel.

    Needs maps, which `disbench run` and `disbench score --save` keep. Without RUN: the latest finished run of every
    method under ./runs.
    """
    from disbench.reports.publish import find_all_samples
    from disbench.reports.viewer import write_viewer
    from disbench.runs.result import drop_other_protocols

    results = drop_other_protocols(_results(runs))
    with show_progress() as bar:
        click.echo(write_viewer(out, results, find_all_samples(results), bar))


def _results(runs):
    from disbench.reports.inputs import load_inputs
    from disbench.runs.result import load_latest

    return load_inputs([parse_titled_path(run) for run in runs]) if runs else load_latest(Path("runs"))

@click.command()
@click.argument("runs", nargs=-1, metavar="[[TITLE=]RUN]...")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A .pdf, .png, .csv or .json file.")
@click.option("--split", metavar="SPLIT", help="A subset; Overall if not given and there, else the first.")
def curves(runs, out, split):
    """Curves of several runs: precision, recall, F and E.

    Precision against recall, F and E against the threshold, in one figure, or as data.

    Without RUN: the latest finished run of every method under ./runs.
    """
    from disbench.reports.curves import write_curves
    from disbench.runs.result import load_latest, load_run

    results = [load_run(folder, title) for title, folder in map(parse_titled_path, runs)] or load_latest(Path("runs"))
    write_curves(out, results, split)
    click.echo(out)
