"""The commands `disbench data ...`: check, freeze and rank data sets."""

import sys
from pathlib import Path

import click

from disbench.cli.options import add_options, data_options, json_option
from disbench.errors import InputError, escape_control_chars
from disbench.system.console import print_json, print_table
from disbench.system.progress import show_progress


@click.group()
def data() -> None:
    """Check, freeze and rank data sets."""


@data.command()
@add_options(*data_options)
@click.option("--against", type=click.Path(path_type=Path), help="A list that `disbench data freeze` wrote.")
def verify(data, split, against):
    """Find missing, extra, unreadable and wrongly sized files. Exit status 1 where it differs from --against.

    Every file is read, and its digest forgotten where one was kept, so that the next run reads it as well.
    """
    from disbench.data.location import find_dataset
    from disbench.data.verify import find_unreadable, freeze_dataset, list_differences, read_frozen

    with show_progress() as progress:
        dataset = find_dataset(data, split or "all", progress=progress)
        faults = find_unreadable(dataset, progress)
        if against:
            faults += list_differences(read_frozen(against), freeze_dataset(dataset))
    for name, samples in dataset.splits.items():
        click.echo(f"{dataset.title} {name}: {len(samples)} images, paired, of equal sizes")
    for fault in faults:
        click.echo(escape_control_chars(fault), err=True)
    click.echo("differs" if faults else "whole and readable" + (", and the same" if against else ""))
    sys.exit(1 if faults else 0)


@data.command()
@add_options(*data_options)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The list to write (JSON).")
def freeze(data, split, out):
    """Write the digest of every file, to compare other copies with."""
    from disbench.data.location import find_dataset
    from disbench.data.verify import freeze_dataset, write_frozen

    with show_progress() as progress:
        write_frozen(freeze_dataset(find_dataset(data, split or "all", progress=progress)), out)
    click.echo(out)


@data.command()
def clear_cache():
    """Remove what is kept of data sets. Skeletons, complexity, digests; found again where they are needed."""
    from disbench.data.truth_cache import truth_cache_folder
    from disbench.system.caches import clear_caches

    files, size = clear_caches()
    click.echo(f"{truth_cache_folder().parent}: removed {files:,} files, {size / 1e6:.1f} MB")


@data.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--parts", type=click.IntRange(2), help="Also cut into equal parts, from simple to complex.")
@click.option("--out", type=click.Path(path_type=Path), help="With --parts: link each part's files into a folder here.")
@click.option("--csv", "csv_path", type=click.Path(path_type=Path), help="Write every image's numbers here.")
@json_option
def complexity(folder, parts, out, csv_path, as_json):
    """How intricate masks are. The measures that rank DIS-TE1..4, for a folder."""
    from disbench.data.survey import link_groups, survey_complexity, write_survey

    if out and not parts:
        raise InputError("--out needs --parts")
    with show_progress() as progress:
        rows = survey_complexity(folder, parts, progress)
    if csv_path:
        write_survey(rows, csv_path)
        click.echo(csv_path, err=True)
    if out:
        for part in link_groups(rows, folder, out):
            click.echo(part, err=True)
    if as_json:
        print_json(rows)
    elif not csv_path and not out:
        print_table(tuple(rows[0]), [tuple(f"{v:.2f}" if isinstance(v, float) else str(v) for v in r.values()) for r in rows])
