"""The command that lists measures: metrics."""

import shutil

import click

from disbench.cli.examples import format_examples
from disbench.cli.options import complete_metrics, json_option
from disbench.system.console import print_json, print_text


@click.command(epilog=format_examples("disbench metrics", "disbench metrics f_max,hce"))
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
            print_text(f"{metric.key}: {facts}")
        return
    width = shutil.get_terminal_size().columns  # 80 in a pipe
    for m in MEASURES.values():
        variants = f"_{{{','.join(m.variants)}}}" if m.variants else ""
        request = "; only on request" if m.optional else ""
        print_text(f"{m.name}{variants}: {m.symbol}, {m.direction} is better{request}", width=width)
        print_text(f"{m.formula}.", "  ", width)
        print_text(f"{m.reference}.", "  ", width)
    click.echo("\nVariants")
    for name, variant in VARIANTS.items():
        print_text(f"{name}: {variant.meaning}.", "  ", width)
