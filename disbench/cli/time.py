"""Commands that time models: time, times."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from disbench.cli.examples import format_examples
from disbench.cli.options import PATH, TEXT, add_options, data_options, input_option, json_option, model_options
from disbench.system.console import print_json, print_note, print_table, print_text
from disbench.system.progress import show_progress

if TYPE_CHECKING:
    from disbench.timing.record import Timing


@click.command(
    "time",
    epilog=format_examples(
        "disbench time --model otsu --quick",
        "disbench time --model isnet --weights isnet.pth --data DIS5K",
    ),
)
@add_options(*model_options, input_option, *data_options)
@click.option("--precision", type=TEXT, help="Short for --option precision=...")
@click.option("--size", type=TEXT, help="Short for --option size=..., the side in pixels that the network works at.")
@click.option(
    "--batch", type=click.IntRange(1), help="Batch size for throughput, next to 1. Default: 1, 2, 4 ... while faster."
)
@click.option("--seed", default=0, show_default=True, help="Decides which images are drawn.")
@click.option("--quick", is_flag=True, help="Quick look: 10 images and 1 second, at most 3 s a phase; marked as quick.")
@click.option(
    "--run", type=PATH, help="A scored run of the model; the timed maps must equal its maps."
)
@click.option(
    "--out", type=PATH, help="The new file. Default: timings/MODEL-DIGEST.json."
)
@json_option
def time(model, data, split, weights, options, inputs, precision, size, device, batch, seed, quick, run, out, as_json):
    """Time a model after a warm-up, on at least 100 images and for at least 10 seconds.

    Every value is kept. Exit status 1: an audit failed, so the times are not those of the scored maps.
    """
    from disbench.data.inputs import declare_inputs
    from disbench.data.location import find_dataset
    from disbench.errors import InputError
    from disbench.inference.model import load_model
    from disbench.runs.outputs import check_output, list_data_folders
    from disbench.runs.result import load_run
    from disbench.timing import record, rule
    from disbench.timing.measure import TimingRequest, time_model

    if out and out.exists():
        raise InputError(f"--out {out}: already exists, and timings are never overwritten; give another name")
    predictor_options = options | {key: value for key, value in (("precision", precision), ("size", size)) if value}
    request = TimingRequest(
        rule=rule.QUICK if quick else rule.FULL, batch=batch, run=load_run(run) if run else None, seed=seed
    )
    with show_progress() as progress:
        dataset = declare_inputs(find_dataset(data, split, progress=progress), inputs)
        check_output(out or Path("timings"), [*list_data_folders(dataset.location), *dataset.input_places])
        loaded = load_model(model, weights, device, **predictor_options)
        timing = time_model(loaded, dataset, request, progress)
    name = f"{loaded.name}-batch{batch}" if batch else loaded.name
    out = record.reserve_path(out or Path("timings") / f"{name}-{record.hash_timing(timing)}.json")
    try:
        record.write_timing(out, timing)
    except BaseException:
        out.unlink()  # the empty file
        raise
    if as_json:
        print_json(record.summarise_timing(timing) | {"file": str(out)})
    else:
        _print_timing(timing)
        click.echo(out)
    failed = [check for check, passed in timing.audit.items() if not passed]
    if failed:
        print_note(f"disbench: audit failed: {', '.join(failed)}")
        raise SystemExit(1)
    if batch and batch not in timing.throughput:
        raise InputError(
            f"--batch {batch}: too large for the memory of {loaded.device}, or for the model; "
            f"{out} was written without it"
        )


@click.command(epilog=format_examples("disbench times timings"))
@click.argument("files", nargs=-1, required=True, type=PATH)
@json_option
def times(files, as_json):
    """Compare timings, the fastest first. FILES are timings, or folders of timings.

    Timings that were taken under different conditions are refused.
    """
    from disbench.timing import record

    timings = record.read_timings(files)
    record.check_same_conditions(timings)
    ranked = dict(sorted(timings.items(), key=lambda item: item[1].spreads["whole"].p50))
    if as_json:
        print_json([record.summarise_timing(timing) | {"file": str(path)} for path, timing in ranked.items()])
        return
    head = ("model", "whole p50, ms", "p99", "infer p50, ms", "best images/s (batch)", "parameters, M", "GFLOPs")
    titles = [timing.title for timing in timings.values()]
    rows = []
    for path, timing in ranked.items():
        is_unique = titles.count(timing.title) == 1
        rows.append(_times_row(timing, timing.title if is_unique else f"{timing.title} ({path.name})"))
    print_table(head, rows)


def _times_row(timing: Timing, title: str) -> tuple[str, ...]:
    whole, infer = timing.spreads["whole"], timing.spreads["infer"]
    flops = "" if timing.flops is None else f"{timing.flops / 1e9:.1f}"
    size, rate = max(timing.throughput.items(), key=lambda item: item[1])
    latencies = [_milliseconds(seconds) for seconds in (whole.p50, whole.p99, infer.p50)]
    return (title, *latencies, f"{rate:.2f} ({size})", f"{timing.parameters / 1e6:.2f}", flops)


def _print_timing(timing: Timing) -> None:
    from disbench.timing.cost import list_products

    quick = ", quick: not for a report" if timing.quick else ""
    click.echo(f"{timing.title} on {timing.environment.get('gpu') or timing.environment['cpu']}{quick}")
    rows = []
    for stage, latency in timing.spreads.items():
        percentiles = [_milliseconds(seconds) for seconds in (latency.p50, latency.p90, latency.p99)]
        rows.append((stage, str(latency.n), *percentiles, str(latency.outliers), f"{latency.drift:.2f}"))
    print_table(("stage", "images", "p50, ms", "p90", "p99", "outliers", "drift"), rows)
    rates = ", ".join(f"{size}: {rate:.2f}" for size, rate in timing.throughput.items())
    print_text(f"images/s by batch (inference, first image): {rates}")
    above = timing.first_call - timing.spreads["whole"].p50
    print_text(f"first call, which compiles and tunes: {timing.first_call:.2f} s, {above:+.2f} s to the median")
    since = " since the process began" if "resident" in timing.memory else ""
    for kind, size in timing.memory.items():
        click.echo(f"peak {kind} memory{since}: {size / 2**20:.0f} MiB")
    if timing.flops is not None:
        missed = list_products(timing.uncounted)
        uncounted = f", {' and '.join(missed)} not counted" if missed else ""
        print_text(f"parameters: {timing.parameters / 1e6:.2f} M; {timing.flops / 1e9:.1f} GFLOPs per image{uncounted}")
    for check, passed in timing.audit.items():
        extent = f" ({timing.audited[check]})" if check in timing.audited else ""
        print_text(f"{check}: {'yes' if passed else 'NO'}{extent}")
    if timing.doubts:
        print_text(f"{', '.join(timing.doubts)}: time it again")


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.1f}"
