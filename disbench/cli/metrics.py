"""The command that lists measures: metrics."""

import click

from disbench.cli.options import complete_metrics, json_option
from disbench.system.console import print_json, print_table


@click.command()
@click.argument("keys", required=False, shell_complete=complete_metrics)
@json_option
def metrics(keys, as_json):
    """List the measures. With KEYS, describe these metrics.

    A description has symbol, direction, formula and reference. A measure and one of its variants make a key, as f_max.
    """
    from dataclasses import asdict

    from disbench.metrics.catalogue import MEASURES, METRICS, VARIANTS, resolve_metrics

    listed = [METRICS[key] for key in resolve_metrics(keys)] if keys else list(METRICS.values())
    if as_json:
        print_json([asdict(metric) for metric in listed])
        return
    if keys:
        for metric in listed:
            facts = f"{metric.symbol}, {metric.direction} is better. {metric.formula}. {metric.reference}"
            click.echo(f"{metric.key}: {facts}")
        return
    rows = [(m.name, " ".join(m.variants), m.symbol, m.direction, m.formula, m.reference) for m in MEASURES.values()]
    print_table(("key", "variants", "symbol", "better", "formula", "reference"), rows)
    for name, variant in VARIANTS.items():
        click.echo(f"{name}: {variant.meaning}")
