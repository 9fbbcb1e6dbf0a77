"""The commands `disbench data ...`: check, freeze and rank data sets."""

import sys

import click

from disbench.cli.examples import format_examples
from disbench.cli.options import PATH, add_options, data_options, json_option
from disbench.errors import InputError, escape_control_chars
from disbench.system.console import print_json, print_note, print_table, print_text
from disbench.system.progress import show_progress


class DataCommands(click.Group):
    """A group that takes the name of a published data set as `show` with that name."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple:
        """Resolve a command, or the name of a published data set."""
        from disbench.data.known import find_known

        is_name = self.get_command(ctx, args[0]) is None and find_known(args[0])
        return super().resolve_command(ctx, ["show", *args] if is_name else args)


@click.group(
    cls=DataCommands,
    epilog=format_examples("disbench data DIS5K", "disbench data verify --data my-images"),
)
def data() -> None:
    """Check, freeze, rank and look up data sets. `data NAME` is `data show NAME`."""


@data.command(
    epilog=format_examples(
        "disbench data verify --data DIS5K",
        "disbench data verify --data DIS5K --against dis5k.json",
    ),
)
@add_options(*data_options)
@click.option("--against", type=PATH, help="A list that `disbench data freeze` wrote.")
def verify(data, split, against):
    """Find missing, extra, unreadable and wrongly sized files.

    Exit status 1 for unreadable files, and where the data differ from --against. Every image and ground truth is read,
    whatever the caches hold; those of parquet files as they were extracted.
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
        print_note(escape_control_chars(fault))
    if faults:
        click.echo("differs" if against else "damaged")
        sys.exit(1)
    click.echo("whole and readable, and the same" if against else "whole and readable")


@data.command(epilog=format_examples("disbench data freeze --data DIS5K --out dis5k.json"))
@add_options(*data_options)
@click.option("--out", required=True, type=PATH, help="The list to write (JSON).")
def freeze(data, split, out):
    """Write the digest of every file, to compare other copies with."""
    from disbench.data.location import find_dataset
    from disbench.data.verify import freeze_dataset, write_frozen
    from disbench.runs.outputs import check_output, list_data_folders

    with show_progress() as progress:
        dataset = find_dataset(data, split or "all", progress=progress)
        check_output(out, list_data_folders(dataset.location))
        write_frozen(freeze_dataset(dataset), out)
    click.echo(out)


@data.command("list", epilog=format_examples("disbench data list", "disbench data list --json"))
@json_option
def list_sets(as_json):
    """List published data sets."""
    from disbench.data.known import list_known

    if as_json:
        print_json([_describe_set(name, facts) for name, facts in list_known().items()])
        return
    rows = [
        (name, facts.task, "; ".join(map(_describe_split, facts.splits)), facts.truth_kind)
        for name, facts in list_known().items()
    ]
    print_table(("name", "task", "images", "truths"), rows)
    print_text("?: not known. `disbench data show NAME` prints layout, licence, paper and where to get it.")


@data.command(epilog=format_examples("disbench data show DIS5K", "disbench data show COD10K --json"))
@click.argument("name")
@json_option
def show(name, as_json):
    """Show a published data set, and how to get it.

    NAME is that of the data set or of one of its splits, in any case.
    """
    from disbench.data.known import get_known

    title, facts = get_known(name)
    if as_json:
        print_json(_describe_set(title, facts))
        return
    lines = {
        "name": title,
        "task": facts.task,
        "images": "; ".join(map(_describe_split, facts.splits)) + (f"; {facts.total:,} in all" if facts.total else ""),
        "truths": facts.truth_kind,
        "layout": facts.layout,
        "licence": facts.licence,
        "paper": facts.citation,
        "doi": facts.doi and f"https://doi.org/{facts.doi}",
        "get it from": facts.homepage,
        "facts from": ", ".join(facts.sources),
    }
    for key, value in lines.items():
        print_text(f"{key}: {value or '(unknown)'}")


def _describe_split(split):
    return f"{split.name} {'?' if split.count is None else f'{split.count:,}'}"


def _describe_set(name, facts):
    import msgspec

    return {"name": name, **msgspec.to_builtins(facts)}


@data.command(epilog=format_examples("disbench data clear-cache"))
def clear_cache():
    """Remove cached kernels, digests, facts and extracted files."""
    from disbench.system.caches import cache_root, clear_caches

    files, size = clear_caches()
    click.echo(f"{cache_root()}: removed {files:,} files, {size / 1e6:.1f} MB")


@data.command(
    epilog=format_examples(
        "disbench data complexity DIS5K/DIS-VD --csv complexity.csv",
        "disbench data complexity DIS5K/DIS-VD --parts 4 --out by-complexity",
    ),
)
@click.argument("folder", type=PATH)
@click.option("--parts", type=click.IntRange(2), help="Split into this many equal groups, from simple to complex.")
@click.option("--out", type=PATH, help="Link the files of each group here. Needs --parts.")
@click.option("--csv", "csv_path", type=PATH, help="Write the numbers of every image here.")
@json_option
def complexity(folder, parts, out, csv_path, as_json):
    """Rank the masks of a folder by complexity.

    The measures are those that rank DIS-TE1..4.
    """
    from disbench.data.survey import link_groups, survey_complexity, write_survey
    from disbench.runs.outputs import check_output, list_data_folders

    if out and not parts:
        raise InputError("--out needs --parts")
    for path, option in ((out, "--out"), (csv_path, "--csv")):
        if path:
            check_output(path, list_data_folders(folder), option)
    with show_progress() as progress:
        rows = survey_complexity(folder, parts, progress, paired=bool(out))
    if csv_path:
        write_survey(rows, csv_path)
        print_note(csv_path)
    if out:
        for group in link_groups(rows, folder, out):
            print_note(group)
    if as_json:
        print_json(rows)
    elif not csv_path and not out:
        print_table(tuple(rows[0]), [tuple(map(_format_value, row.values())) for row in rows])


def _format_value(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)
