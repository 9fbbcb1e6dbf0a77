"""The command line: parse, call, print."""

import sys
from pathlib import Path

import click

from disbench import __version__, cli_data, cli_diffdis, cli_models
from disbench.console import json, show, table
from disbench.console import progress as shown_progress
from disbench.errors import InputError, printable
from disbench.options import KeyValue, data_options, json_option, metrics_option, protocol_option, shared

KEPT = "what is done is kept, the same command goes on"
RESUMABLE = ("run", "score", "train", "ablate")
CUTS = ("complexity", "size", "category")
FORMATS = ("html", "latex", "markdown", "csv")


class Commands(click.Group):
    """Turns what a user can mend into one line and exit status 2; an interruption into 130."""

    def invoke(self, ctx: click.Context):
        try:
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
            _fail(f"out of memory{_kept(ctx)}; fewer --workers need less")
        except KeyboardInterrupt:
            click.echo(f"\ninterrupted{_kept(ctx)}", err=True)
            sys.exit(130)


def _kept(ctx: click.Context) -> str:
    return f"; {KEPT}" if ctx.invoked_subcommand in RESUMABLE else ""


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="disbench")
def main() -> None:
    """Exact, comparable scores for high-precision dichotomous image segmentation."""


@main.command()
@click.option("--model", default="diffdis", show_default=True, help="A name from `disbench models`.")
@shared(*data_options)
@click.option("--images", type=click.Path(path_type=Path), help="With --truth: a data set of two folders.")
@click.option("--truth", type=click.Path(path_type=Path), help="With --images: the ground truths.")
@click.option("--weights", metavar="FILE|DIR|ID", help="A checkpoint or a Hugging Face id; 'untrained' for none.")
@click.option(
    "--maps", type=click.Path(path_type=Path), help="Published maps in the model's place: DIR/DIS-TE1/*.png ..."
)
@click.option("--option", "options", multiple=True, type=KeyValue(), help="One of the model's own, NAME=VALUE.")
@click.option("--device", help="cpu, cuda, cuda:1, mps; the best there is if not given.")
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
    with shown_progress() as progress:
        common = (progress, ",".join(protocols), metrics)
        if maps:
            title = f"{chosen.title}, maps"
            results = evaluate.score_folder(title, maps, split, where, out, workers, *common)
        else:
            dataset = find(where, split, progress=progress)
            if dataset.is_mini:
                click.echo(f"On {dataset.title}: give --data DIS5K for the real thing.", err=True)
            common = (out, save, workers, *common)
            beside = dataset.is_mini and not alone
            results = evaluate.run_references(model, dataset, weights, device, *common) if beside else []
            results.append(evaluate.run_model(model, dataset, weights, device, dict(options), *common))
            results = [result.under(protocol) for result in results for protocol in protocols]
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
@click.option("--per-image", type=click.Path(path_type=Path), help="Write every image's scores here (.csv, .parquet).")
@shared(protocol_option("pysod"), metrics_option, json_option)
def score(maps, data, split, truth, out, workers, per_image, protocols, metrics, as_json):
    """Score folders of saved maps, whole subsets or not at all."""
    from disbench import evaluate
    from disbench.report.images import check_suffix, write_images

    if per_image:
        check_suffix(per_image)
    where = (None, truth) if truth else data
    with shown_progress() as progress:
        results = []
        for argument in maps:
            title, folder = _titled(argument)
            title = title or folder.resolve().name
            results += evaluate.score_folder(
                title, folder, split, where, out, workers, progress, ",".join(protocols), metrics
            )
    if per_image:
        write_images(per_image, results, metrics)
    show(results, metrics, as_json)


@main.command()
@click.argument("runs", nargs=-1, metavar="[[TITLE=]RUN]...")
@click.option("--format", "format_", type=click.Choice(FORMATS), help="By --out's suffix if not given, else markdown.")
@click.option("--out", type=click.Path(path_type=Path), help="A file; standard output if not given.")
@click.option("--standalone", is_flag=True, help="LaTeX: a document of its own, to compile as it is.")
@click.option("--by", type=click.Choice(CUTS), help="Group the images of all subsets by this.")
@click.option("--parts", type=click.IntRange(2), help="With --by complexity or size: so many equal parts; 4 else.")
@shared(protocol_option(None), metrics_option)
def report(runs, format_, out, standalone, by, parts, protocols, metrics):
    """One table of several runs, in the layout of the DiffDIS paper's Table 2.

    Without RUN: the latest finished run of every method under ./runs.
    """
    if parts and not by:
        raise InputError("--parts needs --by")
    from disbench.report import format_of, render, write
    from disbench.runs import latest, load

    format_ = format_ or (format_of(out) if out else "markdown")
    results = [load(folder, title) for title, folder in map(_titled, runs)] or latest(Path("runs"))
    results = [result.under(protocol) for result in results for protocol in protocols or [result.protocol]]
    options = {"standalone": standalone, "metrics": metrics}
    if format_ == "html":
        from disbench.report.publish import pictures

        options["cases"] = pictures(results)
    if by:
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
    """Precision against recall, F and E against the threshold, of several runs in one figure, or as data.

    Without RUN: the latest finished run of every method under ./runs.
    """
    from disbench.report.curves import write
    from disbench.runs import latest, load

    write(out, [load(folder, title) for title, folder in map(_titled, runs)] or latest(Path("runs")), split)
    click.echo(out)


@main.command()
@json_option
def metrics(as_json):
    """List the measures: symbol, direction, formula, reference, and the variants that complete a key, as in f_max."""
    from dataclasses import asdict

    from disbench.metrics.catalogue import MEASURES, METRICS, VARIANTS

    if as_json:
        json([asdict(metric) for metric in METRICS.values()])
        return
    rows = [(m.name, " ".join(m.variants), m.symbol, m.direction, m.formula, m.reference) for m in MEASURES.values()]
    table(("key", "variants", "symbol", "better", "formula", "reference"), rows)
    for name, variant in VARIANTS.items():
        click.echo(f"{name}: {variant.meaning}")


def _titled(argument: str) -> tuple[str | None, Path]:
    """TITLE=DIR or DIR; a folder that has a = in its name is a folder."""
    title, equals, folder = argument.partition("=")
    return (None, Path(argument)) if not equals or Path(argument).is_dir() else (title, Path(folder))


def _where(data, images, truth):
    if images is None and truth is None:
        return data
    if images is None or truth is None or data:
        raise InputError("give --data, or --images together with --truth")
    return images, truth


def _fail(message: str) -> None:
    click.echo(f"disbench: {printable(message)}", err=True)
    sys.exit(2)


for command in (cli_models.models, cli_data.data, *cli_diffdis.COMMANDS):
    main.add_command(command)
