"""Published tables against themselves: what their own numbers contradict, by rules that hold for any table.

Every printed number stands for what rounds to it, and nothing is found that some unrounded numbers would allow, but for
SLACK, and swaps, which are told only where they mend what is wrong in two places.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_UP, Decimal
from itertools import combinations
from pathlib import Path

import msgspec

from disbench.data.dataset import OVERALL, TEST_SPLITS
from disbench.errors import InputError
from disbench.leaderboard.entry import Cells, Reported, read_entry
from disbench.metrics.catalogue import METRICS

# The maximum of a pooled curve is at most the mean of the subsets' maxima. How far below it lies no number of a table
# bounds; of DIS-like maps it was .002.
SLACK = Decimal("0.01")
DIRECTIONS = {key: metric.direction for key, metric in METRICS.items()} | {"seconds": "lower"}
COUNTS = {key for key, metric in METRICS.items() if metric.digits == 0} | {"seconds"}  # not shares of 1

Place = tuple[str, str, str]  # method, subset, metric


@dataclass(frozen=True)
class Published:
    """A table as printed. columns, marks: method -> subset -> metric -> digits, and "best" or "second"."""

    paper: str
    table: str
    columns: dict[str, Cells]
    marks: dict[str, Cells] = field(default_factory=dict)

    def text(self, method: str, subset: str, metric: str) -> str | None:
        return self.columns[method].get(subset, {}).get(metric)

    def mark(self, method: str, subset: str, metric: str) -> str | None:
        return self.marks.get(method, {}).get(subset, {}).get(metric)

    @property
    def lines(self) -> list[tuple[str, str]]:
        """(subset, metric) in the order of the table."""
        return list(dict.fromkeys((s, m) for cells in self.columns.values() for s in cells for m in cells[s]))

    def line(self, subset: str, metric: str) -> dict[str, Decimal]:
        """The numbers of one line by method, without what is no number."""
        texts = {method: self.text(method, subset, metric) for method in self.columns}
        return {method: value for method, text in texts.items() if (value := parse_number(text)) is not None}

    def changed(self, texts: Mapping[Place, str]) -> "Published":
        """With other digits in some places."""
        columns = {
            method: {s: {m: texts.get((method, s, m), text) for m, text in row.items()} for s, row in cells.items()}
            for method, cells in self.columns.items()
        }
        return replace(self, columns=columns)


@dataclass(frozen=True)
class Finding:
    """What is wrong, where, and what would mend it, if the table tells: place -> digits."""

    rule: str
    table: str
    places: tuple[Place, ...]
    message: str
    fixes: tuple[tuple[Place, str], ...] = ()
    paper: str = ""


def parse_number(text: str | None) -> Decimal | None:
    """Plain digits, no more than a table would print, as a number; None for anything else."""
    return Decimal(text) if text is not None and re.fullmatch(r"-?\d{1,9}(\.\d{1,9})?", text, re.ASCII) else None


def audit_tables(tables: Sequence[Published]) -> list[Finding]:
    """All that is found, table by table, and between tables of one paper."""
    alone = [replace(f, paper=table.paper) for table in tables for rule in RULES for f in rule(table)]
    return alone + list(between(tables))


def apply_corrections(table: Published) -> Published:
    """The table with every fix in place and its marks set anew; what is wrong without a fix stays."""
    fixes = {place: text for finding in audit_tables([table]) for place, text in finding.fixes}
    mended = table.changed(fixes)
    marks: dict[str, Cells] = {}
    for subset, metric in mended.lines:
        for method, mark in _expected(mended, subset, metric).items():
            marks.setdefault(method, {}).setdefault(subset, {})[metric] = mark
    return replace(mended, marks=marks)


def collect_published(paths: Iterable[Path]) -> list[Published]:
    """The tables in files: a file of tables has several; an entry stands for those that it has a column of, whole, from
    `tables` beside its leaderboard if it is there, else from the entries beside it."""
    tables: dict[tuple[str, str], Published] = {}
    asked: dict[tuple[str, str], None] = {}
    beside: dict[Path, None] = {}
    whole: dict[Path, None] = {}
    for path in paths:
        if path.parent.name == "tables":
            tables |= {(table.paper, table.table): table for table in read_tables(path)}
        else:
            asked |= dict.fromkeys(_place(one) for one in read_entry(path).reported)
            beside |= dict.fromkeys(sorted(path.parent.glob("*.json")))
            whole |= dict.fromkeys(sorted((path.parent.parent / "tables").glob("*.json")))
    columns: dict[tuple[str, str], list[tuple[int, str, Reported]]] = {}
    for path in beside:
        entry = read_entry(path)
        for one in entry.reported:
            columns.setdefault(_place(one), []).append((one.source.column, entry.title, one))
    known = {(table.paper, table.table): table for path in whole for table in read_tables(path)}
    for place in asked:
        tables.setdefault(place, known.get(place) or _joined(place, columns[place]))
    return sorted(tables.values(), key=lambda table: (table.paper, table.table))


def _place(one: Reported) -> tuple[str, str]:
    return one.source.paper, one.source.table


def _joined(place: tuple[str, str], columns: list[tuple[int, str, Reported]]) -> Published:
    columns.sort(key=lambda column: column[:2])
    cells, marks = ({title: getattr(one, kind) for _, title, one in columns} for kind in ("printed", "marks"))
    return Published(*place, cells, marks)


def read_tables(path: Path) -> list[Published]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Published])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a file of published tables ({error})") from None


def numbers(table: Published) -> Iterator[Finding]:
    """Cells that are no number, outside the range of their measure, or of other digits than most of their measure."""
    digits: dict[str, list[tuple[Place, int]]] = {}
    for subset, metric in table.lines:
        for method in table.columns:
            text, place = table.text(method, subset, metric), (method, subset, metric)
            if text is None:
                continue
            value = parse_number(text)
            where = f"{metric} of {method} on {subset}"
            low = Decimal(-1) if metric.startswith("kappa") else Decimal(0)
            if value is None:
                yield Finding("number", table.table, (place,), f"{where}: {text} is no number")
            elif value < low or (value > 1 and metric not in COUNTS):
                yield Finding("range", table.table, (place,), f"{where}: {text} is outside {low} to 1")
            else:
                digits.setdefault(metric, []).append((place, -value.as_tuple().exponent))
    for metric, found in digits.items():
        most, times = Counter(count for _, count in found).most_common(1)[0]
        for place, count in found:
            if count != most and 2 * times > len(found):
                text = table.text(*place)
                message = f"{metric} of {place[0]} on {place[1]}: {text} has {count} digits, others {most}"
                yield Finding("digits", table.table, (place,), message)


def overall(table: Published) -> Iterator[Finding]:
    """Overall against the mean of its subsets; two that are wrong together may be two cells in each other's place."""
    metrics = dict.fromkeys(metric for _, metric in table.lines)
    wrong = [(method, metric) for metric in metrics for method in table.columns if _off(table, method, metric)]
    explained: set[tuple[str, str]] = set()
    for first, second in combinations(wrong, 2):
        if (first[0] == second[0]) == (first[1] == second[1]) or explained & {first, second}:
            continue
        swaps = [subset for subset in (*TEST_SPLITS, OVERALL) if _mends(table, first, second, subset)]
        if not swaps:
            continue
        explained |= {first, second}
        cells = [[(method, subset, metric) for method, metric in (first, second)] for subset in swaps]
        (a, b), texts = cells[0], [table.text(*place) for place in cells[0]]
        methods, measures = (" and ".join(dict.fromkeys(words)) for words in zip(first, second, strict=True))
        message = (
            f"{measures} of {methods} on {' or '.join(swaps)} look swapped ({' and '.join(texts)}): "
            "the other way round both agree with Overall"
        )
        fixes = ((a, texts[1]), (b, texts[0])) if len(swaps) == 1 else ()
        yield Finding("swapped", table.table, tuple(place for pair in cells for place in pair), message, fixes)
    for method, metric in wrong:
        if (method, metric) not in explained:
            text, mean = table.text(method, OVERALL, metric), _mean(table, method, metric)
            rounded = str(mean.quantize(Decimal(text), ROUND_HALF_UP))
            place = (method, OVERALL, metric)
            message = (
                f"{metric} of {method}, {OVERALL}: {text} is printed, {rounded} follows from {TEST_SPLITS[0]} to {TEST_SPLITS[-1]}"
            )
            yield Finding("mean", table.table, (place,), message, ((place, rounded),))


def _mean(table: Published, method: str, metric: str) -> Decimal | None:
    values = [parse_number(table.text(method, subset, metric)) for subset in TEST_SPLITS]
    return None if None in values else sum(values) / len(values)


def _off(table: Published, method: str, metric: str) -> bool:
    """Whether no unrounded numbers have these subsets and this Overall."""
    mean, value = _mean(table, method, metric), parse_number(table.text(method, OVERALL, metric))
    if mean is None or value is None:
        return False
    texts = [table.text(method, subset, metric) for subset in (*TEST_SPLITS, OVERALL)]
    *units, own = (Decimal(1).scaleb(parse_number(text).as_tuple().exponent) for text in texts)
    tolerance = (sum(units) / len(units) + own) / 2
    kind = METRICS[metric].variant if metric in METRICS else ""
    low, high = (tolerance + SLACK * (kind == side) for side in ("max", "min"))
    return not -low <= value - mean <= high


def _mends(table: Published, first: tuple[str, str], second: tuple[str, str], subset: str) -> bool:
    a, b = ((method, subset, metric) for method, metric in (first, second))
    texts = {a: table.text(*b), b: table.text(*a)}
    swapped = table.changed(texts)
    return not (_off(swapped, *first) or _off(swapped, *second))


def marks(table: Published) -> Iterator[Finding]:
    """Best and second marks against the numbers of their line; equal numbers share a mark."""
    for subset, metric in table.lines:
        given = {m: mark for m in table.columns if (mark := table.mark(m, subset, metric))}
        expected = _expected(table, subset, metric)
        best = [m for m, mark in expected.items() if mark == "best"]
        if len(best) > 1 and "second" not in given.values():  # some papers count two best as first and second
            expected = dict.fromkeys(best, "best")
        if given == expected:
            continue
        places = [m for m in table.columns if given.get(m) != expected.get(m)]
        told = [
            f"{table.text(m, subset, metric)} of {m} is marked {given.get(m, 'none')} but is {expected.get(m, 'none')}"
            for m in places
        ]
        cells = tuple((m, subset, metric) for m in places)
        yield Finding("marks", table.table, cells, f"{metric} on {subset}: {'; '.join(told)}")


def _expected(table: Published, subset: str, metric: str) -> dict[str, str]:
    used = {mark for cells in table.marks.values() for row in cells.values() for mark in row.values()}
    values = table.line(subset, metric)
    places = sorted(set(values.values()), reverse=DIRECTIONS.get(metric, "higher") == "higher")
    ranks = {value: mark for value, mark in zip(places, ("best", "second"), strict=False) if mark in used}
    return {method: ranks[value] for method, value in values.items() if value in ranks}


def _at_most() -> list[tuple[str, str]]:
    pairs = [("mse", "mae")]
    for key, metric in METRICS.items():
        if metric.variant in ("max", "min") and f"{metric.measure}_mean" in METRICS:
            mean = f"{metric.measure}_mean"
            pairs.append((mean, key) if metric.variant == "max" else (key, mean))
        if metric.measure == "iou":
            pairs += [(key, f"{other}_{metric.variant}") for other in ("dice", "f1")]
    return pairs


AT_MOST = _at_most()  # of one method on one subset, the first is never greater than the second


def pairs(table: Published) -> Iterator[Finding]:
    """Two measures of one method that no map has: a mean above its maximum, IoU above Dice, MSE above MAE."""
    for subset in dict.fromkeys(subset for subset, _ in table.lines):
        for method in table.columns:
            for low, high in AT_MOST:
                small, large = (parse_number(table.text(method, subset, metric)) for metric in (low, high))
                if small is not None and large is not None and small > large:
                    message = f"{method} on {subset}: {low} {small} is greater than {high} {large}, which cannot be"
                    places = ((method, subset, low), (method, subset, high))
                    yield Finding("pair", table.table, places, message)


def copied(table: Published) -> Iterator[Finding]:
    """Two methods with the same digits in every measure of a subset, of which there are four at least."""
    for subset in dict.fromkeys(subset for subset, _ in table.lines):
        for one, two in combinations(table.columns, 2):
            row = table.columns[one].get(subset, {})
            if len(row) >= 4 and row == table.columns[two].get(subset):
                places = tuple((method, subset, metric) for method in (one, two) for metric in row)
                message = f"{one} and {two} have the same numbers on {subset}: {', '.join(row.values())}"
                yield Finding("copied", table.table, places, message)


def between(tables: Sequence[Published]) -> Iterator[Finding]:
    """The same method, subset and measure with other digits in two tables of one paper."""
    for one, two in combinations(tables, 2):
        if one.paper != two.paper:
            continue
        for method in (method for method in one.columns if method in two.columns):
            for subset, metric in one.lines:
                a, b = (table.text(method, subset, metric) for table in (one, two))
                if a is not None and b is not None and a != b:
                    message = f"{metric} of {method} on {subset}: {a} in {one.table}, {b} in {two.table}"
                    cells = ((method, subset, metric),)
                    yield Finding("differs", f"{one.table}, {two.table}", cells, message, paper=one.paper)


RULES = (numbers, overall, marks, pairs, copied)
