"""Evaluation protocols by name: the switches in which published evaluation codes differ, as data.

What a code does not compute (most measures in isnet, IoU and the like in birefnet) is computed as in pysod. Where a
code answers NaN, the protocol answers as the table in disbench.metrics says. docs/protocols.md has it all in a table.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from disbench.errors import InputError

EPS = float(np.spacing(1.0))


class Structure(NamedTuple):
    """How S is computed.

    sample: variances over n - 1; else over n, but for the covariance
    eps: what is added to divisors
    clamp: S is at least 0
    whole: S is 0 where some variance is over no pixels at all, one with sample, or a quadrant is empty
    """

    sample: bool = True
    eps: float = EPS
    clamp: bool = True
    whole: bool = False


class CurveEps(NamedTuple):
    """What is added to the divisors of precision, recall and F at the thresholds of a curve."""

    precision: float = 0.0
    recall: float = 0.0
    f: float = 0.0


NO_EPS, SAMPLE = CurveEps(), Structure()


@dataclass(frozen=True)
class EvalProtocol:
    """A map of more than one level is first stretched to its own minimum and maximum.

    e: the variant of E that a table of this protocol prints
    arithmetic: in what order levels are stretched, which decides the threshold that some of them reach:
        "unit": level / 255 first, "level": integers first, "float32": level / 255 first, in single precision
    binarise: the stretched map is then 1 above 1/2 and 0 elsewhere
    constant_counts: a constant map takes part in curves, where 0/0 in the stretch would leave it out
    truth_above: a pixel of the truth is foreground where its level is greater; None: than half of the truth's maximum
    grey_truth: MAE is taken to the truth's own levels
    beta2: weight of precision in F
    thresholds: of the curves, 0 to 254 or to 255
    curve_eps: see there
    f_of_means: the F curve of a data set is F of the mean precision and recall (see pooled_eps), not the mean F
    pooled_eps: what is added to the divisor of that F
    skip_empty: an image without foreground takes no part in the mean F curve
    e_eps: what is added to the divisors of E
    structure: see there
    weighted_eps: what is added to the divisors of weighted F
    smooth: what is added to numerator and divisor of IoU and soft Dice
    ber_eps: what is added to the divisors of BER
    at_half: the measures for which a map is binary at or above 1/2; for others above it
    corrected_above: HCE takes the raw map as foreground where its level is greater; None: the stretched one above 1/2
    resize: how a map of another size is brought to the truth's; None: such a map is refused
    """

    name: str
    e: str = "mean"
    arithmetic: str = "unit"
    binarise: bool = False
    constant_counts: bool = True
    truth_above: int | None = 128
    grey_truth: bool = False
    beta2: float = 0.3
    thresholds: int = 256
    curve_eps: CurveEps = NO_EPS
    f_of_means: bool = False
    pooled_eps: float = 0.0
    skip_empty: bool = False
    e_eps: float = EPS
    structure: Structure = SAMPLE
    weighted_eps: float = EPS
    smooth: float = 0.0
    ber_eps: float = 0.0
    at_half: frozenset[str] = frozenset()
    corrected_above: int | None = None
    resize: str | None = None

    @property
    def switches(self) -> tuple[str, ...]:
        """What decides its numbers, as fields of a signature; what is as in pysod goes without saying from F on."""
        fields = [
            self.name,
            "pred:minmax" + (">0.5" if self.binarise else ""),
            "gt>max/2" if self.truth_above is None else f"gt>{self.truth_above}",
            f"thr:{self.thresholds}",
            f"b2:{self.beta2:g}",
        ]
        if self.f_of_means:
            fields.append(f"F:mean-PR+{self.pooled_eps:g}")
        if any(self.curve_eps):
            fields.append("eps:" + "/".join(f"{eps:g}" for eps in self.curve_eps))
        if self.skip_empty:
            fields.append("F:nonempty")
        if not self.constant_counts:
            fields.append("F:constant=0")
        if self.arithmetic != "unit":
            fields.append(f"bins:{self.arithmetic}")
        fields.append(f"E:{self.e}" + (f"+{self.e_eps:g}" if self.e_eps != EPS else ""))
        if self.structure != SAMPLE:
            sample, eps, clamp, whole = self.structure
            kinds = {"population": not sample, f"+{eps:g}": eps != EPS, "unclamped": not clamp, "undefined=0": whole}
            fields.append("S:" + ",".join(kind for kind, holds in kinds.items() if holds))
        if self.weighted_eps != EPS:
            fields.append(f"wF:+{self.weighted_eps:g}")
        if self.smooth:
            fields.append(f"IoU:+{self.smooth:g}")
        if self.ber_eps:
            fields.append(f"BER:+{self.ber_eps:g}")
        if self.at_half:
            fields.append(f"{','.join(sorted(self.at_half))}:>=0.5")
        if self.corrected_above is not None:
            fields.append(f"HCE:>{self.corrected_above}")
        if self.grey_truth:
            fields.append("MAE:grey-gt")
        return tuple(fields)


# PySODMetrics 1.6.2, which UDUN's evaluation agrees with.
PYSOD = EvalProtocol("pysod")
# github.com/qianyu-dlut/MVANet, test.py with utils/saliency_metric.py, since 2025-02-20 (5952599).
_MVANET = {
    "e": "adaptive",
    "arithmetic": "level",
    "truth_above": None,
    "thresholds": 255,
    "curve_eps": CurveEps(precision=1e-8),
    "e_eps": 1e-8,
    "structure": Structure(sample=False, eps=1e-8, clamp=False),
    "weighted_eps": 1e-6,
    "smooth": 1e-5,
    "ber_eps": 1e-8,
    "at_half": frozenset({"ber", "accuracy"}),
    "resize": "pillow-bicubic",
}
MVANET = EvalProtocol("mvanet", skip_empty=True, **_MVANET)
# The same from 2024-11-03 (f4872c1) until then, with a smaller number in all divisors.
_SMALLER = {
    "curve_eps": CurveEps(precision=EPS),
    "e_eps": EPS,
    "structure": Structure(sample=False, clamp=False),
    "weighted_eps": EPS,
    "ber_eps": EPS,
}
MVANET_2024_11 = EvalProtocol("mvanet-2024-11", skip_empty=True, **_MVANET | _SMALLER)
# The same before 2024-11-03, as first published (03c5019).
MVANET_2024 = EvalProtocol("mvanet-2024", f_of_means=True, pooled_eps=1e-8, **_MVANET)
# github.com/qianyu-dlut/DiffDIS, test_score.py: MVANet's, of binary maps.
DIFFDIS = EvalProtocol("diffdis", binarise=True, skip_empty=True, **_MVANET)
# github.com/xuebinqin/DIS, IS-Net: valid() with basics.py, and hce_metric_main.py for HCE. An 8-bit map stands for the
# network's output level / 255.
ISNET = EvalProtocol(
    "isnet",
    arithmetic="float32",
    constant_counts=False,
    grey_truth=True,
    thresholds=255,
    curve_eps=CurveEps(1e-4, 1e-4, 1e-4),
    f_of_means=True,
    pooled_eps=1e-8,
    corrected_above=128,
)
# github.com/ZhengPeng7/BiRefNet, evaluation/metrics.py.
BIREFNET = EvalProtocol("birefnet", structure=Structure(whole=True), corrected_above=128, resize="opencv-bilinear")

PROTOCOLS = {p.name: p for p in (PYSOD, DIFFDIS, MVANET, MVANET_2024_11, MVANET_2024, ISNET, BIREFNET)}


def get_protocol(name: str) -> EvalProtocol:
    """The protocol of that name, or an InputError that lists the known ones."""
    if name not in PROTOCOLS:
        raise InputError(f"protocol: {name!r} is unknown, known are: {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def parse_protocols(protocols: str) -> tuple[str, ...]:
    """The names in "a,b,c", each once; InputError for an unknown one and for none."""
    return tuple(dict.fromkeys(get_protocol(name.strip()).name for name in protocols.split(",")))
