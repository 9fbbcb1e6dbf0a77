"""The page of the leaderboards is in step with them."""

import re
import runpy
from pathlib import Path

from disbench.leaderboard.entry import list_entries, read_entry
from disbench.reports.markdown import escape_markdown

ROOT = Path(__file__).parents[2]


def test_the_page_is_what_its_script_writes():
    script = runpy.run_path(str(ROOT / "benchmarks" / "leaderboard_page.py"))
    page = (ROOT / "docs" / "scores.md").read_text("utf-8")
    assert page == script["render_page"](), "run python benchmarks/leaderboard_page.py"


def test_the_page_has_every_part_of_every_entry_with_its_kind_and_its_mark():
    page = (ROOT / "docs" / "scores.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    for board in ("dis5k", "dis-mini"):
        for entry in map(read_entry, list_entries(board)):
            kinds = {"reported": entry.reported, "reproduced": entry.reproduced, "measured": entry.measured}
            for kind, parts in kinds.items():
                row = re.compile(rf"\| {re.escape(escape_markdown(entry.title))}[§†‡]? \|.*\| {kind} \|")
                assert any(map(row.match, rows)) == bool(parts), (entry.title, kind)
    assert any(row.startswith("| LawDIS-R§ |") for row in rows)
    assert any(row.startswith("| GenPercept‡ |") for row in rows)
