"""The rule for Overall: it is the mean of its subsets. Two faults at once may be two swapped cells."""

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from itertools import combinations

from disbench.data.dataset import OVERALL, TEST_SPLITS
from disbench.leaderboard.finding import Finding
from disbench.leaderboard.tables import Published, parse_number
from disbench.metrics.areas import AREAS
from disbench.metrics.catalogue import METRICS

# The maximum of a pooled curve is at most the mean of the subsets' maxima. How far below it lies is not bounded by the
# numbers of a table; for maps like those of DIS it was .002.
SLACK = Decimal("0.01")

Column = tuple[str, str]  # method, metric: an Overall and its subsets


def check_overall(table: Published) -> Iterator[Finding]:
    """Find Overall numbers that do not follow from their subsets, and pairs of swapped numbers that explain two."""
    metrics = dict.fromkeys(metric for _, metric in table.lines)
    wrong = [(method, metric) for metric in metrics for method in table.columns if _is_off(table, (method, metric))]
    explained: set[Column] = set()
    for first, second in combinations(wrong, 2):
        if (first[0] == second[0]) == (first[1] == second[1]) or explained & {first, second}:
            continue
        subsets = [subset for subset in (*TEST_SPLITS, OVERALL) if _swap_resolves(table, first, second, subset)]
        if subsets:
            explained |= {first, second}
            yield _report_swap(table, first, second, subsets)
    for column in wrong:
        if column not in explained:
            yield _report_mean(table, column)


def _report_swap(table: Published, first: Column, second: Column, subsets: list[str]) -> Finding:
    pairs = [[(method, subset, metric) for method, metric in (first, second)] for subset in subsets]
    left, right = pairs[0]
    texts = [str(table.text(*place)) for place in pairs[0]]
    methods, measures = (" and ".join(dict.fromkeys(words)) for words in zip(first, second, strict=True))
    message = (
        f"{measures} of {methods} on {' or '.join(subsets)} look swapped ({' and '.join(texts)}): "
        "the other way round both agree with Overall"
    )
    return Finding(
        rule="swapped",
        table=table.table,
        places=tuple(place for pair in pairs for place in pair),
        message=message,
        fixes=((left, texts[1]), (right, texts[0])) if len(subsets) == 1 else (),
    )


def _report_mean(table: Published, column: Column) -> Finding:
    method, metric = column
    text, mean = table.text(method, OVERALL, metric), _average_subsets(table, column)
    assert text is not None and mean is not None  # otherwise the column is not off
    rounded = str(mean.quantize(Decimal(text), ROUND_HALF_UP))
    place = (method, OVERALL, metric)
    message = (
        f"{metric} of {method}, {OVERALL}: {text} is printed, "
        f"{rounded} follows from {TEST_SPLITS[0]} to {TEST_SPLITS[-1]}"
    )
    return Finding(rule="mean", table=table.table, places=(place,), message=message, fixes=((place, rounded),))


def _average_subsets(table: Published, column: Column) -> Decimal | None:
    method, metric = column
    values = [parse_number(table.text(method, subset, metric)) for subset in TEST_SPLITS]
    numbers = [value for value in values if value is not None]
    return sum(numbers, Decimal(0)) / len(numbers) if len(numbers) == len(values) else None


def _is_off(table: Published, column: Column) -> bool:
    """Check whether no unrounded numbers could be printed as these subsets and this Overall."""
    method, metric = column
    mean, value = _average_subsets(table, column), parse_number(table.text(method, OVERALL, metric))
    if mean is None or value is None:
        return False
    numbers = [parse_number(table.text(method, subset, metric)) for subset in TEST_SPLITS]
    units = [_last_digit(number) for number in numbers if number is not None]
    tolerance = (sum(units, Decimal(0)) / len(units) + _last_digit(value)) / 2
    variant = METRICS[metric].variant if metric in METRICS else ""
    if metric in AREAS or variant == "whole":  # of mean curves, or of counts: not a mean of the subsets' values
        return False
    below, above = (tolerance + SLACK * (variant == side) for side in ("max", "min"))
    return not -below <= value - mean <= above


def _last_digit(number: Decimal) -> Decimal:
    """Return the unit of the last printed digit."""
    return Decimal(1).scaleb(int(number.as_tuple().exponent))


def _swap_resolves(table: Published, first: Column, second: Column, subset: str) -> bool:
    """Check whether swapping two columns' numbers of a subset makes both agree with their Overall."""
    left, right = ((method, subset, metric) for method, metric in (first, second))
    left_text, right_text = table.text(*left), table.text(*right)
    if left_text is None or right_text is None:
        return False
    swapped = table.changed({left: right_text, right: left_text})
    return not (_is_off(swapped, first) or _is_off(swapped, second))
