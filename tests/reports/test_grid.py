"""The qualitative grid: which images it shows, and the files it becomes."""

import cv2
import pytest
from click.testing import CliRunner
from made_results import result

import disbench
from disbench.cli.main import main
from disbench.errors import InputError
from disbench.reports import cases, grid


def ranked(title, scores):
    """A result on one subset whose images have these qualities, in their order."""
    run = result(title, splits=("DIS-TE1",), n=len(scores))
    worse = [result(quality=quality, splits=("DIS-TE1",), n=1).rows["DIS-TE1"][0].measurement for quality in scores]
    for row, measurement in zip(run.rows["DIS-TE1"], worse, strict=True):
        object.__setattr__(row, "measurement", measurement)
    return run


A, B, C = (
    ranked(t, q) for t, q in (("A", [0.9, 0.5, 0.7, 0.8]), ("B", [0.8, 0.9, 0.7, 0.5]), ("C", [0.7, 0.8, 0.7, 0.4]))
)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [("disagreement", [1, 3]), ("gain", [3, 0]), ("loss", [1, 2]), ("image 2,DIS-TE1/image 0", [2, 0]), ("e 3", [3])],
)
def test_cases_are_chosen_by_rule_or_name(selection, expected):
    assert [row.name for row in cases.select_rows([A, B, C], 2, selection)] == [f"image {i}" for i in expected]


@pytest.mark.parametrize(
    ("runs", "selection", "words"),
    [
        ([A], "gain", "at least two runs"),
        ([A], "imaje 2", "did you mean image 2"),
        ([A], "image", "4 images have this in their names, such as DIS-TE1/image 0"),
        ([A], "image 1,", "no such image"),
    ],
)
def test_a_selection_without_a_meaning_is_refused(runs, selection, words):
    with pytest.raises(InputError, match=words):
        cases.select_rows(runs, 2, selection)


@pytest.fixture
def runs(tmp_path, make_pairs, monkeypatch):
    """Two run folders with saved maps."""
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))
    folder = make_pairs(tmp_path / "mine", ["a", "b", "c"])
    return [str(disbench.run(model, data=folder, out=tmp_path).folder) for model in ("all_foreground", "otsu")]


def test_the_command_writes_every_kind_of_file(runs, tmp_path):
    for suffix in grid.SUFFIXES:
        out = tmp_path / f"g{suffix}"
        done = CliRunner().invoke(main, ["grid", *runs, "--out", str(out), "--cases", "loss", "--number", "2"])
        assert done.exit_code == 0, done.output
    assert (tmp_path / "g.pdf").read_bytes()[:5] == b"%PDF-"
    assert cv2.imread(str(tmp_path / "g.png")).shape[1] == 7 * grid.DPI
    text = (tmp_path / "g.html").read_text()
    assert "the F of Otsu lies furthest below the best of the others" in text
    assert text.count("<figure>") == 2 * 5
    wrong = CliRunner().invoke(main, ["grid", *runs, "--out", "g.gif"])
    assert (wrong.exit_code, wrong.stderr) == (2, "disbench: g.gif: grids are written to .pdf, .png, .html\n")
    (tmp_path / "mine").rename(tmp_path / "gone")
    lost = CliRunner().invoke(main, ["grid", *runs, "--out", "g.png"])
    assert lost.exit_code == 2
    assert "no case to show" in lost.stderr


def test_long_titles_share_a_line_with_nothing(tmp_path, make_pairs):
    folder = make_pairs(tmp_path / "mine", ["a"])
    sample = disbench.data.dataset.Sample("mine", "a", folder / "im/a.jpg", folder / "gt/a.png")
    titles = [f"Method-with-a-long-name {i} (untrained)" for i in range(8)]
    case = cases.Case(sample, dict.fromkeys(titles, sample.truth), dict.fromkeys(titles, 0.5))
    figure = grid.draw_grid([case])
    figure.draw_without_rendering()  # which places the legend
    legend = [text.get_window_extent() for text in figure.legends[0].get_texts()]
    boxes = [text.get_window_extent() for text in figure.texts] + legend
    assert not [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]
