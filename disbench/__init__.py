"""disbench: exact, comparable scores for high-precision dichotomous image segmentation (DIS).

    import disbench
    m = disbench.measure(prediction, truth)  # uint8 (h, w) arrays -> Measurement
    disbench.score([m])                      # -> {"f_max": ..., "s_measure": ..., ...}
    disbench.load("diffdis").predict(image)  # uint8 (h, w, 3) -> uint8 (h, w)

Names are imported on first use, so that `disbench --help` loads neither torch nor numba.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from disbench.system import old_paths
from disbench.system.version import __version__

if TYPE_CHECKING:
    from disbench.errors import InputError
    from disbench.inference.model import load_model as load
    from disbench.metrics.catalogue import METRICS
    from disbench.metrics.measurement import Measurement, measure
    from disbench.metrics.meter import Meter
    from disbench.metrics.protocols import PROTOCOLS
    from disbench.metrics.scoring import curves, per_image, score
    from disbench.reports.api import report
    from disbench.runs.api import run, score_maps
    from disbench.runs.result import Result
    from disbench.stats.compare import compare


_EXPORTS = {
    "METRICS": "metrics.catalogue:METRICS",
    "PROTOCOLS": "metrics.protocols:PROTOCOLS",
    "InputError": "errors:InputError",
    "Measurement": "metrics.measurement:Measurement",
    "Meter": "metrics.meter:Meter",
    "Result": "runs.result:Result",
    "compare": "stats.compare:compare",
    "curves": "metrics.scoring:curves",
    "load": "inference.model:load_model",
    "measure": "metrics.measurement:measure",
    "per_image": "metrics.scoring:per_image",
    "report": "reports.api:report",
    "run": "runs.api:run",
    "score": "metrics.scoring:score",
    "score_maps": "runs.api:score_maps",
}
__all__ = [
    "METRICS",
    "PROTOCOLS",
    "InputError",
    "Measurement",
    "Meter",
    "Result",
    "__version__",
    "compare",
    "curves",
    "load",
    "measure",
    "per_image",
    "report",
    "run",
    "score",
    "score_maps",
]

old_paths.install()


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'disbench' has no attribute {name!r}")
    module, _, attribute = _EXPORTS[name].partition(":")
    return getattr(import_module(f"disbench.{module}"), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
