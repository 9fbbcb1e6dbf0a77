"""Rules for the cells and the lines of a published table, except for Overall."""

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import combinations

from disbench.leaderboard.finding import Finding
from disbench.leaderboard.tables import Place, Published, parse_number
from disbench.metrics.catalogue import METRICS

DIRECTIONS = {key: metric.direction for key, metric in METRICS.items()} | {"seconds": "lower"}
UNBOUNDED = {key for key, metric in METRICS.items() if metric.digits == 0} | {"seconds"}  # may exceed 1
MIN_COPIED = 4  # equal numbers of two methods that cannot be chance
RANKS = ("best", "second", "third")


def check_numbers(table: Published) -> Iterator[Finding]:
    """Find cells that hold no number, and numbers outside the range of their measure."""
    for place in _list_cells(table):
        method, subset, metric = place
        text = table.text(*place)
        value = parse_number(text)
        cell = f"{metric} of {method} on {subset}"
        if value is None:
            yield Finding(rule="number", table=table.table, places=(place,), message=f"{cell}: {text} is not a number")
        elif not _is_in_range(metric, value):
            message = f"{cell}: {text} is outside {_lowest(metric)} to 1"
            yield Finding(rule="range", table=table.table, places=(place,), message=message)


def _lowest(metric: str) -> Decimal:
    return Decimal(-1) if metric.startswith("kappa") else Decimal(0)


def _is_in_range(metric: str, value: Decimal) -> bool:
    return value >= _lowest(metric) and (value <= 1 or metric in UNBOUNDED)


def check_digits(table: Published) -> Iterator[Finding]:
    """Find numbers with more or fewer decimals than most numbers of their measure."""
    decimals: dict[str, dict[Place, int]] = {}
    for place in _list_cells(table):
        value, metric = parse_number(table.text(*place)), place[2]
        if value is not None and _is_in_range(metric, value):
            decimals.setdefault(metric, {})[place] = -int(value.as_tuple().exponent)
    for metric, counts in decimals.items():
        usual, times = Counter(counts.values()).most_common(1)[0]
        if 2 * times <= len(counts):
            continue
        for place, count in counts.items():
            if count != usual:
                text = table.text(*place)
                message = f"{metric} of {place[0]} on {place[1]}: {text} has {count} decimals, others have {usual}"
                yield Finding(rule="digits", table=table.table, places=(place,), message=message)


def check_marks(table: Published) -> Iterator[Finding]:
    """Find marks of best, second and third that contradict the numbers of their line. Equal numbers share a mark."""
    for subset, metric in table.lines:
        marks = {method: table.mark(method, subset, metric) for method in table.columns}
        marks = {method: mark for method, mark in marks.items() if mark}
        expected = derive_marks(table, subset, metric)
        best = [method for method, mark in expected.items() if mark == "best"]
        if len(best) > 1 and "second" not in marks.values():
            # Some papers count two best as first and second, and the next number as third.
            third = [method for method, rank in rank_line(table, subset, metric).items() if rank == 1]
            is_third = len(best) == 2 and "third" in marks.values()
            expected = dict.fromkeys(best, "best") | dict.fromkeys(third if is_third else (), "third")
        wrong = [method for method in table.columns if marks.get(method) != expected.get(method)]
        if not wrong:
            continue
        faults = []
        for method in wrong:
            actual, right = marks.get(method, "none"), expected.get(method, "none")
            faults.append(f"{table.text(method, subset, metric)} of {method} is marked {actual} but is {right}")
        places = tuple((method, subset, metric) for method in wrong)
        message = f"{metric} on {subset}: {'; '.join(faults)}"
        yield Finding(rule="marks", table=table.table, places=places, message=message)


def derive_marks(table: Published, subset: str, metric: str) -> dict[str, str]:
    """Derive the marks of a line from its numbers: method -> a mark of RANKS, as far as the table uses it."""
    used = {mark for cells in table.marks.values() for row in cells.values() for mark in row.values()}
    ranks = rank_line(table, subset, metric)
    return {method: RANKS[rank] for method, rank in ranks.items() if rank < len(RANKS) and RANKS[rank] in used}


def rank_line(table: Published, subset: str, metric: str) -> dict[str, int]:
    """Rank the numbers of a line: method -> 0 for the best, 1 for the second. Equal numbers share a rank."""
    values = table.line(subset, metric)
    ranked = sorted(set(values.values()), reverse=DIRECTIONS.get(metric, "higher") == "higher")
    return {method: ranked.index(value) for method, value in values.items()}


def _list_ordered_pairs() -> list[tuple[str, str]]:
    pairs = [("mse", "mae")]
    for key, metric in METRICS.items():
        mean = f"{metric.measure}_mean"
        if metric.variant in ("max", "min") and mean in METRICS:
            pairs.append((mean, key) if metric.variant == "max" else (key, mean))
        if metric.measure == "iou":
            pairs += [(key, f"{other}_{metric.variant}") for other in ("dice", "f1")]
    return pairs


ORDERED_PAIRS = _list_ordered_pairs()  # of one method on one subset, the first is never greater than the second


def check_pairs(table: Published) -> Iterator[Finding]:
    """Find two measures of a method that no map has: a mean above its maximum, IoU above Dice, MSE above MAE."""
    for subset in _list_subsets(table):
        for method in table.columns:
            for lower, upper in ORDERED_PAIRS:
                small, large = (parse_number(table.text(method, subset, metric)) for metric in (lower, upper))
                if small is not None and large is not None and small > large:
                    message = f"{method} on {subset}: {lower} {small} is greater than {upper} {large}, which cannot be"
                    places = ((method, subset, lower), (method, subset, upper))
                    yield Finding(rule="pair", table=table.table, places=places, message=message)


def check_copies(table: Published) -> Iterator[Finding]:
    """Find two methods with the same text in every measure of a subset, if there are at least four."""
    for subset in _list_subsets(table):
        for left, right in combinations(table.columns, 2):
            row = table.columns[left].get(subset, {})
            if len(row) >= MIN_COPIED and row == table.columns[right].get(subset):
                places = tuple((method, subset, metric) for method in (left, right) for metric in row)
                message = f"{left} and {right} have the same numbers on {subset}: {', '.join(row.values())}"
                yield Finding(rule="copied", table=table.table, places=places, message=message)


def check_between(tables: Sequence[Published]) -> Iterator[Finding]:
    """Find a method, subset and measure with different texts in two tables of one paper."""
    for left, right in combinations(tables, 2):
        if left.paper != right.paper:
            continue
        for method in (method for method in left.columns if method in right.columns):
            for subset, metric in left.lines:
                place = (method, subset, metric)
                texts = left.text(*place), right.text(*place)
                if None in texts or texts[0] == texts[1]:
                    continue
                cell = f"{metric} of {method} on {subset}"
                yield Finding(
                    rule="differs",
                    table=f"{left.table}, {right.table}",
                    places=(place,),
                    message=f"{cell}: {texts[0]} in {left.table}, {texts[1]} in {right.table}",
                    paper=left.paper,
                )


def _list_cells(table: Published) -> list[Place]:
    places = [(method, subset, metric) for subset, metric in table.lines for method in table.columns]
    return [place for place in places if table.text(*place) is not None]


def _list_subsets(table: Published) -> list[str]:
    return list(dict.fromkeys(subset for subset, _ in table.lines))
