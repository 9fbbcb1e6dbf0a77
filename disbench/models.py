"""The registry: one folder per model, found without importing any of them.

The folders' roots are this module's `__path__`, so `models/diffdis/unet.py` is `disbench.models.diffdis.unet` in a checkout,
an editable install, a wheel and a spawned worker alike.
"""

from pathlib import Path

_HERE = Path(__file__).parent
__path__ = [str(p) for p in (_HERE / "_shipped" / "models", _HERE.parent / "models") if p.is_dir()][:1]
