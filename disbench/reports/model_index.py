"""Measured scores as the `model-index` of a Hugging Face model card, to be put between the --- lines of its README.md.

JSON strings are YAML, too, so that names from outside cannot be anything but text.
"""

import json
from collections.abc import Iterator

from disbench.errors import InputError
from disbench.reports.cells import is_published
from disbench.reports.options import FormatOptions
from disbench.reports.table import PRINTABLE_METRICS, Table

HEAD = ["- task:", "    type: image-segmentation", "    name: Dichotomous Image Segmentation"]


def render_model_index(table: Table, options: FormatOptions | None = None) -> str:
    """Render the measured columns of a table as YAML. A column is a model, and each of its subsets a result.

    Raises:
        InputError: for a table without measured columns.
    """
    places = [i for i, column in enumerate(table.columns) if not is_published(column)]
    if not places:
        raise InputError("model-index: a model card has measured scores only; give a run")
    lines = ["model-index:"]
    for place in places:
        lines += [f"- name: {_quote(table.names[place])}", "  results:", *_list_results(table, place)]
    return "\n".join(lines) + "\n"


def _list_results(table: Table, place: int) -> Iterator[str]:
    for split, group in table.groups:
        scored = [line for line in group if line.cells[place].value is not None]
        if not scored:
            continue
        yield from (f"  {line}" for line in HEAD)
        yield "    dataset:"
        yield f"      type: {_quote(table.title.casefold().split(' ')[0])}"
        yield f"      name: {_quote(f'{table.title} {table.subset_label(group[0])}')}"
        yield f"      split: {_quote(split)}"
        yield "    metrics:"
        for line in scored:
            metric = PRINTABLE_METRICS[line.metric]
            yield f"    - type: {line.metric}"
            yield f"      name: {_quote(metric.symbol)}"
            yield f"      value: {float(line.cells[place].value or 0.0)!r}"
            yield "      args:"
            yield f"        signature: {_quote(table.signatures[place])}"
            if training := line.cells[place].training:
                yield f"        training: {_quote(training)}"


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=True)
