"""The sentences of a caption: what is ranked, and what each sign means."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from disbench.reports.cells import Cell, Source, is_published, is_reproduced
from disbench.runs.training import SEES_TRUTH, UNSTATED_NOTE

# What each rank looks like. A rank that a format does not show is missing, and not mentioned in its caption.
PLAIN_MARKS = {"best": "bold", "second": "underlined"}
COLOUR_MARKS = {"best": "red", "second": "green", "third": "blue"}


def describe_ranks(
    ranks: Collection[str | None],
    columns: Sequence[tuple[str, str]],
    ranking: str,
    marks: Mapping[str, str] = PLAIN_MARKS,
) -> str:
    """Describe the ranks in a table exactly: which scores competed, and what their marks look like.

    Args:
        ranks: the ranks that the cells have, of which one at least is in `marks`.
        columns: (method, protocol) of each column.
        ranking: a name of disbench.reports.ranking.RANKINGS.
        marks: rank -> what it looks like.
    """
    labels = {label for _, label in filter(is_published, columns)}
    protocols = {protocol for _, protocol in columns} - labels
    first, *others = (rank for rank in marks if rank in ranks)
    name = first if first == "best" else f"{first} best"
    sentence = f"The {name} score of each measure on a subset is {marks[first]}"
    sentence = ", ".join([sentence, *(f"the {rank} {marks[rank]}" for rank in others)])
    ties = "; scores equal in print share a mark."
    if ranking == "measured" and labels:
        within = " within its protocol" if len(protocols) > 1 else ""
        return f"Only measured scores are ranked{within}. {sentence}{ties}"
    if ranking == "by-source" and labels:
        several = len(labels) > 1
        paper = f"the marks {'are' if not protocols else 'of published scores are'} those of the publication"
        paper += "s" if several else ""
        if not protocols:
            return f"{sentence}{', each source by itself' if several else ''}; {paper}."
        measured = "measured scores are ranked among themselves"
        measured += ", each protocol by itself" if len(protocols) > 1 else ""
        return f"{sentence}, each source by itself: {paper}, {measured}{ties}"
    if ranking == "together" and len(labels) + bool(protocols) > 1:
        kinds = "published and measured, " if labels and protocols else ""
        unranked = "; reproductions by others are not ranked" if any(map(is_reproduced, columns)) else ""
        return f"{sentence}, of all methods ({kinds}whatever their source{unranked}){ties}"
    if len(protocols) > 1:
        return f"{sentence}, {'of all protocols' if ranking == 'together' else 'each protocol by itself'}{ties}"
    return f"{sentence}{ties}"


def describe_ties(columns: Sequence[tuple[str, str]]) -> str:
    """Describe the sign of scores that are tied with the best measured score of their protocol."""
    protocols = {column[1] for column in columns if not is_published(column)}
    best = "the best measured score" if any(map(is_published, columns)) else "the best"
    best += " of its protocol" if len(protocols) > 1 else ""
    return f"≈: not significantly worse than {best} (paired randomisation test, Holm, 5 %)."


def describe_marks(cells: Iterable[Cell], *, rank_all: bool = False) -> list[str]:
    """Describe the signs of training data in a table: a sentence for each sign that its cells have."""
    marks = {cell.training for cell in cells}
    sentences = []
    consequence = "ranked all the same" if rank_all else "not ranked"
    if "sees_truth" in marks:
        sentences.append(f"§: {SEES_TRUTH}, {consequence}.")
    if "contaminated" in marks:
        sentences.append(f"†: trained on images of this subset, {consequence}.")
    if "unstated" in marks:
        sentences.append(UNSTATED_NOTE)
    return sentences


def describe_source(source: Source, ranking: str, text: str | None = None) -> str:
    """Describe the source of published columns, and what was done to its numbers and marks.

    Args:
        source: the source.
        ranking: a name of disbench.reports.ranking.RANKINGS.
        text: takes the place of the source's own text, as a citation in LaTeX.
    """
    words = [source.text if text is None else text]
    if source.corrected:
        words.append("corrected where it contradicts itself")
    if source.rounded:
        words.append("rounded")
    if source.reranked and ranking == "by-source":
        words.append("lines with § or † ranked anew without these")
    return "; ".join(words)
