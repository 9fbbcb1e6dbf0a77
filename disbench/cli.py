"""The command line: parse, call, print."""

import os
import sys
import warnings
from functools import partial
from io import TextIOWrapper
from pathlib import Path

import click

from disbench import (
    __version__,
    cli_board,
    cli_data,
    cli_diffdis,
    cli_doctor,
    cli_models,
    cli_predict,
    cli_show,
    cli_time,
)
from disbench.console import json, show, table
from disbench.console import progress as shown_progress
from disbench.errors import BrokenPlugin, InputError, OtherFile, printable, utf8
from disbench.options import (
    CUTS,
    cluster,
    data_options,
    engine_options,
    json_option,
    metric_names,
    metrics_option,
    model_options,
    protocol_option,
    shard_option,
    shared,
    titled,
)

KEPT = "what is done is kept, the same command goes on"
CHECKPOINT = "the same command goes on from the last checkpoint, if one was written"
AFTERWARDS = {"run": KEPT, "score": KEPT, "predict": KEPT, "vae-ceiling": KEPT}
AFTERWARDS |= {"train": CHECKPOINT, "ablate": CHECKPOINT}
FORMATS = ("html", "latex", "markdown", "csv", "xlsx")
os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")  # a file that OpenCV cannot read has its one line from here


class Commands(click.Group):
    """Turns what a user can mend into one line and exit status 2; an interruption into 130."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, [utf8(argument) for argument in args])
        except InputError as error:
            _fail(str(error))

    def invoke(self, ctx: click.Context):
        warnings.filterwarnings("ignore", module="PIL")  # as OpenCV above
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # where it cannot show a β, as Windows' into a pipe
        try:
            with warnings.catch_warnings():
                warnings.showwarning = partial(_warn, warnings.showwarning)
                return super().invoke(ctx)
        except InputError as error:
            _fail(str(error))
        except BrokenPipeError:
            raise  # click ends quietly where the reader, a `head`, has enough
        except OSError as error:
            if error.filename is None and error.errno is None:
                raise
            _fail(f"{error.filename or 'writing'}: {error.strerror}{_kept(ctx)}")
        except MemoryError:
            less = "; fewer --workers need less" if ctx.invoked_subcommand in ("run", "score") else ""
            _fail(f"out of memory{_kept(ctx)}{less}")
        except KeyboardInterrupt as stopped:
            kept = f"; {stopped}" if str(stopped) else _kept(ctx)  # who raises it may know better
            click.echo(f"\ninterrupted{kept}", err=True)
            sys.exit(130)


def _warn(others, message, category, *where, **how) -> None:
    if issubclass(category, BrokenPlugin | OtherFile):
        click.echo(f"disbench: warning: {printable(str(message))}", err=True)
    else:
        others(message, category, *where, **how)


def _kept(ctx: click.Context) -> str:
    kept = AFTERWARDS.get(ctx.invoked_subcommand)
    return f"; {kept}" if kept else ""


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="disbench")
def main() -> None:
    """Exact, comparable scores for high-precision dichotomous image segmentation."""


@main.command()
@shared(*model_options, *data_options)
@click.option("--images", type=click.Path(path_type=Path), help="With --truth: a data set of two folders.")
@click.option("--truth", type=click.Path(path_type=Path), help="With --images: the ground truths.")
@click.option(
    "--maps", type=click.Path(path_type=Path), help="Published maps in the model's place: DIR/DIS-TE1/*.png ..."
)
@shard_option
@shared(*engine_options)
@click.option("--out", default="runs", show_default=True, type=click.Path(path_type=Path), help="Where runs are kept.")
@click.option("--save/--no-save", default=True, help="Keep the maps (the grid needs them).")
@click.option("--workers", type=click.IntRange(0), help="Threads that decode and measure beside the device.")
@click.option("--alone", is_flag=True, help="On DIS-Mini: without the reference rows.")
@shared(protocol_option("pysod"), metrics_option, json_option)
def run(
    model,
    data,
    split,
    images,
    truth,
    weights,
    maps,
    options,
    device,
    share,
    engine,
    address,
    out,
    save,
    workers,
    alone,
    protocols,
    metrics,
    as_json,
):
    """Evaluate a model; goes on where it was stopped."""
    from disbench import evaluate
    from disbench.data import find
    from disbench.models import card, check
    from disbench.report.publish import publish

    chosen = card(model)  # what is unknown or missing is told before any work
    if not maps:
        check(chosen, weights)
    elif weights or options or device:
        raise InputError("--maps takes the model's place: leave --weights, --option and --device away")
    where = _where(data, images, truth)
    with shown_progress() as progress, cluster(engine, address) as elsewhere:
        common = (progress, ",".join(protocols), metrics)
        if maps:
            title = f"{chosen.title}, maps"
            results = evaluate.score_folder(title, maps, split, where, out, workers, *common, share, cluster=elsewhere)
        else:
            dataset = find(where, split, progress=progress)
            if dataset.is_mini:
                click.echo(f"On {dataset.title}: give --data DIS5K for the real thing.", err=True)
            common = (out, save, workers, *common, share, elsewhere)
            # The model first: what is wrong with its weights or options is told before the references take a minute.
            results = [evaluate.run_model(model, dataset, weights, device, dict(options), *common)]
            if dataset.is_mini and not alone:
                results = evaluate.run_references(model, dataset, weights, device, *common) + results
            if all(results):
                results = [result.under(protocol) for result in results for protocol in protocols]
    if not all(results):
        _waiting(share)
        return
    paths = publish(results, metrics)
    show(results, metrics, as_json)
    if not as_json:
        for kind, path in paths.items():
            click.echo(f"{kind}: {path}")
        if len(paths) < 3 and not maps:
            click.echo("No qualitative grid: it needs the maps, which --save keeps")


@main.command()
@click.argument("maps", nargs=-1, required=True, metavar="[TITLE=]DIR...")
@shared(*data_options)
@click.option("--truth", type=click.Path(path_type=Path), help="A folder of ground truths in place of --data.")
@click.option("--out", default="runs", show_default=True, type=click.Path(path_type=Path), help="Where runs are kept.")
@click.option("--workers", type=click.IntRange(0), help="Threads; one per core if not given.")
@click.option("--save", is_flag=True, help="Keep a copy of the maps in the run (grid and view need them).")
@shard_option
@shared(*engine_options)
@click.option("--per-image", type=click.Path(path_type=Path), help="Write every image's scores here (.csv, .parquet).")
@shared(protocol_option("pysod"), metrics_option, json_option)
def score(maps, data, split, truth, out, workers, save, share, engine, address, per_image, protocols, metrics, as_json):
    """Score folders of saved maps, whole subsets or not at all."""
    from disbench import evaluate
    from disbench.report.images import check_place, write_images

    if per_image:
        check_place(per_image)
    if truth and data:
        raise InputError("--truth takes the place of --data: leave one of them away")
    where = (None, truth) if truth else data
    named = [(title or folder.resolve().name, folder) for title, folder in map(titled, maps)]
    titles = [title for title, _ in named]
    if twice := {title for title in titles if titles.count(title) > 1}:  # told before any work
        raise InputError(f"two folders are called {twice.pop()!r}; give each a title of its own: TITLE=DIR")
    with shown_progress() as progress, cluster(engine, address) as elsewhere:
        results = []
        for title, folder in named:
            results += evaluate.score_folder(
                title,
                folder,
                split,
                where,
                out,
                workers,
                progress,
                ",".join(protocols),
                metrics,
                share,
                save,
                elsewhere,
            )
    if not all(results):
        _waiting(share)
        return
    if per_image:
        write_images(per_image, results, metrics)
    show(results, metrics, as_json)


@main.command()
@click.argument("runs", nargs=-1, metavar="[[TITLE=]RUN|ENTRY|BOARD|TABLE]...")
@click.option("--format", "format_", type=click.Choice(FORMATS), help="By --out's suffix if not given, else markdown.")
@click.option("--out", type=click.Path(path_type=Path), help="A file; standard output if not given.")
@click.option("--standalone", is_flag=True, help="LaTeX: a document of its own, to compile as it is.")
@click.option("--intervals", is_flag=True, help="LaTeX, Markdown: the 95 % intervals of what was measured.")
@click.option("--corrected", is_flag=True, help="Published: as `leaderboard audit` corrects it.")
@click.option("--source", default="", metavar="TEXT", help="Entries: published tables alone whose citation has TEXT.")
@click.option("--by", type=click.Choice(CUTS), help="Group the images of all subsets by this.")
@click.option("--parts", type=click.IntRange(2), help="With --by complexity or size: so many equal parts; 4 else.")
@click.option(
    "--times",
    multiple=True,
    metavar="FILE|DIR",
    type=click.Path(path_type=Path),
    help="HTML: what `disbench time` wrote, in place of the runs' own times; may be given several times.",
)
@shared(protocol_option(None), metrics_option)
def report(runs, format_, out, standalone, intervals, corrected, source, by, parts, times, protocols, metrics):
    """One table of several runs, or of published scores: dis5k.

    The layout is that of the DiffDIS paper's Table 2.

    ENTRY is a file of a leaderboard or the name of a method on DIS5K, BOARD a leaderboard's folder or name, TABLE a
    published table, as diffdis-table-3. Without any, the latest finished run of every method under ./runs.
    """
    if parts and not by:
        raise InputError("--parts needs --by")
    from disbench.report import format_of, render, write
    from disbench.report.inputs import results as read
    from disbench.report.inputs import sorted_out
    from disbench.runs import latest

    format_ = format_ or (format_of(out) if out else "markdown")
    if times and format_ != "html":
        raise InputError("--times: times stand in an HTML report alone; `disbench times` prints them side by side")
    if format_ == "xlsx" and not out:
        raise InputError("a workbook is no text to print: give --out FILE.xlsx")
    tables, found, named = sorted_out(map(titled, runs))
    results = read(named) if runs else latest(Path("runs"))
    results = [result.under(protocol) for result in results for protocol in protocols or [result.protocol]]
    options = {"standalone": standalone, "metrics": metrics, "intervals": intervals}
    options |= {"tables": tables, "entries": found, "corrected": corrected, "source": source}
    if times:
        from disbench.report.times import ruled

        options["times"] = ruled(results, times)
    if format_ == "html" and results:
        from disbench.report.publish import pictures, ranks

        options["cases"] = pictures(results)
        with shown_progress() as progress:
            options["ranks"] = ranks(results, progress)
    if by:
        if found or tables:
            raise InputError("--by: what is reported has no images to group; leave it or the entries away")
        from disbench.report.cuts import cut

        with shown_progress() as progress:
            results = cut(results, by, parts, progress)
    if out:
        write(out, results, format_, **options)
        click.echo(out)
    else:
        click.echo(render(results, format_, **options), nl=False)


@main.command()
@click.argument("runs", nargs=-1, metavar="[[TITLE=]RUN]...")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A .pdf, .png, .csv or .json file.")
@click.option("--split", metavar="SPLIT", help="A subset; Overall if not given and there, else the first.")
def curves(runs, out, split):
    """Curves of several runs: precision, recall, F and E.

    Precision against recall, F and E against the threshold, in one figure, or as data.

    Without RUN: the latest finished run of every method under ./runs.
    """
    from disbench.report.curves import write
    from disbench.runs import latest, load

    write(out, [load(folder, title) for title, folder in map(titled, runs)] or latest(Path("runs")), split)
    click.echo(out)


@main.command()
@click.argument("keys", required=False, shell_complete=metric_names)
@json_option
def metrics(keys, as_json):
    """List the measures; with KEYS, all about these.

    Symbol, direction, formula, reference, and the variants that complete a key.
    """
    from dataclasses import asdict

    from disbench.metrics.catalogue import MEASURES, METRICS, VARIANTS, chosen

    shown = [METRICS[key] for key in chosen(keys)] if keys else list(METRICS.values())
    if as_json:
        json([asdict(metric) for metric in shown])
        return
    if keys:
        for m in shown:
            click.echo(f"{m.key}: {m.symbol}, {m.direction} is better. {m.formula}. {m.reference}")
        return
    rows = [(m.name, " ".join(m.variants), m.symbol, m.direction, m.formula, m.reference) for m in MEASURES.values()]
    table(("key", "variants", "symbol", "better", "formula", "reference"), rows)
    for name, variant in VARIANTS.items():
        click.echo(f"{name}: {variant.meaning}")


def _waiting(share) -> None:
    click.echo(f"{share} is done; images of other shares are missing yet: whichever ends last has the result")


def _where(data, images, truth):
    if images is None and truth is None:
        return data
    if images is None or truth is None or data:
        raise InputError("give --data, or --images together with --truth")
    return images, truth


def _fail(message: str) -> None:
    click.echo(f"disbench: {printable(message)}", err=True)
    sys.exit(2)


for command in (
    cli_models.models,
    cli_doctor.doctor,
    cli_predict.predict,
    cli_data.data,
    cli_board.leaderboard,
    cli_board.submit,
    cli_board.compare,
    cli_board.check,
    cli_show.grid,
    cli_show.view,
    *cli_diffdis.COMMANDS,
    cli_time.time,
    cli_time.times,
):
    main.add_command(command)
