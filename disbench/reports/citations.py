"""BibTeX entries of the papers behind published columns, and the keys that cite them.

leaderboards/papers.bib has entries with authors. Another paper gets an entry of what its citation says, which is a
title, a venue, a year and an arXiv number at most.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from disbench.errors import InputError
from disbench.leaderboard.entry import BOARDS_ROOT, read_entry
from disbench.registry.discovery import list_cards
from disbench.reports.arrange import Arrangement, rename
from disbench.reports.latex_text import escape_latex
from disbench.reports.output import write_output
from disbench.reports.table import Table

HEAD = "% Written by disbench; a repeated command writes this file anew.\n"


def cite_paper(paper: Mapping[str, str]) -> str:
    """Return the citation of a paper, as Citation.paper has it; "" for a paper without title."""
    arxiv = f"arXiv:{paper['arxiv']}" if paper.get("arxiv") else ""
    place = ", ".join(filter(None, (paper.get("venue"), arxiv)))
    return f"{paper['title']} ({place})" if paper.get("title") else ""


def collect_papers(entries: Iterable[Path], arrangement: Arrangement) -> dict[str, str]:
    """Return name of a method in the table -> citation of its paper, for disbench's models and for entries."""
    papers = {card.title: cite_paper(card.paper) for card in list_cards().values()}
    papers |= {entry.title: cite_paper(entry.paper) for entry in map(read_entry, entries)}
    papers = {title: citation for title, citation in papers.items() if citation}
    return {rename(title, arrangement.names): citation for title, citation in papers.items()}


def add_papers(table: Table, papers: Mapping[str, str]) -> Table:
    """Return a table with the papers of its methods, which are found by their names."""
    return replace(table, papers=tuple(papers.get(method, "") for method, _ in table.columns))


def list_citations(table: Table) -> list[str]:
    """List the citations in a table: of its methods, then of the sources of its numbers."""
    return [citation for citation in (*table.papers, *(source.paper for source in table.sources)) if citation]


def make_keys(citations: Iterable[str]) -> dict[str, str]:
    """Return citation -> BibTeX key. Different papers get different keys."""
    keys: dict[str, str] = {}
    for citation in dict.fromkeys(citations):
        shipped = _find_shipped(citation)
        keys[citation] = shipped[0] if shipped else _make_key(citation, set(keys.values()))
    return keys


def write_bibliography(path: Path, table: Table) -> None:
    """Write the BibTeX entries of the citations in a table.

    Raises:
        InputError: for a file that disbench has not written, which is not replaced, or that cannot be written.
    """
    if path.exists() and not path.read_bytes().startswith(HEAD.encode()):
        raise InputError(f"{path}: is a file of yours, which is not replaced; choose another place with --bib")
    entries = {key: _format_entry(citation, key) for citation, key in make_keys(list_citations(table)).items()}
    write_output(path, "\n".join([HEAD, *(entries[key] for key in sorted(entries))]), "--bib")


def _format_entry(citation: str, key: str) -> str:
    shipped = _find_shipped(citation)
    if shipped:
        return shipped[1]
    title, venue, arxiv = _split(citation)
    fields = {"title": f"{{{escape_latex(title)}}}", "year": _find_year(venue)}
    fields |= {"eprint": arxiv, "archiveprefix": "arXiv"} if arxiv else {}
    fields["note"] = escape_latex(venue) if not venue.startswith("arXiv") else ""
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@misc{{{key},", *lines, "}\n"])


def _make_key(citation: str, taken: set[str]) -> str:
    """Make a key of the first word of the title and the year."""
    title, venue, _ = _split(citation)
    words = re.findall(r"[a-z0-9]+", title.casefold())
    key = f"{words[0] if words else 'paper'}{_find_year(venue)}"
    keys = [key, *(f"{key}-{number}" for number in range(2, len(taken) + 3))]
    return next(key for key in keys if key not in taken)


def _find_shipped(citation: str) -> tuple[str, str] | None:
    """Return the key and the entry of a shipped paper. It has the same arXiv number, or the same title."""
    title, _, arxiv = _split(citation)
    shipped = _read_shipped()
    return shipped.get(arxiv) or shipped.get(_simplify(title))


@lru_cache(maxsize=1)
def _read_shipped() -> dict[str, tuple[str, str]]:
    """Return title or arXiv number -> key and entry, of the shipped papers."""
    papers: dict[str, tuple[str, str]] = {}
    text = (BOARDS_ROOT / "papers.bib").read_text("utf-8") if BOARDS_ROOT else ""
    for entry, key, body in re.findall(r"^(@\w+\{([\w-]+),\n(.*?)^\}\n)", text, re.MULTILINE | re.DOTALL):
        fields = dict(re.findall(r"^  (\w+) = \{+(.*?)\}+,$", body, re.MULTILINE))
        papers[_simplify(fields["title"])] = key, entry
        if "eprint" in fields:
            papers[fields["eprint"]] = key, entry
    return papers


def _split(citation: str) -> tuple[str, str, str]:
    """Split a citation into title, venue and arXiv number."""
    title, _, place = citation.rpartition(" (")
    venue, _, arxiv = place.rstrip(")").partition("arXiv:")
    return title or citation, venue.rstrip(", "), arxiv


def _find_year(venue: str) -> str:
    years = re.findall(r"\b(?:19|20)\d\d\b", venue)
    return years[-1] if years else ""


def _simplify(title: str) -> str:
    return "".join(filter(str.isalnum, title.casefold()))
