"""The command on downloaded weights: weights."""

from dataclasses import asdict

import click

from disbench.cli.examples import format_examples
from disbench.cli.options import add_options, json_option, models_option
from disbench.system.console import print_json, print_table


@click.command(epilog=format_examples("disbench weights", "disbench weights --json"))
@add_options(models_option, json_option)
def weights(as_json):
    """List the weights in the caches, with size, start of the digest and path. --json has whole digests.

    To download some, name them: disbench run --model NAME --weights NAME.
    """
    from disbench.registry.weights_cache import list_cached_weights

    rows = list_cached_weights()
    if as_json:
        print_json([asdict(row) for row in rows])
    elif not rows:
        click.echo("no weights in the caches; `disbench models NAME` lists what --weights downloads")
    else:
        head = ("name", "file", "size", "SHA256", "path")
        print_table(head, [(r.name or "-", r.file, f"{r.bytes / 1e6:.1f} MB", r.sha256[:12], r.path) for r in rows])
