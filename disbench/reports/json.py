"""The table as JSON: every score with its rank, its interval and its marks, and the caption."""

import json
from typing import Any

from disbench.reports.caption import PLAIN_MARKS, describe_source
from disbench.reports.cells import Cell, is_published
from disbench.reports.options import FormatOptions
from disbench.reports.table import PRINTABLE_METRICS, Table


def render_json(table: Table, options: FormatOptions | None = None) -> str:
    """Render a table as JSON. Missing scores are null; `value` reads back as the very same float."""
    content = {
        "dataset": table.title,
        "by": table.by or None,
        "ranking": table.ranking,
        "rank_all": table.rank_all,
        "caption": " ".join(table.describe(PLAIN_MARKS)),
        "sources": [describe_source(source, table.ranking) for source in table.sources],
        "columns": [
            {
                "method": method,
                "protocol": protocol,
                "published": is_published((method, protocol)),
                "source": number or None,
                "signature": signature,
            }
            for (method, protocol), number, signature in zip(
                table.columns, _number_sources(table), table.signatures, strict=True
            )
        ],
        "lines": [
            {
                "split": line.split,
                "metric": line.metric,
                "direction": PRINTABLE_METRICS[line.metric].direction,
                "n": line.n or None,
                "cells": [_describe_cell(cell) for cell in line.cells],
            }
            for line in table.lines
        ],
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _number_sources(table: Table) -> list[int]:
    """Return the place of each column's source in the list of sources, from 1; 0 for measured columns."""
    labels = [source.label for source in table.sources]
    return [labels.index(column[1]) + 1 if is_published(column) else 0 for column in table.columns]


def _describe_cell(cell: Cell) -> dict[str, Any] | None:
    if cell.value is None:
        return None
    return {
        "value": float(cell.value),
        "text": cell.text,
        "rank": cell.rank,
        "interval": list(map(float, cell.interval)) if cell.interval else None,
        "tied": bool(cell.tied),
        "training": cell.training,
    }
