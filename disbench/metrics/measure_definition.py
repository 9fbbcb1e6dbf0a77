"""A measure as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Measure:
    """The symbols and the definition of a measure.

    Attributes:
        name: key of the measure, and the beginning of the keys of its metrics.
        symbol: symbol in plain text.
        latex: symbol in LaTeX.
        direction: "higher" or "lower", whichever is better.
        formula: definition for readers.
        reference: the paper that defines it.
        variants: from a name in VARIANTS to its printed label. Empty for measures of whole maps.
        optional: compute the measure only on request, because it takes long.
        digits: digits behind the decimal point in print.
    """

    name: str
    symbol: str
    latex: str
    direction: str = "higher"
    formula: str
    reference: str
    variants: Mapping[str, str] = field(default_factory=dict)
    optional: bool = False
    digits: int = 3
