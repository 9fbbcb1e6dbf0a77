"""The notebook of the tutorial, executed: it prints what it shows."""

import os
import re
import sys
from pathlib import Path

import pytest

nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
nbformat = pytest.importorskip("nbformat")

NOTEBOOK = Path(__file__).parents[2] / "docs" / "tutorial.ipynb"
MAX_BYTES = 60_000
TEXTS = ("text/plain", "text/markdown", "text/html")


def read_texts(notebook):
    """The texts that each cell of code puts out. Without those of commands, which name files, and without folders."""
    texts = []
    for cell in notebook.cells:
        if cell.cell_type == "code" and not cell.source.startswith("!"):
            printed = [output.text for output in cell.outputs if output.get("name") == "stdout"]
            data = [output.data for output in cell.outputs if "data" in output]
            shown = [pieces[kind] for pieces in data for kind in TEXTS if kind in pieces]
            texts.append([re.sub(r"folder '.*?'", "folder", text) for text in printed + shown])
    return texts


def test_the_committed_notebook_was_executed_in_order_and_is_small():
    notebook = nbformat.read(NOTEBOOK, 4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == [*range(1, len(cells) + 1)]
    assert any("image/jpeg" in output.get("data", {}) for output in cells[-1].outputs)
    assert not any(output.output_type == "error" for cell in cells for output in cell.outputs)
    assert sum(map(len, read_texts(notebook))) >= 5
    assert NOTEBOOK.stat().st_size < MAX_BYTES


@pytest.mark.ci
@pytest.mark.slow
def test_the_notebook_prints_what_it_shows(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    monkeypatch.delenv("DISBENCH_DATA", raising=False)
    notebook = nbformat.read(NOTEBOOK, 4)
    committed = read_texts(notebook)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert read_texts(notebook) == committed
    assert (tmp_path / "grid.png").stat().st_size > 10_000
