"""The command line: parse, call, print."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from disbench import __version__
from disbench.errors import InputError, printable
from disbench.options import KeyValue, data_options, json_option, metrics_option, protocol_option, shared

KEPT = "what is done is kept, the same command goes on"
RESUMABLE = ("run", "score", "train")
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
@click.option("--option", "options", multiple=True, type=KeyValue(), help="One of the model's own, NAME=VALUE.")
@click.option("--device", help="cpu, cuda, cuda:1, mps; the best there is if not given.")
@click.option("--out", default="runs", show_default=True, type=click.Path(path_type=Path), help="Where runs are kept.")
@click.option("--save/--no-save", default=True, help="Keep the maps (the grid needs them).")
@click.option("--workers", type=click.IntRange(0), help="Threads that decode and measure beside the device.")
@click.option("--alone", is_flag=True, help="On DIS-Mini: without the reference rows.")
@shared(protocol_option("pysod"), metrics_option, json_option)
def run(
    model, data, split, images, truth, weights, options, device, out, save, workers, alone, protocols, metrics, as_json
):
    """Evaluate a model; goes on where it was stopped."""
    from disbench import evaluate
    from disbench.data import find
    from disbench.models import card
    from disbench.report.publish import publish

    card(model)  # an unknown name is told before any work
    with _progress() as progress:
        dataset = find(_where(data, images, truth), split, progress=progress)
        if dataset.is_mini:
            click.echo(f"On {dataset.title}: give --data DIS5K for the real thing.", err=True)
        where_and_how = (out, save, workers, progress, ",".join(protocols), metrics)
        beside = dataset.is_mini and not alone
        results = evaluate.run_references(model, dataset, weights, device, *where_and_how) if beside else []
        results.append(evaluate.run_model(model, dataset, weights, device, dict(options), *where_and_how))
    results = [result.under(protocol) for result in results for protocol in protocols]
    paths = publish(results, metrics)
    _show(results, metrics, as_json)
    if not as_json:
        for kind, path in paths.items():
            click.echo(f"{kind}: {path}")
        if len(paths) < 3:
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
    with _progress() as progress:
        results = []
        for argument in maps:
            title, folder = _titled(argument)
            title = title or folder.resolve().name
            results += evaluate.score_folder(
                title, folder, split, where, out, workers, progress, ",".join(protocols), metrics
            )
    if per_image:
        write_images(per_image, results, metrics)
    _show(results, metrics, as_json)


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

        with _progress() as progress:
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
def models(as_json):
    """List the registered models."""
    from disbench.models import STATUSES, cards

    known = cards().values()
    if as_json:
        _json(
            [
                {
                    "name": c.name,
                    "title": c.title,
                    "status": c.status,
                    "summary": c.summary,
                    "paper": c.paper,
                    "weights": c.weights,
                }
                for c in known
            ]
        )
        return
    rows = [(c.name, c.title, c.paper.get("venue", ""), c.status, c.summary) for c in known]
    _table(("name", "title", "venue", "status", "what it is"), rows)
    for status, meaning in STATUSES.items():
        click.echo(f"{status}: {meaning}")
    for c in known:
        for one in c.weights:
            if "url" in one:
                click.echo(f"{c.title}, weights {one['name']!r}: {one['url']} {one.get('manual', '')}")


@main.command()
@json_option
def metrics(as_json):
    """List the measures: symbol, direction, formula, reference, and the variants that complete a key, as in f_max."""
    from dataclasses import asdict

    from disbench.metrics.catalogue import MEASURES, METRICS, VARIANTS

    if as_json:
        _json([asdict(metric) for metric in METRICS.values()])
        return
    rows = [(m.name, " ".join(m.variants), m.symbol, m.direction, m.formula, m.reference) for m in MEASURES.values()]
    _table(("key", "variants", "symbol", "better", "formula", "reference"), rows)
    for name, variant in VARIANTS.items():
        click.echo(f"{name}: {variant.meaning}")


@main.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--data", metavar="DIR", help="DIS5K, or 'mini'. Else $DISBENCH_DATA, ./DIS5K, mini.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Checkpoints and the log; resumes from them."
)
@click.option("--device", help="cpu, cuda, cuda:1, mps; the best there is if not given.")
def train(recipe, data, out, device):
    """Train DiffDIS by a recipe (a TOML file)."""
    try:
        from disbench.models.diffdis.train import main as train_main
    except ModuleNotFoundError as error:
        raise InputError(f"training needs {error.name}; pip install 'disbench[train]'") from None

    with _progress() as progress:
        train_main(recipe, data, out, device, progress, lambda line: click.echo(line, err=True))


@main.command()
@click.option("--weights", required=True, metavar="FILE|DIR|ID", help="DiffDIS', as `disbench run` takes them.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder to write.")
@click.option("--base", metavar="DIR|ID", help="Stable Diffusion 2.1 or SD-Turbo, for its VAE and text encoder.")
def export(weights, out, base):
    """Write DiffDIS' weights as a diffusers folder, whose unet/ the authors' scripts read."""
    try:
        from disbench.models.diffdis import weights as diffdis
    except ModuleNotFoundError as error:
        raise InputError(f"export needs {error.name}; pip install 'disbench[models]'") from None

    diffdis.export(diffdis.load(weights, base or diffdis.BASE), out, base)
    click.echo(out)


@main.group()
def data() -> None:
    """Check, freeze and rank data sets."""


@data.command()
@shared(*data_options)
@click.option("--against", type=click.Path(path_type=Path), help="A list that `disbench data freeze` wrote.")
def verify(data, split, against):
    """Find every missing, extra, unreadable or wrongly sized file. Exit status 1 where it differs from --against."""
    from disbench.data import find
    from disbench.data.verify import differences, freeze, read_frozen, unreadable

    with _progress() as progress:
        dataset = find(data, split or "all", progress=progress)
        faults = unreadable(dataset, progress)
        if against:
            faults += differences(read_frozen(against), freeze(dataset))
    for name, samples in dataset.splits.items():
        click.echo(f"{dataset.title} {name}: {len(samples)} images, paired, of equal sizes")
    for fault in faults:
        click.echo(printable(fault), err=True)
    click.echo("differs" if faults else "whole and readable" + (", and the same" if against else ""))
    sys.exit(1 if faults else 0)


@data.command()
@shared(*data_options)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The list to write (JSON).")
def freeze(data, split, out):
    """Write the digest of every file, to compare other copies with."""
    from disbench.data import find
    from disbench.data.verify import freeze, write_frozen

    with _progress() as progress:
        write_frozen(freeze(find(data, split or "all", progress=progress)), out)
    click.echo(out)


@data.command()
def clear_cache():
    """Remove what is kept about ground truths: skeletons, complexity. It is found again where it is needed."""
    from disbench.data.truths import cache, clear

    files, size = clear()
    click.echo(f"{cache().parent}: removed {files:,} files, {size / 1e6:.1f} MB")


@data.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--parts", type=click.IntRange(2), help="Also cut into equal parts, from simple to complex.")
@click.option("--out", type=click.Path(path_type=Path), help="With --parts: link each part's files into a folder here.")
@click.option("--csv", "csv_path", type=click.Path(path_type=Path), help="Write every image's numbers here.")
@json_option
def complexity(folder, parts, out, csv_path, as_json):
    """How intricate the masks of a folder are: the measures that rank DIS-TE1..4."""
    from disbench.data.survey import link_parts, survey, write_csv

    if out and not parts:
        raise InputError("--out needs --parts")
    with _progress() as progress:
        rows = survey(folder, parts, progress)
    if csv_path:
        write_csv(rows, csv_path)
        click.echo(csv_path, err=True)
    if out:
        for part in link_parts(rows, folder, out):
            click.echo(part, err=True)
    if as_json:
        _json(rows)
    elif not csv_path and not out:
        _table(
            tuple(rows[0]), [tuple(f"{v:.2f}" if isinstance(v, float) else str(v) for v in r.values()) for r in rows]
        )


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


def _show(results, metrics: tuple[str, ...] | None, as_json: bool) -> None:
    if as_json:
        _json(
            [
                {
                    "run": str(r.folder),
                    "title": r.title,
                    "dataset": r.dataset,
                    "protocol": r.protocol,
                    "size": r.size,
                    "signature": r.signature,
                    "scores": r.scores(metrics),
                }
                for r in results
            ]
        )
        return
    from disbench.report.terminal import show

    show(results, metrics)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*head, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*map(Text, row))  # Text: names from outside are not markup
    Console().print(table)


def _json(value) -> None:
    import json

    click.echo(json.dumps(value, indent=1, ensure_ascii=False))


def _fail(message: str) -> None:
    click.echo(f"disbench: {printable(message)}", err=True)
    sys.exit(2)


@contextmanager
def _progress() -> Iterator:
    """A function (done, total, what) that draws a bar with the time left per `what`; nothing when piped."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks = {}

        def progress(done: int, total: int, what: str) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield progress
