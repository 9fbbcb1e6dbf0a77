"""The commands that score: run, score."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from disbench.cli.console import print_next_step, print_results
from disbench.cli.examples import format_examples
from disbench.cli.options import (
    PATH,
    add_options,
    data_options,
    engine_options,
    input_option,
    json_option,
    metrics_option,
    model_options,
    open_engine,
    out_option,
    parse_titled_path,
    protocol_option,
    shard_option,
    truth_options,
)
from disbench.errors import InputError, describe_error
from disbench.system.console import print_json, print_note
from disbench.system.progress import show_progress

if TYPE_CHECKING:
    from disbench.runs.result import Result


@click.command(
    epilog=format_examples(
        "disbench run --model otsu --data my-images",
        "disbench run --model isnet --weights isnet.pth --data DIS5K --split DIS-VD",
    ),
)
@add_options(*model_options, input_option, *data_options)
@click.option("--images", type=PATH, help="Images, apart from ground truths. Needs --truth.")
@click.option("--truth", type=PATH, help="Ground truths, apart from images. Needs --images.")
@add_options(*truth_options)
@click.option(
    "--maps", type=PATH, help="Score published maps of the model: DIR/DIS-TE1/*.png ..."
)
@shard_option
@add_options(*engine_options)
@out_option
@click.option("--save/--no-save", default=None, help="Keep the maps; grid and view need them. Default: --save.")
@click.option(
    "--workers",
    type=click.IntRange(0),
    help="Threads. A network on the CPU computes as many images at once; otherwise they decode and measure. Default: "
    "one per core; for a network of your own on the CPU, 0.",
)
@click.option("--alone", is_flag=True, help="On DIS-Mini, skip the baseline rows.")
@click.option(
    "--references",
    type=click.Choice(["default", "all"]),
    default="default",
    help="On DIS-Mini, the baseline rows; all adds the network untrained.",
)
@add_options(protocol_option("pysod"), metrics_option, json_option)
def run(
    model,
    data,
    split,
    images,
    truth,
    truth_kind,
    trimaps,
    weights,
    maps,
    options,
    inputs,
    device,
    shard,
    engine,
    address,
    out,
    save,
    workers,
    alone,
    references,
    protocols,
    metrics,
    as_json,
):
    """Evaluate a model. The same command resumes where it was stopped.

    Ends with a table of scores, an HTML report, a LaTeX table and a qualitative grid.
    """
    from disbench.data.inputs import declare_inputs
    from disbench.data.location import find_dataset
    from disbench.data.soft_truths import declare_truths
    from disbench.metrics.pixel_metrics import needs_images
    from disbench.registry.loading import check_weights, get_card
    from disbench.reports.publish import publish_run
    from disbench.runs.execute import LEARNED, evaluate, evaluate_maps, list_references
    from disbench.runs.spec import MapsSpec, ModelSpec, RunConfig
    from disbench.runs.warmup import compile_ahead

    card = get_card(model)  # an unknown model or missing weights are reported before any work
    if not maps:
        check_weights(card, weights)
    elif weights or options or device or inputs:
        raise InputError("--maps takes the model's place: omit --weights, --option, --input and --device")
    elif save or alone or references == "all":
        raise InputError("--maps: the maps are there, and no baselines are run: omit --save, --alone and --references")
    if alone and references == "all":
        raise InputError("--alone skips the baseline rows, and --references all adds some; give one of them")
    compared = []  # a model and the network that it is shown next to
    location = _resolve_data_options(data, images, truth)
    measures = _parse_measures(protocols, metrics)
    config = RunConfig(out=out, save_maps=save is not False and not maps, workers=workers, shard=shard)
    spec = ModelSpec(name=model, weights=weights, device=device, options=options)
    with compile_ahead(measures), show_progress() as progress, open_engine(engine, address) as computes:
        more = {"engine": computes, "progress": progress}
        if maps:
            dataset = find_dataset(location, split, images=needs_images(measures.metrics), progress=progress)
            dataset = declare_truths(dataset, truth_kind, trimaps)
            saved = MapsSpec(title=f"{card.title}, maps", folder=maps)
            results = evaluate_maps(saved, dataset, measures, config, **more)
        else:
            dataset = declare_truths(find_dataset(location, split, progress=progress), truth_kind, trimaps)
            dataset = declare_inputs(dataset, inputs)
            if dataset.is_mini:
                print_note(f"On {dataset.title}: give --data DIS5K for the real thing.")
            shown = []
            if dataset.is_mini and not alone:
                shown = list_references(spec, with_untrained=references == "all")
            # The model first: faults of its weights or options are reported before the references take a minute.
            results = [evaluate(spec, dataset, measures, config, **more)]
            for reference in shown:
                fitting = dataset if reference.name == model else replace(dataset, inputs={})
                results.insert(-1, evaluate(reference, fitting, measures, config, **more))
            if shown and shown[-1].name == LEARNED:
                compared = results[-2:]
            if all(results):
                results = [result.with_protocol(name) for result in results for name in protocols]
    if not all(results):
        _report_shard(shard, as_json)
        return
    paths, fault = {}, None
    try:
        paths = publish_run(results, metrics)
    except (InputError, OSError) as error:  # the scores are printed all the same
        fault = describe_error(error).partition(";")[0]  # without advice, which is about new runs
    print_results(results, metrics, as_json)
    if fault:
        folder = results[-1].folder
        raise InputError(f"{folder}: complete, but without a report ({fault}); mend that, and repeat the command")
    if not as_json:
        if compared:
            _print_difference(compared, metrics)
        for kind, path in paths.items():
            click.echo(f"{kind}: {path}")
        if len(paths) < 3 and not maps:
            click.echo("No qualitative grid: it needs the maps, which --save keeps")
        print_next_step(results, ["view", "--out", "view"] if config.save_maps else ["curves", "--out", "curves.pdf"])


def _print_difference(results: Sequence["Result"], metrics: tuple[str, ...] | None) -> None:
    """Print how a model differs from a reference on all images, with intervals and tests."""
    from disbench.reports.terminal import print_comparison
    from disbench.runs.result import common_subsets
    from disbench.stats.compare import compare
    from disbench.stats.resample import RESAMPLES, SEED

    print_comparison(compare(results, metrics, common_subsets(results)[-1]), RESAMPLES, SEED)


@click.command(
    epilog=format_examples(
        "disbench score maps/mine --truth my-images/gt",
        "disbench score Mine=maps/mine Theirs=maps/theirs --data DIS5K",
        "disbench score maps/mine --protocol pysod,diffdis --per-image each.csv",
    ),
)
@click.argument("maps", nargs=-1, required=True, metavar="[TITLE=]DIR...")
@add_options(*data_options)
@click.option("--truth", type=PATH, help="A folder of ground truths, instead of --data.")
@click.option("--images", type=PATH, help="Their images, for camouflage_context. Needs --truth.")
@add_options(*truth_options)
@out_option
@click.option("--workers", type=click.IntRange(0), help="Threads that decode and measure. Default: one per core.")
@click.option("--save", is_flag=True, help="Keep a copy of the maps in the run; grid and view need them.")
@shard_option
@add_options(*engine_options)
@click.option("--per-image", type=PATH, help="Write scores of each image here (.csv, .parquet).")
@add_options(protocol_option("pysod"), metrics_option, json_option)
def score(
    maps,
    data,
    split,
    truth,
    images,
    truth_kind,
    trimaps,
    out,
    workers,
    save,
    shard,
    engine,
    address,
    per_image,
    protocols,
    metrics,
    as_json,
):
    """Score folders of saved maps, whole subsets or not at all.

    A DIR has the maps of one method, in a folder for each split, or directly. It may be a zip file.
    """
    from disbench.data.location import find_dataset
    from disbench.data.soft_truths import declare_truths
    from disbench.inference.map_archive import name_maps
    from disbench.metrics.pixel_metrics import needs_images
    from disbench.reports.images import check_per_image_path, write_per_image
    from disbench.runs.execute import evaluate_maps
    from disbench.runs.outputs import check_output, list_data_folders
    from disbench.runs.spec import MapsSpec, RunConfig
    from disbench.system.memory import keep_freed_memory

    keep_freed_memory()
    if per_image:
        check_per_image_path(per_image)
    if truth and data:
        raise InputError("--truth takes the place of --data: omit one of them")
    if images and not truth:
        raise InputError("--images needs --truth; --data has images of its own")
    methods = [(title or name_maps(folder), folder) for title, folder in map(parse_titled_path, maps)]
    titles = [title for title, _ in methods]
    if duplicates := {title for title in titles if titles.count(title) > 1}:  # reported before any work
        raise InputError(f"two folders are called {duplicates.pop()!r}; give each a title of its own: TITLE=DIR")
    measures = _parse_measures(protocols, metrics)
    config = RunConfig(out=out, save_maps=save, workers=workers, shard=shard)
    with show_progress() as progress, open_engine(engine, address) as computes:
        location = (images, truth) if truth else data
        dataset = find_dataset(location, split, images=needs_images(measures.metrics), progress=progress)
        dataset = declare_truths(dataset, truth_kind, trimaps)
        inputs = [*list_data_folders(dataset.location), trimaps, *(folder for _, folder in methods)]
        check_output(out, inputs)
        if per_image:
            check_output(per_image, inputs, "--per-image")
        results = []
        for title, folder in methods:
            saved = MapsSpec(title=title, folder=folder)
            results += evaluate_maps(saved, dataset, measures, config, engine=computes, progress=progress)
    if not all(results):
        _report_shard(shard, as_json)
        return
    if per_image:
        write_per_image(per_image, results, metrics)
    print_results(results, metrics, as_json)
    if not as_json:
        protocol = ["--protocol", protocols[0]] if len(protocols) > 1 else []
        step = ["compare", *protocol] if len(methods) > 1 else ["report", "--out", "report.html"]
        print_next_step(results, step)


def _parse_measures(protocols, metrics):
    from disbench.runs.spec import MeasureSpec

    return MeasureSpec.parse(",".join(protocols), metrics)


def _report_shard(shard, as_json) -> None:
    text = "is finished. Other shards are still missing; the process that ends last has the result."
    text = f"{str(shard).capitalize()} {text}"
    if as_json:
        print_json([])
        print_note(text)
    else:
        click.echo(text)


def _resolve_data_options(data, images, truth):
    if images is None and truth is None:
        return data
    if images is None or truth is None or data:
        raise InputError("give --data, or --images together with --truth")
    return images, truth
