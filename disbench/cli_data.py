"""The commands `disbench data ...`: check, freeze and rank data sets."""

import sys
from pathlib import Path

import click

from disbench.console import json, table
from disbench.console import progress as shown_progress
from disbench.errors import InputError, printable
from disbench.options import data_options, json_option, shared


@click.group()
def data() -> None:
    """Check, freeze and rank data sets."""


@data.command()
@shared(*data_options)
@click.option("--against", type=click.Path(path_type=Path), help="A list that `disbench data freeze` wrote.")
def verify(data, split, against):
    """Find missing, extra, unreadable and wrongly sized files. Exit status 1 where it differs from --against."""
    from disbench.data import find
    from disbench.data.verify import differences, freeze, read_frozen, unreadable

    with shown_progress() as progress:
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

    with shown_progress() as progress:
        write_frozen(freeze(find(data, split or "all", progress=progress)), out)
    click.echo(out)


@data.command()
def clear_cache():
    """Remove what is kept of data sets. Skeletons, complexity, digests; found again where they are needed."""
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
    """How intricate masks are. The measures that rank DIS-TE1..4, for a folder."""
    from disbench.data.survey import link_parts, survey, write_csv

    if out and not parts:
        raise InputError("--out needs --parts")
    with shown_progress() as progress:
        rows = survey(folder, parts, progress)
    if csv_path:
        write_csv(rows, csv_path)
        click.echo(csv_path, err=True)
    if out:
        for part in link_parts(rows, folder, out):
            click.echo(part, err=True)
    if as_json:
        json(rows)
    elif not csv_path and not out:
        table(tuple(rows[0]), [tuple(f"{v:.2f}" if isinstance(v, float) else str(v) for v in r.values()) for r in rows])
