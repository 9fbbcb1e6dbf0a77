"""The example model of docs/add-a-model.md: the page, the Python file and the card."""

import re
from pathlib import Path

TEXT = (Path(__file__).parents[2] / "docs" / "add-a-model.md").read_text()
PYTHON, CARD = (re.search(rf"```{kind}\n(.*?)```", TEXT, re.S)[1] for kind in ("python", "toml"))
