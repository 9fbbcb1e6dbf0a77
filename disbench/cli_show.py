"""The commands that make pictures to look at: the grid and the viewer."""

from pathlib import Path

import click

from disbench.console import progress
from disbench.options import titled

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
    from disbench.report.grid import write
    from disbench.report.publish import pictures

    write(out, pictures(_results(runs), number, how), how)
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
    from disbench.report.publish import all_samples
    from disbench.report.viewer import write
    from disbench.runs import distinct

    results = distinct(_results(runs))
    with progress() as bar:
        click.echo(write(out, results, all_samples(results), bar))


def _results(runs):
    from disbench.report.inputs import results
    from disbench.runs import latest

    return results([titled(run) for run in runs]) if runs else latest(Path("runs"))
