"""Protocols that cannot have produced a row of a paper's table, and those that are unlikely to have.

Only what follows from the rules of a protocol is called impossible. `diffdis` scores binary maps. Their curves are flat
above threshold 0, where everything is foreground: with a the score of an all-foreground map and b that of the binary
map, the mean over 255 thresholds is (a + 254 b) / 255, and the maximum is the greater of a and b. If b is not less than
a, the maximum exceeds the mean by at most 1 / 255, and the mean does not exceed b, which is also the adaptive score.

What depends on the maps is called unlikely, and the scores of DIS-Mini's measured entries are shown as evidence.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from disbench.errors import InputError
from disbench.leaderboard.entry import BOARDS_ROOT, list_entries
from disbench.leaderboard.evidence import load_measured
from disbench.leaderboard.tables import Published, parse_number
from disbench.metrics.catalogue import METRICS
from disbench.metrics.protocols import PROTOCOLS

BINARY = tuple(name for name, protocol in PROTOCOLS.items() if protocol.binarise)
SOFT = tuple(name for name in PROTOCOLS if name not in BINARY)
EVIDENCE_BOARD = "dis-mini"
EVIDENCE_PROTOCOLS = ("pysod", "diffdis")
STEP = Decimal(1) / 255  # the share of one threshold in the mean of a binary map's curve
MEAN_PAIRS = (("f_mean", "f_max"), ("e_mean", "e_max"))
UNLESS = "unless the maps score less than an all-foreground one"
# Measures of binary maps that each authors' code does not compute; see docs/protocols.md. A row may join the output of
# several scripts, so this is said of measures, not of rows.
_CURVES = ("iou", "ber", "accuracy", "dice")
NOT_COMPUTED = {
    "isnet": ("e", "s_measure", "f_weighted", "f_adaptive", *_CURVES),
    "birefnet": _CURVES,
    "pdfnet": ("hce", *_CURVES),
    "mvanet-2024": ("hce",),
    "mvanet-2024-11": ("hce",),
}


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Scores of a measured entry of DIS-Mini.

    Attributes:
        method: the entry's title.
        protocol: the protocol.
        subset: the subset.
        scores: metric -> score.
    """

    method: str
    protocol: str
    subset: str
    scores: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Protocols that a row was not made by.

    Attributes:
        verdict: "impossible" or "unlikely".
        protocols: their names.
        method: the row's method; "" for a verdict on measures of the whole table.
        subset: the row's subset; "" as for `method`.
        message: the reason, with the numbers.
        evidence: measured scores that show what is likely; none for what is impossible.
        command: the command that prints the evidence; "" without.
    """

    verdict: str
    protocols: tuple[str, ...]
    method: str
    subset: str
    message: str
    evidence: tuple[Evidence, ...] = ()
    command: str = ""


def judge_protocols(table: Published) -> Iterator[Verdict]:
    """Yield what the numbers of a table say about the protocols that they were made with."""
    metrics = dict.fromkeys(metric for _, metric in table.lines)
    yield from _judge_measures(list(metrics))
    for method, printed in table.columns.items():
        for subset, row in printed.items():
            numbers = {key: value for key, text in row.items() if (value := parse_number(text)) is not None}
            yield from _judge_row(method, subset, numbers)


def _judge_measures(metrics: Sequence[str]) -> Iterator[Verdict]:
    protocols: dict[str, list[str]] = {}
    for protocol, missing in NOT_COMPUTED.items():
        keys = [key for key in metrics if key in METRICS and {key, METRICS[key].measure} & set(missing)]
        if keys:
            protocols.setdefault(", ".join(keys), []).append(protocol)
    for keys_text, names in protocols.items():
        message = f"their authors' code does not compute {keys_text}"
        yield Verdict(verdict="impossible", protocols=tuple(names), method="", subset="", message=message)


def _judge_row(method: str, subset: str, numbers: Mapping[str, Decimal]) -> Iterator[Verdict]:
    unlikely = functools.partial(_judge_by_evidence, method=method, subset=subset)
    for mean, top in MEAN_PAIRS:
        if mean not in numbers or top not in numbers:
            continue
        gap, tolerance = numbers[top] - numbers[mean], _rounding(numbers[top], numbers[mean])
        pair = f"{top} {numbers[top]} and {mean} {numbers[mean]} differ by {gap}"
        if gap > STEP + tolerance:
            message = f"{pair}; of binary maps they differ by at most 1/255, {UNLESS}"
            yield Verdict(verdict="impossible", protocols=BINARY, method=method, subset=subset, message=message)
        elif gap >= -tolerance:
            yield from unlikely(f"{pair}, as those of maps that are binary", (top, mean), float(gap + tolerance))
    for mean, adaptive in (("f_mean", "f_adaptive"), ("e_mean", "e_adaptive")):
        if mean not in numbers or adaptive not in numbers:
            continue
        gap, tolerance = numbers[adaptive] - numbers[mean], _rounding(numbers[mean], numbers[adaptive])
        if gap < -tolerance:
            pair = f"{mean} {numbers[mean]} is above {adaptive} {numbers[adaptive]}"
            message = f"{pair}; of binary maps it is not, {UNLESS}"
            yield Verdict(verdict="impossible", protocols=BINARY, method=method, subset=subset, message=message)
            yield from unlikely(pair, (adaptive, mean), float(gap + tolerance))


def _rounding(*numbers: Decimal) -> Decimal:
    """Return how far the difference of two printed numbers may be from that of the unrounded ones."""
    units = (Decimal(1).scaleb(int(number.as_tuple().exponent)) for number in numbers)
    return sum(units, Decimal(0)) / 2


def _judge_by_evidence(
    message: str, keys: tuple[str, str], most: float, *, method: str, subset: str
) -> Iterator[Verdict]:
    """Call soft maps unlikely if no evidence has a difference of the two metrics that is as small."""
    evidence = load_evidence(keys)
    high, low = keys
    gaps = [row.scores[high] - row.scores[low] for row in evidence if row.protocol in SOFT]
    if gaps and min(gaps) > most:
        protocols = ",".join(EVIDENCE_PROTOCOLS)
        yield Verdict(
            verdict="unlikely",
            protocols=SOFT,
            method=method,
            subset=subset,
            message=f"{message}; on DIS-Mini {high} exceeds {low} of soft maps by {min(gaps):.3f} to {max(gaps):.3f}",
            evidence=evidence,
            command=f"disbench report {EVIDENCE_BOARD} --metrics {high},{low} --protocol {protocols}",
        )


@functools.cache
def load_evidence(keys: tuple[str, ...]) -> tuple[Evidence, ...]:
    """Score the shipped entries of DIS-Mini under a protocol of soft maps and one of binary maps."""
    if BOARDS_ROOT is None:
        return ()
    evidence = []
    for path in list_entries(BOARDS_ROOT / EVIDENCE_BOARD):
        for result in load_measured(path):
            for protocol in EVIDENCE_PROTOCOLS:
                try:
                    scores = result.with_protocol(protocol).scores(keys)
                except InputError:
                    continue
                evidence += [
                    Evidence(method=result.title, protocol=protocol, subset=subset, scores=row)
                    for subset, row in scores.items()
                ]
    return tuple(evidence)
