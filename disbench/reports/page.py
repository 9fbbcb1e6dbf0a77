"""Pages that need no other file.

Style and script are inside the page, and its content security policy lets the browser run no others.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import cv2
import jinja2
import numpy as np
from markupsafe import Markup

from disbench.reports.symbols import split_symbol

TEMPLATES = Path(__file__).parent / "templates"


def render_page(template: str, styles: Sequence[str], scripts: Sequence[str], **values: Any) -> str:
    """Fill a template with values, which are escaped.

    The policy allows style and script by their digests, so a script that came in with a name would not run.

    Args:
        template: file name in templates/.
        styles: files in templates/, inserted as they are.
        scripts: files in templates/, inserted as they are.
        values: variables of the template.
    """
    style, script = _join_files(styles), _join_files(scripts)
    page = _make_environment().get_template(template)
    return page.render(
        style=Markup(style),
        style_digest=_hash_text(style),
        script=Markup(script),
        script_digest=_hash_text(script),
        **values,
    )


def format_symbol_html(latex: str) -> Markup:
    """Return the LaTeX symbol of a metric as HTML.

    A symbol is a letter or a word, with at most one subscript and one superscript.
    """
    word, letter, below, above = split_symbol(latex)
    symbol = word or Markup("<i>{}</i>").format(letter)
    if not above and not below:
        return Markup("{}").format(symbol)
    return Markup('{}<span class="scripts"><sup>{}</sup><sub>{}</sub></span>').format(symbol, above, below)


def encode_data_uri(pixels: np.ndarray) -> str:
    """Encode a picture, uint8 (h, w, 3) RGB, as a data URI for a page."""
    _, data = cv2.imencode(".webp", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, 80])
    return f"data:image/webp;base64,{b64encode(data.tobytes()).decode()}"


def _join_files(names: Sequence[str]) -> str:
    return "\n".join((TEMPLATES / name).read_text("utf-8") for name in names)


@cache
def _make_environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FileSystemLoader(TEMPLATES),
    )
    environment.filters["symbol"] = format_symbol_html
    return environment


def _hash_text(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()
