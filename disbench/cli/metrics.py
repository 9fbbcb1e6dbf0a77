"""The command that lists measures."""

import click

from disbench.cli.options import (
    complete_metrics,
    json_option,
)
from disbench.system.console import print_json, print_table


@click.command()
@click.argument("keys", required=False, shell_complete=complete_metrics)
@json_option
def metrics(keys, as_json):
    """List the measures; with KEYS, all about these.

    Symbol, direction, formula, reference, and the variants that complete a key.
    """
    from dataclasses import asdict

    from disbench.metrics.catalogue import MEASURES, METRICS, VARIANTS, resolve_metrics

    shown = [METRICS[key] for key in resolve_metrics(keys)] if keys else list(METRICS.values())
    if as_json:
        print_json([asdict(metric) for metric in shown])
        return
    if keys:
        for m in shown:
            click.echo(f"{m.key}: {m.symbol}, {m.direction} is better. {m.formula}. {m.reference}")
        return
    rows = [(m.name, " ".join(m.variants), m.symbol, m.direction, m.formula, m.reference) for m in MEASURES.values()]
    print_table(("key", "variants", "symbol", "better", "formula", "reference"), rows)
    for name, variant in VARIANTS.items():
        click.echo(f"{name}: {variant.meaning}")
