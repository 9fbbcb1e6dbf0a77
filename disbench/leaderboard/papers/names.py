"""Names of subsets and measures as papers write them, and numbers as they print them."""

import re
from dataclasses import dataclass

from disbench.data.dataset import OVERALL
from disbench.metrics.catalogue import METRICS

_GREEK = "αγφϕξβᵦᵩᵝ"
_VARIANTS = {
    "max": ("max", "mx", "maximum", "x"),
    "mean": ("mean", "m", "mn", "avg", "average"),
    "adaptive": ("adp", "ad", "adaptive", "a", "adapt"),
    "weighted": ("ω", "w", "weighted", "wt"),
    "binary": ("bin", "binary"),
    "min": ("min",),
    "whole": ("whole",),
    "soft": ("soft",),
}
_BASES = {
    "f": ("f", "fmeasure", "fscore"),
    "e": ("e", "emeasure"),
    "f1": ("f1",),
    "iou": ("iou",),
    "dice": ("dice", "dsc"),
    "precision": ("precision", "p"),
    "recall": ("recall", "r"),
    "specificity": ("specificity", "tnr"),
    "fpr": ("fpr",),
    "ber": ("ber",),
    "accuracy": ("accuracy", "acc"),
    "kappa": ("kappa", "κ"),
    "biou": ("biou", "boundaryiou"),
    "msiou": ("msiou",),
}
_WHOLE_MEASURES = {
    "s_measure": ("s", "sm", "smeasure", "structuremeasure"),
    "mae": ("m", "mae"),
    "hce": ("hce",),
    "mse": ("mse",),
    "mba": ("mba",),
    "context": ("context",),
    "sad": ("sad",),
    "mad": ("mad",),
    "grad": ("grad",),
    "conn": ("conn",),
}
# Names without a variant, and what they are read as. The audit says so.
_ASSUMED = {"f": "f_max", "e": "e_mean", "f1": "f1_max", "iou": "iou_binary", "miou": "iou_binary",
            "dice": "dice_binary", "ber": "ber_binary", "accuracy": "accuracy_binary", "biou": "biou_mean",
            "precision": "precision_binary", "recall": "recall_binary"}  # fmt: skip
_SUBSET = r"(?:DIS[\s_-]?(?:5K)?[\s_-]*)?(?:(TE|Test)[\s_-]*([1-4])|(VD|Val|TR))"
_OVERALL = (
    r"(?:overall|average|avg\.?|all|mean|total)(?:\s*(?:on|of|over|,)?\s*\(?(?:DIS[\s_-]?)?TE[\s_-]*\(?[\w\s,–.~-]*\)*)?"
    r"|(?:DIS[\s_-]?)?TEs?[\s_-]*\(?\s*(?:1\s*(?:[-–—~]|to|\.\.)\s*(?:(?:DIS[\s_-]?)?TE[\s_-]?)?4|all)\s*\)?"
    r"|DIS[\s_-]?TE"
)
_COUNT = r"(?:\s*\(\s*(?:n\s*=\s*)?[\d,]+(?:\s*images)?\s*\))?"
MISSING = {"", "-", "–", "—", "/", "n/a", "na", "n.a.", "none", "×", "*"}
_SPREAD = r"\s*(?:±\s*[\d.]+|\(\s*±?\s*[\d.]+\s*\)|_\{\s*±?\s*[\d.]+\s*\}|\[\s*[\d.]+\s*,\s*[\d.]+\s*\])?"
_NUMBER = re.compile(rf"(-?(?:\d{{1,9}}|[1-9]\d{{0,2}}(?:,\d{{3}})+)?(?:\.\d{{1,9}})?)(%?){_SPREAD}", re.ASCII)
_COST = re.compile(
    r"\b(?:param(?:eter)?s?|flops?|macs?|fps|speed|time|latency|memory|backbone|resolution)\b", re.IGNORECASE
)
_SIGN = re.compile(r"\^\{[^{}]*\}|[†‡§¶≈*↑↓⁰¹²³⁴-⁹]|\\(?:tied|checkmark) ?")


@dataclass(frozen=True, kw_only=True)
class NamedMetric:
    """A measure that a heading names.

    Attributes:
        key: its key in METRICS.
        is_assumed: whether the heading leaves the variant open.
    """

    key: str
    is_assumed: bool = False


def _simplify(text: str) -> str:
    """Reduce the name of a measure to its letters and digits, in lower case."""
    text = text.replace("₁", "1").replace("ₘ", "m")
    return re.sub(r"[^a-z0-9ωκβ]", "", "".join(c for c in text.lower() if c not in _GREEK))


def _list_names() -> dict[str, NamedMetric]:
    names: dict[str, NamedMetric] = {}
    for key, metric in METRICS.items():  # the names of disbench itself
        for name in (key, metric.symbol):
            if not key.startswith("size_") or name == key:
                names.setdefault(_simplify(name), NamedMetric(key=key))
    for measure, bases in _BASES.items():
        for base in bases:
            for variant, words in _VARIANTS.items():
                key = f"{measure}_{variant}"
                for word in words if key in METRICS else ():
                    for name in (f"{base}{word}", f"{word}{base}"):
                        names.setdefault(name, NamedMetric(key=key))
    for key, words in _WHOLE_MEASURES.items():
        names |= {word: NamedMetric(key=key) for word in words}
    for base, key in _ASSUMED.items():
        for name in _BASES.get(base, (base,)):
            names[name] = NamedMetric(key=key, is_assumed=True)
    return names


_NAMES = _list_names()


def recognise_metric(text: str) -> NamedMetric | None:
    """Recognise a measure, as F_β^{max}, maxF, wF, E_φ^m, S_α, M, MAE or HCE_γ. None: it is none that is known."""
    is_unit = text.strip().startswith(("(", "[")) or _COST.search(text)  # as (M) of parameters
    return None if is_unit or len(text) > 60 else _NAMES.get(_simplify(text))


def is_cost(text: str) -> bool:
    """Return whether a heading is of what a method costs, as parameters, FLOPs or time."""
    return _COST.search(text) is not None


def recognise_subset(text: str) -> str | None:
    """Recognise a subset of DIS5K or their Overall. None: it is neither."""
    text = re.sub(r"[\^_]\{([^{}]*)\}", r"\1", text).strip(" :.")
    if len(text) > 60:
        return None
    if match := re.fullmatch(_SUBSET + _COUNT, text, re.IGNORECASE):
        if match[1]:
            return f"DIS-TE{match[2]}"
        return "DIS-TR" if match[3].upper() == "TR" else "DIS-VD"
    return OVERALL if re.fullmatch(f"(?:{_OVERALL}){_COUNT}", text, re.IGNORECASE) else None


def recognise_both(text: str) -> tuple[str, NamedMetric] | None:
    """Recognise a subset and a measure in one heading, as "DIS-TE1 maxF". None: it is no such heading."""
    if len(text) > 60:
        return None
    for at in (match.start() for match in re.finditer(r"[\s:_/,|-]+", text)):
        for subset_text, metric_text in ((text[:at], text[at:]), (text[at:], text[:at])):
            subset = recognise_subset(subset_text.strip(" :_/,|-"))
            metric = recognise_metric(metric_text)
            if subset and metric:
                return subset, metric
    return None


def find_subsets(text: str) -> set[str]:
    """Return the subsets that a text names by their full names, as a caption does. It may be the name of one."""
    if alone := recognise_subset(text):
        return {alone}
    matches = re.finditer(r"\bDIS[\s_-]?(?:TE[\s_-]?([1-4])(?!\s*[-–])|(VD))\b", text)
    return {f"DIS-TE{match[1]}" if match[1] else "DIS-VD" for match in matches}


def split_signs(text: str) -> tuple[str, str]:
    """Split a cell or a name into its text and the signs and superscripts at its end, as † or ^{a}."""
    signs = ""
    while match := re.search(rf"(?:{_SIGN.pattern})\s*$", text):
        # A superscript within a name, as in U^{2}Net, is none of its end.
        signs = match[0].strip() + signs
        text = text[: match.start()].rstrip()
    return text, signs


def is_missing(text: str) -> bool:
    """Return whether a cell says that there is no number."""
    return split_signs(text)[0].strip().lower() in MISSING


def read_number(text: str) -> tuple[str, str] | None:
    """Read a cell: the digits as printed, with a 0 before a leading point, and the signs behind. None: no number.

    What follows the number as its deviation or interval is dropped.
    """
    text, signs = split_signs(text.strip())
    match = _NUMBER.fullmatch(text.replace("−", "-"))
    if not match or not re.search(r"\d", match[1]):
        return None
    digits = match[1].replace(",", "")
    digits = re.sub(r"^(-?)\.", r"\g<1>0.", digits)
    return digits, signs
