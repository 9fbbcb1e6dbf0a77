"""The commands that make pictures: grid, view, curves."""

import os
from pathlib import Path

import click

from disbench.cli.examples import format_examples
from disbench.cli.options import PATH, TEXT, focus_option, parse_titled_path
from disbench.errors import InputError
from disbench.system.progress import show_progress

CASES_HELP = (
    "spread: from easy to hard for the last RUN; disagreement: between methods; gain, loss: of the last RUN; or names."
)


INSET_HELP = "Magnify: outline (the finest structure), differ (where maps differ most), none, or X,Y,W,H of an image."
INSET_HELP += " Repeatable. Default: outline; differ with --paper."
FIGURE_SUFFIXES = (".pdf", ".png", ".svg")


@click.command(
    epilog=format_examples(
        "disbench grid --out grid.pdf",
        "disbench grid --out grid.png --cases gain --number 4 Theirs Mine",
        "disbench grid --paper --out grid.pdf --tex grid.tex Theirs Mine",
    ),
)
@click.argument("runs", nargs=-1, metavar="[[TITLE=]RUN]...")
@click.option("--out", required=True, type=PATH, help="A .pdf, .png, .svg or .html file.")
@click.option("--cases", "selection", metavar="RULE|NAME,...", type=TEXT, help=f"{CASES_HELP}  [default: spread]")
@click.option("--rows", metavar="NAME,...", help="Images by name, in this order: like --cases, but never a rule.")
@click.option("--number", default=6, show_default=True, type=click.IntRange(1), help="Number of images, for a rule.")
@click.option("--inset", "insets", multiple=True, metavar="RULE|NAME:X,Y,W,H", help=INSET_HELP)
@click.option("--paper", is_flag=True, help="Only pictures and names, methods in the order of RUN.")
@click.option("--width", type=click.FloatRange(1, 40), help="Inches.  [default: 7]")
@click.option("--dpi", type=click.IntRange(30, 1200), help="Pixels per inch of the pictures.  [default: 300]")
@click.option("--tex", type=PATH, metavar="FILE.tex", help="Also write a LaTeX figure that includes the grid.")
@click.option("--caption", metavar="LATEX", help="Its caption. Default: what is shown, and how it was chosen.")
@click.option("--label", metavar="LABEL", help="Its label.  [default: fig:grid]")
@focus_option
def grid(runs, out, selection, rows, number, insets, paper, width, dpi, tex, caption, label, focus):
    """Show image, ground truth and maps side by side, in one picture.

    An inset magnifies the finest structure. The last column shows the errors of the last RUN.

    With --paper it is a figure for a paper: without scores and errors, with names below the columns.

    Needs maps, which `disbench run` and `disbench score --save` keep. Default for RUN: the latest finished run of every
    method under ./runs.
    """
    from disbench.reports.grid import write_grid
    from disbench.reports.grid_style import DPI, PAPER_RULE, WIDTH, GridStyle
    from disbench.reports.grid_tex import LABEL, render_figure
    from disbench.reports.insets import parse_insets, resolve_insets
    from disbench.reports.output import write_output
    from disbench.reports.publish import select_cases
    from disbench.runs.outputs import check_output, list_inputs
    from disbench.runs.result import drop_other_protocols, put_last

    _check_grid_options(out, tex, {"--paper": paper, "--width": width, "--dpi": dpi, "--tex": tex})
    if not tex and (caption or label):
        raise InputError(f"{'--caption' if caption else '--label'}: only a LaTeX figure has one; add --tex FILE.tex")
    selection = _choose_selection(selection, rows)
    given = _load_results(runs)
    results = put_last(given, focus)
    for path, option in ((out, "--out"), (tex, "--tex")):
        if path:
            check_output(path, list_inputs(results), option)
    given_insets = parse_insets(insets, PAPER_RULE if paper else "outline")
    cases = select_cases(results, number, selection)
    style = GridStyle(
        selection=selection,
        insets=resolve_insets(given_insets, cases),
        paper=paper,
        methods=[result.title for result in drop_other_protocols(given)],
        width=width or WIDTH,
        dpi=dpi or DPI,
    )
    figure = ""
    if tex:
        picture = Path(os.path.relpath(out.resolve(), tex.resolve().parent))
        figure = render_figure(picture, cases, style, caption or "", label or LABEL)
    write_grid(out, cases, style)
    click.echo(out)
    if tex:
        write_output(tex, figure, "--tex")
        click.echo(tex)


def _check_grid_options(out: Path, tex: Path | None, options: dict[str, object]) -> None:
    given = next((option for option, value in options.items() if value), None)
    if given and out.suffix.lower() == ".html":
        raise InputError(f"{given}: not for pages; choose an --out of {', '.join(FIGURE_SUFFIXES)}")
    if tex and tex.suffix.lower() != ".tex":
        raise InputError(f"{tex}: --tex writes LaTeX; choose a name that ends in .tex")


def _choose_selection(selection: str | None, rows: str | None) -> str:
    from disbench.reports.cases import SELECTION_RULES

    if rows is None:
        return selection or "spread"
    if selection is not None:
        raise InputError("--rows and --cases both choose the images; give one of them")
    if rows in SELECTION_RULES:
        raise InputError(f"--rows {rows}: a rule, not the name of an image; use --cases {rows}")
    return rows


@click.command(epilog=format_examples("disbench view --out view Theirs Mine"))
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
    from disbench.runs.result import share_protocol

    results = share_protocol(_load_results(runs, focus))
    check_output(out, list_inputs(results))  # before the data set is hashed
    with show_progress() as progress:
        click.echo(write_viewer(out, results, find_all_samples(results), progress))


@click.command(
    epilog=format_examples(
        "disbench curves --out curves.pdf",
        "disbench curves --out curves.csv --split DIS-VD Theirs Mine",
    ),
)
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
