"""Evaluation protocols by name: the switches in which published evaluation scripts differ, as data.

A measure that a script does not compute (most measures for isnet, IoU and similar ones for birefnet) follows pysod.
Where a script returns NaN, the protocol returns the value in the table of disbench.metrics.scoring.
docs/protocols.md compares all protocols in one table.
"""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from disbench.errors import InputError, wrong_type

EPS = float(np.spacing(1.0))


@dataclass(frozen=True, kw_only=True)
class StructureRules:
    """The rules by which a protocol computes S-measure.

    Attributes:
        sample: divide variances by n - 1. False: divide them by n; the covariance is still divided by n - 1.
        population_objects: divide the variances of objects by n, whatever `sample` says.
        eps: number added to divisors.
        clamp: raise a negative S to 0.
        undefined_is_zero: S is 0 where the authors' code returns NaN: a variance has too few pixels, or a quadrant is
            empty.
    """

    sample: bool = True
    population_objects: bool = False
    eps: float = EPS
    clamp: bool = True
    undefined_is_zero: bool = False

    @property
    def sample_objects(self) -> bool:
        """Whether the variances of objects are divided by n - 1."""
        return self.sample and not self.population_objects


class CurveEps(NamedTuple):
    """Numbers added to the divisors of precision, recall and F at the thresholds of a curve."""

    precision: float = 0.0
    recall: float = 0.0
    f: float = 0.0


NO_EPS, SAMPLE = CurveEps(), StructureRules()


@dataclass(frozen=True, kw_only=True)
class EvalProtocol:
    """The rules by which one evaluation script scores prediction maps.

    Every protocol first stretches a map with more than one level to its own minimum and maximum.

    Attributes:
        name: name of the protocol in commands and signatures.
        e: variant of E that a table of this protocol prints.
        arithmetic: order of operations in the stretch, which decides the threshold that some levels reach. "unit":
            divide levels by 255 first. "level": subtract integers first. "float32": as "unit", in single precision.
        binarise: after the stretch, map values above 1/2 to 1 and all others to 0.
        constant_counts: include constant maps in curves. False: drop them, as the authors' 0/0 does.
        truth_above: a truth pixel is foreground where its level is greater. None: greater than half of the maximum.
        grey_truth: compute MAE against the truth's own levels instead of its foreground.
        beta2: weight of precision in F.
        thresholds: number of thresholds of curves, 256 (0 to 255) or 255 (0 to 254).
        curve_eps: numbers added to divisors on curves.
        f_of_means: the F curve of a data set is F of the mean precision and recall. False: it is the mean F.
        pooled_eps: number added to the divisor of F of the mean precision and recall.
        skip_empty: omit images without foreground from the mean F curve.
        e_eps: number added to the divisors of E.
        structure: how S-measure is computed.
        weighted_eps: number added to the divisors of weighted F.
        smooth: number added to numerator and divisor of IoU and soft Dice.
        ber_eps: number added to the divisors of BER.
        at_half: measures whose binary map includes the value 1/2. Other measures take values above 1/2.
        hce_above: HCE takes raw levels above this one as foreground. None: stretched values above 1/2.
        resize: how a map is resized to its truth; see disbench.metrics.resize. None: a map of another size is
            refused.
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
    structure: StructureRules = SAMPLE
    weighted_eps: float = EPS
    smooth: float = 0.0
    ber_eps: float = 0.0
    at_half: frozenset[str] = frozenset()
    hce_above: int | None = None
    resize: str | None = None

    @property
    def switches(self) -> tuple[str, ...]:
        """The fields of a signature that describe this protocol.

        The name and the first five fields are always present. The others appear only where they differ from pysod.
        """
        fixed = (
            self.name,
            "pred:minmax" + (">0.5" if self.binarise else ""),
            "gt>max/2" if self.truth_above is None else f"gt>{self.truth_above}",
            f"thr:{self.thresholds}",
            f"b2:{self.beta2:g}",
        )
        return (*fixed, *self._curve_fields(), self._e_field(), *self._measure_fields())

    def _curve_fields(self) -> Iterator[str]:
        if self.f_of_means:
            yield f"F:mean-PR+{self.pooled_eps:g}"
        if any(self.curve_eps):
            yield "eps:" + "/".join(f"{eps:g}" for eps in self.curve_eps)
        if self.skip_empty:
            yield "F:nonempty"
        if not self.constant_counts:
            yield "F:constant=0"
        if self.arithmetic != "unit":
            yield f"bins:{self.arithmetic}"

    def _e_field(self) -> str:
        return f"E:{self.e}" if self.e_eps == EPS else f"E:{self.e}+{self.e_eps:g}"

    def _measure_fields(self) -> Iterator[str]:
        if self.structure != SAMPLE:
            departures = {
                "population": not self.structure.sample,
                "population objects": self.structure.population_objects,
                f"+{self.structure.eps:g}": self.structure.eps != EPS,
                "unclamped": not self.structure.clamp,
                "undefined=0": self.structure.undefined_is_zero,
            }
            yield "S:" + ",".join(name for name, applies in departures.items() if applies)
        if self.weighted_eps != EPS:
            yield f"wF:+{self.weighted_eps:g}"
        if self.smooth:
            yield f"IoU:+{self.smooth:g}"
        if self.ber_eps:
            yield f"BER:+{self.ber_eps:g}"
        if self.at_half:
            yield f"{','.join(sorted(self.at_half))}:>=0.5"
        if self.hce_above is not None:
            yield f"HCE:>{self.hce_above}"
        if self.grey_truth:
            yield "MAE:grey-gt"


# PySODMetrics 1.6.2. The evaluation code of UDUN agrees with it.
PYSOD = EvalProtocol(name="pysod")

# github.com/qianyu-dlut/MVANet, test.py with utils/saliency_metric.py, since 2025-02-20 (5952599).
_MVANET: dict[str, Any] = {
    "e": "adaptive",
    "arithmetic": "level",
    "truth_above": None,
    "thresholds": 255,
    "curve_eps": CurveEps(precision=1e-8),
    "e_eps": 1e-8,
    "structure": StructureRules(sample=False, eps=1e-8, clamp=False),
    "weighted_eps": 1e-6,
    "smooth": 1e-5,
    "ber_eps": 1e-8,
    "at_half": frozenset({"ber", "accuracy"}),
    "resize": "pillow-bicubic",
}
MVANET = EvalProtocol(name="mvanet", skip_empty=True, **_MVANET)

# The same code from 2024-11-03 (f4872c1) until then adds a smaller number to all divisors.
_SMALLER_EPS: dict[str, Any] = {
    "curve_eps": CurveEps(precision=EPS),
    "e_eps": EPS,
    "structure": StructureRules(sample=False, clamp=False),
    "weighted_eps": EPS,
    "ber_eps": EPS,
}
MVANET_2024_11 = EvalProtocol(name="mvanet-2024-11", skip_empty=True, **_MVANET | _SMALLER_EPS)

# The same code before 2024-11-03, as first published (03c5019).
MVANET_2024 = EvalProtocol(name="mvanet-2024", f_of_means=True, pooled_eps=1e-8, **_MVANET)

# github.com/qianyu-dlut/DiffDIS, test_score.py: MVANet's code, applied to binary maps.
DIFFDIS = EvalProtocol(name="diffdis", binarise=True, skip_empty=True, **_MVANET)

# github.com/xuebinqin/DIS, IS-Net: valid() with basics.py, and hce_metric_main.py for HCE. An 8-bit map stands for the
# network's output level / 255.
ISNET = EvalProtocol(
    name="isnet",
    arithmetic="float32",
    constant_counts=False,
    grey_truth=True,
    thresholds=255,
    curve_eps=CurveEps(1e-4, 1e-4, 1e-4),
    f_of_means=True,
    pooled_eps=1e-8,
    hce_above=128,
)

# github.com/ZhengPeng7/BiRefNet, evaluation/metrics.py.
BIREFNET = EvalProtocol(
    name="birefnet",
    structure=StructureRules(undefined_is_zero=True),
    hce_above=128,
    resize="opencv-bilinear",
)

# github.com/Tennine2077/PDFNet, metric_tools/soc_metrics.py with metrics.py (f4e218b).
PDFNET = EvalProtocol(
    name="pdfnet",
    f_of_means=True,
    pooled_eps=1e-16,
    e_eps=1e-16,
    structure=StructureRules(population_objects=True, eps=1e-16, undefined_is_zero=True),
    weighted_eps=1e-16,
    resize="opencv-bilinear-both",
)

PROTOCOLS = {p.name: p for p in (PYSOD, DIFFDIS, MVANET, MVANET_2024_11, MVANET_2024, ISNET, BIREFNET, PDFNET)}


def get_protocol(name: str) -> EvalProtocol:
    """Return the protocol with this name. Raises InputError for an unknown name."""
    if not isinstance(name, str):
        raise wrong_type("protocol", name, "a name as text, such as 'pysod'")
    if name not in PROTOCOLS:
        similar = difflib.get_close_matches(name, PROTOCOLS, n=1)
        hint = f"; did you mean {similar[0]}?" if similar else ""
        raise InputError(f"protocol: {name!r} is unknown; known: {', '.join(PROTOCOLS)}{hint}")
    return PROTOCOLS[name]


def parse_protocols(protocol: str) -> tuple[str, ...]:
    """Parse "a,b,c" into protocol names, each once. Raises InputError for an unknown name and for an empty list."""
    if not isinstance(protocol, str):
        raise wrong_type("protocol", protocol, "names as text with commas, such as 'pysod,diffdis'")
    return tuple(dict.fromkeys(get_protocol(name.strip()).name for name in protocol.split(",")))
