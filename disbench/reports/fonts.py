"""Characters that the font of figures does not have."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from disbench.system.progress import announce_once

_MISSING = "Glyph .* missing from "


@contextmanager
def report_missing_glyphs() -> Iterator[None]:
    """Announce characters that matplotlib draws as boxes while the block runs, once, in place of its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.filterwarnings("ignore")
        warnings.filterwarnings("always", message=_MISSING)
        yield
    if caught:
        announce_once(
            "some characters of names are not in the font of figures, and are drawn as boxes; give other names as "
            "TITLE=RUN, or another font.family in matplotlib's matplotlibrc"
        )
