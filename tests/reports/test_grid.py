"""The qualitative grid: which images it shows, and the files it becomes."""

import shutil
import subprocess
from dataclasses import replace
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from made_results import result

import disbench
from disbench.cli.main import main
from disbench.errors import InputError
from disbench.reports import cases, grid, insets, tiles
from disbench.reports.grid_figure import draw_grid
from disbench.reports.grid_style import DPI, GridStyle


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
    assert cv2.imread(str(tmp_path / "g.png")).shape[1] == 7 * DPI
    text = (tmp_path / "g.html").read_text()
    assert "the F of Otsu lies furthest below the best of the others" in text
    assert text.count("<figure>") == 2 * 5
    wrong = CliRunner().invoke(main, ["grid", *runs, "--out", "g.gif"])
    assert (wrong.exit_code, wrong.stderr) == (2, "disbench: g.gif: grids are written to .pdf, .png, .svg, .html\n")
    (tmp_path / "mine").rename(tmp_path / "gone")
    lost = CliRunner().invoke(main, ["grid", *runs, "--out", "g.png"])
    assert lost.exit_code == 2
    assert "no case to show" in lost.stderr


@pytest.fixture
def drawn_case(tmp_path):
    """A case of 200 x 100 pixels: an image, its truth, and maps "near" and "far", which differ at one corner only."""
    truth = np.zeros((100, 200), np.uint8)
    truth[20:80, 40:160] = 255
    far = truth.copy()
    far[20:30, 150:160] = 0
    paths = {}
    for name, pixels in {"im": np.full((100, 200, 3), 90, np.uint8), "gt": truth, "near": truth, "far": far}.items():
        paths[name] = tmp_path / f"{name}.png"
        cv2.imwrite(str(paths[name]), pixels)
    sample = disbench.data.dataset.Sample("DIS-TE1", "a$b", paths["im"], paths["gt"])
    return cases.Case(sample, {"near": paths["near"], "far": paths["far"]}, {"near": 1.0, "far": 0.9})


def windows_of(case, given, *names):
    truth = cv2.imread(str(case.sample.truth), cv2.IMREAD_GRAYSCALE)
    maps = [cv2.imread(str(case.masks[name]), cv2.IMREAD_GRAYSCALE) for name in names]
    chosen = insets.resolve_insets(insets.parse_insets(given, "outline"), [case])
    return insets.choose_windows(chosen, case, truth, maps)


def test_insets_are_chosen_by_rule_or_by_hand(drawn_case):
    (window,) = windows_of(drawn_case, ["differ"], "near", "far")
    assert (window.width, window.height) == (16, 16)
    assert 140 < window.left < 160 and 10 < window.top < 30  # the corner at which the maps differ
    assert windows_of(drawn_case, ["differ"], "far") == [window]  # a single map differs from the truth
    outline = windows_of(drawn_case, [], "near", "far")
    assert windows_of(drawn_case, ["differ"], "near", "near") == outline  # equal maps differ nowhere
    assert windows_of(drawn_case, ["none"], "near") == []
    by_hand = ["a$b:0,0,30,10", "DIS-TE1/a$b:100,50,10,20"]
    assert windows_of(drawn_case, by_hand, "near") == [(0, 0, 30, 10), (100, 50, 10, 20)]


def test_an_inset_magnifies_its_window_in_the_emptiest_corner_and_frames_it(drawn_case):
    window = insets.Window(20, 30, 40, 40)  # half of it is foreground
    tile = tiles.make_tiles(drawn_case, 200, insets.Insets(windows={"DIS-TE1/a$b": [window]}))["Ground truth"]
    assert tile.shape == (100, 200, 3)
    assert (tile[30, 20:60] == tiles.FRAMES[0]).all() and (tile[30:70, 20] == tiles.FRAMES[0]).all()
    frame = (tile == tiles.FRAMES[0]).all(axis=2)
    corner = [frame[0, :42].all(), frame[0, -42:].all(), frame[-1, :42].all(), frame[-1, -42:].all()]
    assert corner.count(True) == 1
    k = corner.index(True)
    inset = tile[:42, :] if k < 2 else tile[-42:, :]
    inset = inset[:, :42] if k % 2 == 0 else inset[:, -42:]
    assert (inset[5:-5, 3:18] == 0).all() and (inset[5:-5, 24:-3] == 255).all()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["fine"], "neither a rule nor a window; give outline, differ, none, or NAME:X,Y,W,H"),
        (["a$b:0,0,9"], "neither a rule nor a window"),
        (["a$b:0,0,9,0"], "the window is empty"),
        (["none", "differ"], "two rules, none and differ"),
        (["c:0,0,9,9"], "--inset c: not among the images of the grid"),
        (["a:0,0,9,9"] * 5, "has corners for 4 insets"),
        (["a:190,0,11,9"], r"DIS-TE1/a\$b:190,0,11,9: reaches beyond the image, whose size is 200 x 100"),
    ],
)
def test_an_inset_without_a_place_is_refused(drawn_case, given, words):
    with pytest.raises(InputError, match=words):
        windows_of(drawn_case, given, "near")


def test_a_name_that_may_mean_two_images_needs_more_of_it(drawn_case):
    other = replace(drawn_case, sample=replace(drawn_case.sample, name="a$c"))
    chosen = insets.parse_insets(["a$:0,0,9,9"], "none")
    with pytest.raises(InputError, match=r"may be DIS-TE1/a\$b or DIS-TE1/a\$c"):
        insets.resolve_insets(chosen, [drawn_case, other])


def texts_of(svg):
    root = ElementTree.parse(svg).getroot()
    return ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]


def test_a_grid_for_a_paper_has_names_in_order_and_no_scores(drawn_case, tmp_path):
    titles = ["far", "My $f$_<b>", "near"]
    case = replace(drawn_case, masks=drawn_case.masks | {titles[1]: drawn_case.masks["near"]})
    style = GridStyle(paper=True, methods=titles, dpi=100, width=5)
    grid.write_grid(tmp_path / "g.svg", [case, case], style)
    assert texts_of(tmp_path / "g.svg") == ["Image", "GT", *titles]  # real text, once
    grid.write_grid(tmp_path / "full.svg", [case], GridStyle())
    assert {"1.000", "0.900", "DIS-TE1"} < set(texts_of(tmp_path / "full.svg"))
    figure = draw_grid([case, case], style)
    pictures = figure.axes[0].images
    assert len(pictures) == 2 * 5
    lowest = max(picture.get_extent()[2] for picture in pictures)  # inches from the top
    assert all((1 - text.get_position()[1]) * figure.get_figheight() >= lowest for text in figure.texts)
    for suffix in (".svg", ".pdf"):  # the same pictures give the same bytes
        grid.write_grid(tmp_path / f"a{suffix}", [case], style)
        grid.write_grid(tmp_path / f"b{suffix}", [case], style)
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    assert b"/FontType 42" in (tmp_path / "a.pdf").read_bytes() or b"/CIDFontType2" in (tmp_path / "a.pdf").read_bytes()
    with pytest.raises(InputError, match=r"5 columns are too many for 1\.0 inches; give a --width from 1\.2"):
        draw_grid([case], replace(style, width=1))


def test_large_images_are_embedded_at_the_resolution_of_the_print(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (800, 1200, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "im.png"), noise, [cv2.IMWRITE_PNG_COMPRESSION, 0])
    cv2.imwrite(str(tmp_path / "gt.png"), (noise[..., 0] > 127).astype(np.uint8) * 255)
    sample = disbench.data.dataset.Sample("DIS-TE1", "a", tmp_path / "im.png", tmp_path / "gt.png")
    case = cases.Case(sample, {"A": tmp_path / "gt.png"}, {"A": 1.0})
    sizes = []
    for dpi in (50, 100):
        style = GridStyle(paper=True, methods=["A"], dpi=dpi, width=3)
        pictures = draw_grid([case], style).axes[0].images
        assert {picture.get_size()[1] for picture in pictures} == {round((3 - 0.08) / 3 * dpi)}
        grid.write_grid(tmp_path / "g.pdf", [case], style)
        sizes.append((tmp_path / "g.pdf").stat().st_size)
    assert sizes[0] < sizes[1] < 100_000


def test_the_command_writes_a_figure_for_a_paper(runs, tmp_path):
    out, tex = tmp_path / "figures" / "g.pdf", tmp_path / "g.tex"
    out.parent.mkdir()
    command = ["grid", "Second=" + runs[0], "First_1=" + runs[1], "--paper", "--rows", "b,a", "--out", str(out)]
    command += ["--inset", "b:0,0,9,9", "--dpi", "80", "--width", "3", "--tex", str(tex)]
    done = CliRunner().invoke(main, command)
    assert (done.exit_code, done.output) == (0, f"{out}\n{tex}\n")
    text = tex.read_text()
    assert r"\includegraphics[width=\linewidth]{figures/g.pdf}" in text
    assert r"\begin{figure}[t]" in text and r"\label{fig:grid}" in text  # of one column
    assert "Images chosen by name. The insets of 1 of 2 images were chosen by hand." in text
    done = CliRunner().invoke(main, [*command, "--caption", r"Of \textbf{ours}.", "--label", "fig:ours"])
    assert r"\caption{Of \textbf{ours}.}" in tex.read_text() and r"\label{fig:ours}" in tex.read_text()
    if shutil.which("pdflatex"):
        document = r"\documentclass{article}\usepackage{graphicx}\begin{document}\input{g.tex}\end{document}"
        (tmp_path / "paper.tex").write_text(document)
        built = subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "paper.tex"], cwd=tmp_path, capture_output=True, text=True
        )
        assert built.returncode == 0 and "figures/g.pdf" in built.stdout.replace("\n", ""), built.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--out", "g.html", "--paper"], "--paper: not for pages; choose an --out of .pdf, .png, .svg"),
        (["--out", "g.html", "--dpi", "90"], "--dpi: not for pages"),
        (["--out", "g.svg", "--tex", "g.tex"], "LaTeX includes only .pdf and .png"),
        (["--out", "g.pdf", "--tex", "g.txt"], "g.txt: --tex writes LaTeX"),
        (["--out", "g 1.pdf", "--tex", "g.tex"], "LaTeX may not find a file of this name"),
        (["--out", "g.pdf", "--tex", "g.tex", "--label", "a}b"], "--label a}b: give letters"),
        (["--out", "g.pdf", "--caption", "C"], "--caption: only a LaTeX figure has one; add --tex FILE.tex"),
        (["--out", "g.pdf", "--rows", "a", "--cases", "b"], "--rows and --cases both choose the images"),
        (["--out", "g.pdf", "--rows", "gain"], "--rows gain: a rule, not the name of an image"),
    ],
)
def test_options_that_do_not_go_together_are_refused_and_nothing_is_written(
    runs, tmp_path, monkeypatch, arguments, words
):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["grid", *runs, *arguments])
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert words in done.stderr
    assert not list(tmp_path.glob("g*"))


def test_long_titles_share_a_line_with_nothing(tmp_path, make_pairs):
    folder = make_pairs(tmp_path / "mine", ["a"])
    sample = disbench.data.dataset.Sample("mine", "a", folder / "im/a.jpg", folder / "gt/a.png")
    titles = [f"Method-with-a-long-name {i} (untrained)" for i in range(8)]
    case = cases.Case(sample, dict.fromkeys(titles, sample.truth), dict.fromkeys(titles, 0.5))
    figure = draw_grid([case])
    figure.draw_without_rendering()  # which places the legend
    legend = [text.get_window_extent() for text in figure.legends[0].get_texts()]
    boxes = [text.get_window_extent() for text in figure.texts] + legend
    assert not [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]
