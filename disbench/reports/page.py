"""Pages that need nothing else: style and script inside, and a policy under which the browser runs no other."""

from __future__ import annotations

import re
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

TEMPLATES = Path(__file__).parent / "templates"
GREEK = {r"\beta": "β", r"\phi": "φ", r"\omega": "ω", r"\xi": "ξ", r"\alpha": "α", r"\kappa": "κ", r"\mathcal{M}": "ℳ"}


def render_page(template: str, styles: Sequence[str], scripts: Sequence[str], **values: Any) -> str:
    """A template filled with values, all escaped; `styles` and `scripts` are files beside it, put in as they are.

    The policy allows those very texts by their digests, so a script that came in by a name would not run.
    """
    style, script = ("\n".join((TEMPLATES / name).read_text("utf-8") for name in names) for names in (styles, scripts))
    allowed = {"style": Markup(style), "style_digest": _digest(style), "script": Markup(script)}
    return _environment().get_template(template).render(**allowed, script_digest=_digest(script), **values)


def format_symbol_html(latex: str) -> Markup:
    """A metric's LaTeX symbol, a letter or a word with at most one subscript and one superscript, as HTML."""
    part = r"(\{.*?\}|\\[a-z]+|.)"
    letters = r"(?:\\mathrm\{(\w+)\}|(\\mathcal\{M\}|.+?))"
    word, letter, below, above = re.fullmatch(rf"{letters}(?:_{part})?(?:\^{part})?", latex).groups(default="")
    letter, below, above = (GREEK.get(text, text) for text in (letter, below.strip("{}"), above.strip("{}")))
    scripts = Markup('<span class="scripts"><sup>{}</sup><sub>{}</sub></span>').format(above, below)
    base = word or Markup("<i>{}</i>").format(letter)
    return Markup("{}{}").format(base, scripts if above or below else "")


def encode_data_uri(pixels: np.ndarray) -> str:
    """uint8 (h, w, 3) RGB as a picture inside a page."""
    _, data = cv2.imencode(".webp", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, 80])
    return f"data:image/webp;base64,{b64encode(data.tobytes()).decode()}"


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FileSystemLoader(TEMPLATES),
    )
    environment.filters["symbol"] = format_symbol_html
    return environment


def _digest(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()
