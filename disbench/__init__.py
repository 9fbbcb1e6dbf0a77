"""disbench: exact, comparable scores for high-precision dichotomous image segmentation (DIS).

    import disbench
    m = disbench.measure(mask, truth)        # uint8 (h, w) arrays -> Measurement
    disbench.score([m])                      # -> {"f_max": ..., "s_measure": ..., ...}
    disbench.load("diffdis").predict(image)  # uint8 (h, w, 3) -> uint8 (h, w)

Everything is imported on first use, so that `disbench --help` loads neither torch nor numba.
"""

from importlib import import_module

__version__ = "0.1.0"

_HOME = {"measure": "metrics", "score": "metrics", "load": "models", "run": "evaluate"}
__all__ = [*_HOME]


def __getattr__(name: str):
    if name in _HOME:
        return getattr(import_module(f"disbench.{_HOME[name]}"), name)
    raise AttributeError(f"module 'disbench' has no attribute {name!r}")
