"""Write docs/scores.md, the page of the shipped leaderboards. A test keeps the page in step with them.

python benchmarks/leaderboard_page.py
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from disbench.data.dataset import OVERALL, TEST_SPLITS
from disbench.leaderboard.entry import Entry, list_boards, list_entries, read_entry
from disbench.leaderboard.show import build_rows
from disbench.reports.markdown import escape_markdown

PAGE = Path(__file__).parents[1] / "docs" / "scores.md"
SUBSETS = {"dis5k": (OVERALL, "DIS-VD", *TEST_SPLITS), "dis-mini": (OVERALL, *TEST_SPLITS)}
INTRODUCTION = """# Scores

What is published and measured about each method, from the files in [leaderboards](../leaderboards/).
[leaderboard.md](leaderboard.md) explains the kinds, the sources and the audit; [submit.md](submit.md) how to add a run.

- *reported*: printed by the authors of the method or of a later paper.
- *reproduced*: others made the maps, and scored them with the script of the method's authors.
- *measured*: computed by disbench, and recomputable from stored statistics of every image; with 95 % intervals.

Methods are sorted by the first measure, whatever their kind.
Numbers of different kinds, and of different protocols, need not compare; see [protocols.md](protocols.md).

<!-- Written by benchmarks/leaderboard_page.py. Edit the leaderboards, not this page. -->
"""


def render_page() -> str:
    """Render the page, with a section for each leaderboard and a table for each subset."""
    sections = [INTRODUCTION]
    for board, subsets in SUBSETS.items():
        entries = [read_entry(path) for path in list_entries(list_boards()[board])]
        sections.append(f"## {entries[0].dataset}\n")
        sections += ["\n".join(render_table(entries, board, subset)) for subset in subsets]
    return "\n".join(sections)


def render_table(entries: Sequence[Entry], board: str, subset: str) -> Iterator[str]:
    """Render the table of a subset. Scores come first, so that a narrow screen shows them."""
    measures, rows, notes = build_rows(entries, subset)
    yield f"### {subset} {{ #{board}-{subset.lower()} }}\n\n<div class=\"scores\" markdown>\n"
    yield f"| Method | {' | '.join(measures)} | Kind | Source | Venue |"
    yield "| :-- |" + " --: |" * len(measures) + " :-- |" * 3
    for method, venue, kind, source, *scores in rows:
        cells = [escape_markdown(method), *scores, kind, link_source(source), escape_markdown(venue)]
        yield f"| {' | '.join(cells)} |"
    yield "\n</div>\n"
    yield from (f"{escape_markdown(note)}<br>" for note in notes)
    yield ""


def link_source(text: str) -> str:
    """Link an arXiv number, and escape all other text."""
    return re.sub(r"arXiv:(\d{4}\.\d{4,5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", escape_markdown(text))


if __name__ == "__main__":
    PAGE.write_text(render_page(), encoding="utf-8")
