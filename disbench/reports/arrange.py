"""What a user asks of a table: subsets, order and names of methods, decimals, and which scores compete."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_UP, Decimal

from disbench.data.dataset import parse_splits
from disbench.errors import InputError, suggest_names, wrong_type
from disbench.reports.cells import Cell, is_published
from disbench.reports.ranking import RANKINGS, group_columns, is_ranked, rank_texts
from disbench.reports.table import PRINTABLE_METRICS, Table, TableLine
from disbench.runs.result import Result
from disbench.system.progress import announce_once

OTHERS = "..."  # in an order of methods: all that it does not name
MAX_DIGITS = 9


@dataclass(frozen=True, kw_only=True)
class Arrangement:
    """How a table is arranged. The default leaves it as it was built, but for `ranking`.

    Attributes:
        splits: the subsets to show, as "DIS-TE1..4,Overall". None: all.
        order: names of methods that come first; OTHERS stands for all others.
        names: method -> the name that it gets.
        digits: decimals of scores that have decimals. None: three, and as printed in publications.
        ranking: a name of disbench.reports.ranking.RANKINGS. None: together if columns have several sources,
            otherwise by source.
        opening: the first sentence of the caption. "": the data set is named.
    """

    splits: str | None = None
    order: Sequence[str] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    digits: int | None = None
    ranking: str | None = None
    opening: str = ""

    def __post_init__(self) -> None:
        if self.splits is not None and not isinstance(self.splits, str):
            raise wrong_type("split", self.splits, "text, such as 'DIS-TE1..4,Overall'")
        is_list = isinstance(self.order, Sequence) and not isinstance(self.order, str)
        if not is_list or not all(isinstance(name, str) for name in self.order):
            raise wrong_type("order", self.order, "a list of names")
        is_mapping = isinstance(self.names, Mapping)
        if not is_mapping or not all(isinstance(name, str) for pair in self.names.items() for name in pair):
            raise wrong_type("names", self.names, "a mapping of names to names")
        for name, new_name in self.names.items():
            if not new_name.strip():
                raise InputError(f"--name {name}=: got an empty name; give the name to show")
        if isinstance(self.digits, bool) or not isinstance(self.digits, int | None):
            raise wrong_type("digits", self.digits, f"a whole number from 1 to {MAX_DIGITS}")
        if self.ranking is not None and self.ranking not in RANKINGS:
            raise InputError(f"unknown ranking {self.ranking!r}; known: {', '.join(RANKINGS)}")
        if self.digits is not None and not 1 <= self.digits <= MAX_DIGITS:
            raise InputError(f"--digits {self.digits}: give a number from 1 to {MAX_DIGITS}")


def end_sentence(text: str) -> str:
    """Return text with a full stop, unless it is empty or has its own end."""
    if not isinstance(text, str):
        raise wrong_type("caption", text, "text")
    text = " ".join(text.split())
    return f"{text}." if text and text[-1] not in ".!?:" else text


def arrange_results(results: Iterable[Result], arrangement: Arrangement) -> list[Result]:
    """Return results with their new names, in the order of the table."""
    renamed = [replace(result, title=rename(result.title, arrangement.names)) for result in results]
    places = _sort_methods([result.title for result in renamed], arrangement)
    return [renamed[place] for place in places]


def arrange_table(table: Table, arrangement: Arrangement) -> Table:
    """Arrange a table. Lines and columns without any number are dropped.

    Raises:
        InputError: for names of subsets or methods that the table does not have, and if no number is left.
    """
    _check_names(table, arrangement)
    table = _select_splits(table, arrangement.splits) if arrangement.splits else table
    table = _drop_empty(table)
    if arrangement.names:
        columns = tuple(
            (rename(method, arrangement.names) if is_published((method, label)) else method, label)
            for method, label in table.columns
        )
        if len(set(columns)) < len(columns):
            raise InputError("--name: two methods of one source would have the same name; choose different ones")
        table = replace(table, columns=columns)
    if arrangement.order:
        table = select_columns(table, _sort_methods([method for method, _ in table.columns], arrangement))
    if arrangement.digits is not None:
        table = _round_scores(table, arrangement.digits)
    return rank_table(replace(table, opening=arrangement.opening), arrangement.ranking or _choose_ranking(table))


def select_columns(table: Table, places: Sequence[int]) -> Table:
    """Return a table with some of its columns, in this order."""
    columns = tuple(table.columns[place] for place in places)
    used = {label for _, label in columns}
    return replace(
        table,
        columns=columns,
        signatures=tuple(table.signatures[place] for place in places),
        papers=tuple(table.papers[place] for place in places) if table.papers else (),
        sources=tuple(source for source in table.sources if source.label in used),
        lines=tuple(replace(line, cells=tuple(line.cells[place] for place in places)) for line in table.lines),
    )


def rank_table(table: Table, ranking: str) -> Table:
    """Return a table with the ranks of its cells. By source, published cells keep the ranks of their publication."""
    groups = group_columns(table.columns, ranking)
    lines = tuple(_rank_line(table, line, groups, ranking) for line in table.lines)
    return replace(table, ranking=ranking, lines=lines)


def _rank_line(table: Table, line: TableLine, groups: Sequence[str | None], ranking: str) -> TableLine:
    competing = [
        cell.text if cell.value is not None and is_ranked(cell.training, rank_all=table.rank_all) else None
        for cell in line.cells
    ]
    ranks = rank_texts(competing, groups, PRINTABLE_METRICS[line.metric].direction)
    cells = [
        cell if group is None and ranking == "by-source" else replace(cell, rank=rank)
        for cell, group, rank in zip(line.cells, groups, ranks, strict=True)
    ]
    return replace(line, cells=tuple(cells))


def _choose_ranking(table: Table) -> str:
    kinds = {label if is_published((method, label)) else "" for method, label in table.columns}
    return "together" if len(kinds) > 1 else "by-source"


def _select_splits(table: Table, expression: str) -> Table:
    known = {split.casefold(): split for split, _ in table.groups}
    selected: set[str] = set()
    if expression.strip().casefold() in known:
        selected.add(known[expression.strip().casefold()])
    else:
        for part in filter(None, map(str.strip, expression.split(","))):
            if part.casefold() in known:
                selected.add(known[part.casefold()])
            else:
                selected |= _parse_part(part, known)
    if not selected:
        raise InputError(f"--split: no subset given; this table has {', '.join(known.values())}")
    return replace(table, lines=tuple(line for line in table.lines if line.split in selected))


def _parse_part(part: str, known: Mapping[str, str]) -> set[str]:
    """Parse a range of splits of DIS5K, of which the table has at least one."""
    try:
        splits = set(parse_splits(part)) & set(known.values())
    except InputError:
        splits = set()
    if not splits:
        raise InputError(f"--split {part}: not in this table, which has {', '.join(known.values())}")
    return splits


def _drop_empty(table: Table) -> Table:
    """Drop the lines and the columns that have no number."""
    lines = tuple(line for line in table.lines if any(cell.value is not None for cell in line.cells))
    scored = [any(line.cells[i].value is not None for line in lines) for i in range(len(table.columns))]
    dropped = [name for name, has_scores in zip(table.methods, scored, strict=True) if not has_scores]
    table = replace(table, lines=lines)
    if not lines:
        raise InputError("nothing to report: no method has a score here; choose others with --split or --metrics")
    if not dropped:
        return table
    announce_once(f"without any score here, and left out: {', '.join(dropped)}")
    return select_columns(table, [i for i, has_scores in enumerate(scored) if has_scores])


def _round_scores(table: Table, digits: int) -> Table:
    """Print scores with other decimals. Published numbers get no more decimals than they have."""
    rounded: set[str] = set()  # labels of sources
    lines = []
    for line in table.lines:
        cells = []
        for cell, column in zip(line.cells, table.columns, strict=True):
            text = _round_cell(cell, column, digits if PRINTABLE_METRICS[line.metric].digits else 0)
            if text != cell.text and is_published(column):
                rounded.add(column[1])
            cells.append(replace(cell, text=text))
        lines.append(replace(line, cells=tuple(cells)))
    sources = tuple(replace(source, rounded=source.label in rounded) for source in table.sources)
    return replace(table, lines=tuple(lines), sources=sources, digits=digits)


def _round_cell(cell: Cell, column: tuple[str, str], digits: int) -> str:
    if cell.value is None or not digits:
        return cell.text
    if not is_published(column):
        return f"{cell.value:.{digits}f}"
    printed = Decimal(cell.text)
    if -int(printed.as_tuple().exponent) <= digits:
        return cell.text
    return str(printed.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))


def _check_names(table: Table, arrangement: Arrangement) -> None:
    """Raise InputError for a name that no method has. Results have their new names already."""
    titles = {_simplify(method): method for method, _ in table.columns}
    new_names = {_simplify(name) for name in arrangement.names.values()}

    def refuse(option: str, name: str) -> None:
        known = dict.fromkeys(method for method, _ in table.columns)
        raise InputError(f"{option} {name}: no method has this name; {suggest_names(name, known)}")

    for name, new_name in arrangement.names.items():
        if not {_simplify(name), _simplify(new_name)} & titles.keys():
            refuse("--name", name)
    for name in arrangement.order:
        if name != OTHERS and _simplify(rename(name, arrangement.names)) not in titles.keys() | new_names:
            refuse("--order", name)


def rename(title: str, names: Mapping[str, str]) -> str:
    """Return the name that a method gets; its title if it gets none."""
    simple = {_simplify(name): short for name, short in names.items()}
    return simple.get(_simplify(title), title)


def _sort_methods(titles: Sequence[str], arrangement: Arrangement) -> list[int]:
    """Return the places of titles in the order of the arrangement; the order of others is kept."""
    order = [_simplify(rename(name, arrangement.names)) if name != OTHERS else OTHERS for name in arrangement.order]
    rest = order.index(OTHERS) if OTHERS in order else len(order)
    simple = [_simplify(title) for title in titles]
    return sorted(range(len(titles)), key=lambda i: order.index(simple[i]) if simple[i] in order else rest)


def _simplify(name: str) -> str:
    """Return a name without case, spaces and punctuation, as the names of entries differ from titles by these."""
    return "".join(filter(str.isalnum, name.casefold())) or name
