"""Commands on time: time, times."""

from pathlib import Path

import click

from disbench.cli.options import add_options, data_options, json_option, model_options
from disbench.system.console import print_json, print_table
from disbench.system.progress import show_progress


@click.command("time")
@add_options(*model_options, *data_options)
@click.option("--precision", help="Short for --option precision=...")
@click.option("--size", help="Short for --option size=..., the side in pixels that the network works at.")
@click.option("--batch", type=click.IntRange(1), help="Throughput at this size and 1; else at 1, 2, 4 ...")
@click.option("--seed", default=0, show_default=True, help="Which images are drawn.")
@click.option("--quick", is_flag=True, help="10 images and a second: a look, marked as such.")
@click.option("--run", type=click.Path(path_type=Path), help="A scored run whose maps the timed ones must equal.")
@click.option("--out", type=click.Path(path_type=Path), help="A new file; else timings/MODEL-DIGEST.json.")
@json_option
def time(model, data, split, weights, options, precision, size, device, batch, seed, quick, run, out, as_json):
    """Time a model. Warmed up, 100 images and 10 seconds at least, every value kept.

    Exit status 1: an audit failed, so the times are not those of the maps that were scored.
    """
    from disbench.data.location import find_dataset
    from disbench.errors import InputError
    from disbench.inference.model import load_model
    from disbench.runs.result import load_run
    from disbench.timing import record, rule, timing

    if out and out.exists():
        raise InputError(f"--out {out}: is there already, and no timing takes another's place; give another name")
    given = dict(options) | {k: v for k, v in (("precision", precision), ("size", size)) if v}
    scored = load_run(run) if run else None
    with show_progress() as progress:
        loaded = load_model(model, weights, device, **given)
        dataset = find_dataset(data, split, progress=progress)
        rule = rule.QUICK if quick else rule.FULL
        timed = timing.time_model(loaded, dataset, rule, batch, scored, seed, progress)
    name = f"{loaded.name}-batch{batch}" if batch else loaded.name
    out = out or record.next_free_path(Path("timings") / f"{name}-{record.hash_timing(timed)}.json")
    record.write_timing(out, timed)
    if as_json:
        print_json(record.summarise_timing(timed) | {"file": str(out)})
    else:
        _show(timed)
        click.echo(out)
    if failed := [what for what, held in timed.audit.items() if not held]:
        click.echo(f"disbench: audit failed: {', '.join(failed)}", err=True)
        raise SystemExit(1)
    if batch and batch not in timed.throughput:
        raise InputError(f"--batch {batch}: does not fit into the memory of {loaded.device}; {out} is without it")


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
def times(files, as_json):
    """Put timings side by side, the fastest first. Files, or all in folders; refuses those of other conditions."""
    from disbench.timing import record

    found = record.read_timings(files)
    record.check_same_conditions(found)
    ranked = sorted(found.items(), key=lambda one: one[1].spreads["whole"].p50)
    if as_json:
        print_json([record.summarise_timing(timed) | {"file": str(path)} for path, timed in ranked])
        return
    head = ("model", "whole p50, ms", "p99", "infer p50, ms", "best images/s (batch)", "parameters, M", "GFLOPs")
    rows = []
    titles = [timed.title for timed in found.values()]
    for path, timed in ranked:
        title = timed.title if titles.count(timed.title) == 1 else f"{timed.title} ({path.name})"
        whole, infer = timed.spreads["whole"], timed.spreads["infer"]
        flops = "" if timed.flops is None else f"{timed.flops / 1e9:.1f}"
        size, best = max(timed.throughput.items(), key=lambda one: one[1])
        ms = (f"{1000 * x:.1f}" for x in (whole.p50, whole.p99, infer.p50))
        rows.append((title, *ms, f"{best:.2f} ({size})", f"{timed.parameters / 1e6:.2f}", flops))
    print_table(head, rows)


def _show(timed) -> None:
    from disbench.timing.cost import list_products

    quick = ", quick: not for a report" if timed.quick else ""
    click.echo(f"{timed.title} on {timed.environment.get('gpu') or timed.environment['cpu']}{quick}")
    head = ("stage", "images", "p50, ms", "p90", "p99", "outliers", "drift")
    spreads = timed.spreads.items()
    print_table(
        head,
        [
            (k, str(s.n), *(f"{1000 * x:.1f}" for x in (s.p50, s.p90, s.p99)), str(s.outliers), f"{s.drift:.2f}")
            for k, s in spreads
        ],
    )
    rates = ", ".join(f"{size}: {rate:.2f}" for size, rate in timed.throughput.items())
    click.echo(f"images/s by batch (inference, first image): {rates}")
    above = timed.first_call - timed.spreads["whole"].p50
    click.echo(f"first call, which compiles and tunes: {timed.first_call:.2f} s, {above:+.2f} s to the median")
    since = " since the process began" if "resident" in timed.memory else ""
    for kind, size in timed.memory.items():
        click.echo(f"peak {kind} memory{since}: {size / 2**20:.0f} MiB")
    if timed.flops is not None:
        missed = list_products(timed.uncounted)
        rest = f", {' and '.join(missed)} not counted" if missed else ""
        click.echo(f"parameters: {timed.parameters / 1e6:.2f} M; {timed.flops / 1e9:.1f} GFLOPs an image{rest}")
    for what, held in timed.audit.items():
        click.echo(f"{what}: {'yes' if held else 'NO'}")
    if timed.doubts:
        click.echo(f"{', '.join(timed.doubts)}: time it again")
