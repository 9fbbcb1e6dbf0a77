"""The pages as a reader uses them, in a real browser: sorting, filtering, keyboard, dark mode, the viewer's stage."""

from dataclasses import replace

import browser
import cv2
import numpy as np
import pytest
from made_results import HOSTILE, measurement, result

from disbench.data.dataset import Sample
from disbench.reports import tiles, viewer
from disbench.reports.options import HtmlOptions
from disbench.reports.render import write_report
from disbench.reports.report import Report
from disbench.runs.manifest import mask_path
from disbench.runs.row_log import Row

pytestmark = pytest.mark.skipif(
    not browser.CHROMIUM, reason="Chromium is not installed (apt-get install chromium); the pages go untested"
)
ROWS = "[...document.querySelectorAll('.standings tbody tr')].filter(row => !row.hidden)"
WIDE, HIGH = 80, 60


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    page = browser.Browser(tmp_path_factory.mktemp("profile"))
    yield page
    page.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    runs = [result("middle", 0.8), result("best", 0.9), result(HOSTILE, 0.7)]
    ranks = {(row.split, row.name): 10.0 * int(row.name[-1]) for rows in runs[0].rows.values() for row in rows}
    write_report(path, Report(runs), options=HtmlOptions(complexity=ranks))
    return path


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    """The viewer's index.html, and truth and maps of its first image: methods "hard" and "soft" on three images."""
    root = tmp_path_factory.mktemp("view")
    rng = np.random.default_rng(0)
    truth = np.zeros((HIGH, WIDE), np.uint8)
    truth[10:40, 5:50] = 255
    maps = {"hard": np.roll(truth, 7, axis=1), "soft": rng.integers(0, 256, truth.shape, np.uint8)}
    names = ["3#Nature#15#Tree#a&b=c", "b", "c"]
    samples, runs = [], []
    for name in names:
        paths = root / f"{name}.jpg", root / f"{name}.png"
        cv2.imwrite(str(paths[0]), np.full((HIGH, WIDE, 3), 90, np.uint8))
        cv2.imwrite(str(paths[1]), truth)
        samples.append(Sample("DIS-TE1", name, *paths))
    for k, (title, mask) in enumerate(maps.items()):
        run = replace(result(title, splits=("DIS-TE1",), n=3), folder=root / title)
        qualities = [(0.5, 0.9, 0.7), (0.6, 0.5, 0.9)][k]
        rows = [Row("DIS-TE1", name, measurement(q), {}, "") for name, q in zip(names, qualities, strict=True)]
        for row in rows:
            mask_path(run.folder, row).parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(mask_path(run.folder, row)), mask)
        runs.append(replace(run, rows={"DIS-TE1": rows}))
    return viewer.write_viewer(root / "out", runs, samples), truth, maps


def methods(page):
    return page.value(f"{ROWS}.map(row => row.dataset.method)")


def test_headings_sort_by_value_and_say_so(chromium, report):
    chromium.open(report)
    assert methods(chromium) == ["middle", "best", HOSTILE]
    for metric, first, second in (("f_max", "descending", "ascending"), ("mae", "ascending", "descending")):
        for direction, order in ((first, ["best", "middle", HOSTILE]), (second, [HOSTILE, "middle", "best"])):
            chromium.click(f".standings th[data-metric={metric}] button")
            assert methods(chromium) == order
            marked = "[...document.querySelectorAll('.standings [aria-sort]')].map(h => [h.dataset.metric, h.ariaSort])"
            assert chromium.value(marked) == [[metric, direction]]
    assert chromium.errors == []


def test_the_table_is_filtered_by_subset_measure_and_method(chromium, report):
    chromium.open(report)
    chromium.click("[name=subset][value='DIS-TE2']")
    assert chromium.value(f"{ROWS}.map(row => row.dataset.split)") == ["DIS-TE2"] * 3
    chromium.click("[name=subset][value='']")
    assert len(methods(chromium)) == 3 * 5
    head = (
        "[...document.querySelectorAll('.standings th[data-metric]')].filter(h => !h.hidden).map(h => h.dataset.metric)"
    )
    before = chromium.value(head)
    chromium.click("[name=measure][value=mae]")
    chromium.click("[name=measure][value=e_max]")
    assert set(chromium.value(head)) == set(before) - {"mae"} | {"e_max"}
    chromium.click("#scores [name=method]")
    chromium.type("BES")
    assert methods(chromium) == ["best"] * 5


def test_the_keyboard_reaches_and_sorts_the_table(chromium, report):
    chromium.open(report)
    focus = "document.activeElement"
    chromium.value("document.querySelector('#scores [name=method]').focus()")
    chromium.press("Tab")  # the table, to scroll it
    chromium.press("Tab")
    assert chromium.value(f"{focus}.textContent") == "Method"
    assert chromium.value(f"getComputedStyle({focus}).outlineStyle") == "solid"
    chromium.press("Enter")
    assert methods(chromium) == [HOSTILE, "best", "middle"]
    chromium.value("document.querySelector('.standings td[tabindex=\"0\"]').focus()")
    chromium.press("ArrowDown")
    chromium.press("ArrowRight")
    assert chromium.value(f"{focus}.closest('tr').dataset.method") == "middle"
    assert chromium.value("document.querySelector('.detail').textContent") == chromium.value(f"{focus}.title")


def test_a_heading_explains_its_measure_to_pointer_and_keyboard_and_a_tap_leads_to_all(chromium, report):
    chromium.open(report, width=390, height=844)
    detail = "document.querySelector('.detail').textContent"
    chromium.value("document.querySelector('.standings th[data-metric=f_max] button').focus()")
    explanation = chromium.value(detail)
    assert explanation.startswith("Fᵦ max, higher is better: F = (1 + β²) P R / (β² P + R), β² = 0.3")
    assert chromium.value("document.querySelector('.scores th[scope=row]').title") == explanation
    assert not chromium.value("document.querySelector('#measures dl').checkVisibility()")
    chromium.click("#measures summary")
    assert chromium.value("document.querySelector('#measures dl').checkVisibility()")
    shown = chromium.value("[...document.querySelectorAll('.standings th[data-metric]')].length")
    assert chromium.value("document.querySelectorAll('#measures dd').length") == shown


def test_at_most_two_lines_precede_the_first_number(chromium, report):
    for width in (390, 1280):
        chromium.open(report, width=width)
        chromium.value("document.querySelector('.standings').scrollIntoView()")
        lines = chromium.value(
            "[...document.querySelectorAll('p.notice, p.note')].filter(p => p.compareDocumentPosition("
            "document.querySelector('.standings')) & Node.DOCUMENT_POSITION_FOLLOWING)"
            ".map(p => p.clientHeight / parseFloat(getComputedStyle(p).lineHeight))"
        )
        assert 0 < sum(lines) < 2.2
    assert chromium.value("document.querySelector('#scores .note').textContent").startswith("Scores on DIS-Mini")


def test_superscript_and_subscript_begin_below_each_other_next_to_their_letter(chromium, report):
    chromium.open(report)
    boxes = chromium.value(
        "[...document.querySelectorAll('.standings th[data-metric=f_max] :is(sup, sub, i)')].map(part => {"
        "const range = document.createRange(); range.selectNodeContents(part);"
        "const box = range.getBoundingClientRect();"
        "return [part.localName, box.left, box.top, box.right, box.bottom] })"
    )
    letter, sup, sub = ({box[0]: box[1:] for box in boxes}[name] for name in ("i", "sup", "sub"))
    assert abs(sup[0] - sub[0]) < 1 and 0 <= sub[0] - letter[2] < 4
    assert sup[3] <= sub[1] + 2


def test_dark_follows_the_system_until_the_reader_chooses(chromium, report):
    light = "getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0] > 200"
    chromium.open(report, dark=True)
    assert not chromium.value(light)
    chromium.click("#theme")
    assert chromium.value(light)
    chromium.open(report, "#again", dark=True)
    assert chromium.value(light)
    chromium.value("localStorage.clear()")
    chromium.open(report)
    assert chromium.value(light)


@pytest.mark.parametrize("which", ["report", "view"])
def test_a_phone_scrolls_no_page_sideways(chromium, report, view, which):
    chromium.open(report if which == "report" else view[0], width=320, height=640)
    assert chromium.value("document.documentElement.scrollWidth") == 320


def test_plots_follow_their_choices(chromium, report):
    chromium.open(report)
    shown = "[...document.querySelectorAll('[data-trade]')].filter(p => !p.hidden).map(p => p.dataset.trade)"
    assert chromium.value(shown) == ["f_max"]
    chromium.click("[name=trade][value=mae]")
    assert chromium.value(shown) == ["mae"]
    chromium.click("[data-toggle='1']")
    marks = "document.querySelectorAll('[data-m=\"1\"]')"
    assert chromium.value(f"{marks}.length > 10 && [...{marks}].every(m => getComputedStyle(m).display === 'none')")
    assert chromium.value("document.querySelector('#complexity [data-toggle=\"1\"]').ariaPressed") == "false"


def test_the_list_of_images_sorts_and_filters(chromium, report):
    chromium.open(report)
    cells = "[...document.querySelectorAll('.list tbody tr')].map(row => [...row.cells].map(cell => cell.textContent))"
    scores = [float(row[-1]) for row in chromium.value(cells)]
    assert scores == sorted(scores)
    choose = (
        "(choice => {{ choice.value = '{}'; choice.dispatchEvent(new Event('input', {{ bubbles: true }})); }})"
        "(document.querySelector('#images [name=metric]'))"
    )
    chromium.value(choose.format("mae"))
    errors = [float(row[-1]) for row in chromium.value(cells)]
    assert errors == sorted(errors, reverse=True)  # the worst first
    chromium.value(choose.format("f_max"))
    assert [float(row[-1]) for row in chromium.value(cells)] == scores
    chromium.click(".list th:nth-child(4) button")
    chromium.click(".list th:nth-child(4) button")
    scores = [float(row[3]) for row in chromium.value(cells)]
    assert scores == sorted(scores, reverse=True)
    chromium.click("#images [name=name]")
    chromium.type("image 2")
    assert {row[1] for row in chromium.value(cells)} == {"image 2"}


def test_without_scripts_all_numbers_stand_and_no_dead_controls(chromium, report):
    chromium.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        chromium.open(report)
        assert len(methods(chromium)) == 3 * 5
        assert chromium.value("[...document.querySelectorAll('form, fieldset')].every(c => !c.offsetParent)")
        assert chromium.value("[...document.querySelectorAll('.plots')].every(plot => plot.offsetParent)")
    finally:
        chromium.call("Emulation.setScriptExecutionDisabled", value=False)


def test_the_gallery_is_ordered_and_leads_to_an_image_and_back(chromium, view):
    chromium.open(view[0])
    labels = "[...document.querySelectorAll('.card .label')].map(label => label.textContent.slice(8))"
    assert chromium.value(labels) == ["b", "Tree a&b=c", "c"]  # of "soft", the last run
    choose = "(s => {{ s.value = '{}'; s.dispatchEvent(new Event('input', {{bubbles: true}})) }})(form.{})"
    chromium.value(choose.format("gain", "order"))
    assert chromium.value(labels) == ["c", "Tree a&b=c", "b"]
    chromium.value(choose.format("mae", "measure"))
    chromium.value(choose.format("worst", "order"))
    assert chromium.value(labels) == ["b", "Tree a&b=c", "c"]
    chromium.until(
        "[...cards.querySelectorAll('img')].every(i => i.complete && i.naturalWidth === 4 * 240)"
    )  # thumbnails of 4 tiles
    chromium.click(".card:nth-child(2)")
    chromium.until("!viewer.hidden")
    assert chromium.value("getComputedStyle(document.body).overflowY") == "hidden"  # one scroll bar, not two
    chromium.press("ArrowRight")
    assert chromium.value("state.image") == "DIS-TE1/c"
    chromium.press("ArrowRight")  # there is no next
    assert chromium.value("new URLSearchParams(location.hash.slice(1)).get('image')") == "DIS-TE1/c"
    chromium.press("Escape")
    assert chromium.value("viewer.hidden && document.activeElement.title") == "DIS-TE1/c"
    assert chromium.errors == []


def test_slider_blink_and_difference(chromium, view):
    chromium.open(view[0], "#image=DIS-TE1/b")
    shown = "['a', 'b'].map(side => getComputedStyle(document.querySelector(`.side.${side}`)).display !== 'none')"
    clip = "getComputedStyle(document.querySelector('.side.b')).clipPath"
    assert chromium.value(clip) == "inset(0px 0px 0px 50%)"
    chromium.value("document.getElementById('slide').focus()")
    chromium.press("ArrowRight")
    assert chromium.value(clip) == "inset(0px 0px 0px 50.5%)"
    assert chromium.value("state.image") == "DIS-TE1/b"  # the arrow was the slider's
    box = chromium.value("(r => [r.x, r.y, r.width, r.height])(stage.getBoundingClientRect())")
    for kind, x in (("mousePressed", 0.505), ("mouseMoved", 0.4), ("mouseReleased", 0.4)):
        at = {"x": box[0] + x * box[2], "y": box[1] + box[3] / 3}
        chromium.call("Input.dispatchMouseEvent", type=kind, button="left", buttons=1, clickCount=1, **at)
    assert chromium.value("Math.round(document.getElementById('slide').value)") == 40
    chromium.click("[name=mode][value=blink]")
    chromium.value("stage.focus()")
    assert chromium.value(shown) == [True, False]
    chromium.press(" ")
    assert chromium.value(shown) == [True, True]
    chromium.press("d")
    assert chromium.value(shown) == [True, False]
    assert chromium.value("document.querySelector('.colours').textContent.trim()") == "only soft   only hard"
    chromium.press("x")
    assert chromium.value("document.querySelector('.colours').textContent.trim()") == "only hard   only soft"


def test_panes_show_more_than_two_layers_which_move_together(chromium, view):
    chromium.open(view[0], "#image=DIS-TE1/b&mode=panes")
    shown = "[...panes.querySelectorAll('select')].map(select => select.selectedOptions[0].text)"
    assert chromium.value(shown) == ["Image", "Ground truth", "soft", "hard"]
    chromium.until("[...panes.querySelectorAll('img')].every(i => i.complete && i.naturalWidth)")
    places = "[...panes.querySelectorAll('.pan')].map(pan => pan.style.transform)"
    before = chromium.value(places)
    point = "view.x + (60 - panes.children[3].clientWidth / 2) / scale()"  # the image's, under the pointer
    under_pointer = chromium.value(point)
    x, y = chromium.value("(r => [r.x, r.y])(panes.children[3].getBoundingClientRect())")
    chromium.call("Input.dispatchMouseEvent", type="mouseWheel", x=x + 60, y=y + 60, deltaX=0, deltaY=-400)
    chromium.until(f"{places}[0] !== {before[0]!r}")
    after = chromium.value(places)
    assert len(set(before)) == len(set(after)) == 1
    assert chromium.value(point) == pytest.approx(under_pointer, abs=0.2)
    chromium.click("#add")
    assert len(chromium.value(shown)) == 5
    chromium.click("#panes .pane:nth-child(2) button")
    chromium.value(
        "(s => { s.value = '1'; s.dispatchEvent(new Event('change', {bubbles: true})) })(panes.querySelector('select'))"
    )
    assert chromium.value(shown)[:3] == ["soft", "soft", "hard"]
    link = chromium.value("new URLSearchParams(location.hash.slice(1)).getAll('pane')")
    assert link[:3] == ["soft", "soft", "hard"]
    address = chromium.value("location.hash")
    chromium.open(view[0], address)
    assert chromium.value(shown)[:3] == link[:3]
    chromium.press("s")
    assert chromium.value("[...stage.querySelectorAll('.side')].filter(side => side.offsetParent).length") == 2
    chromium.press("p")
    assert chromium.value("state.mode") == "panes"
    assert chromium.errors == []


@pytest.mark.parametrize("mode", ["slider", "panes"])
def test_the_controls_fit_a_line_on_a_phone(chromium, view, mode):
    chromium.open(view[0], f"#image=DIS-TE1/b&mode={mode}&at=40,30,8", width=360, height=740)
    middles = chromium.value(
        "[...document.querySelectorAll('.bar button, .bar .choice label')].filter(e => e.offsetParent)"
        ".map(e => e.getBoundingClientRect()).map(r => [Math.round(r.y + r.height / 2), r.right])"
    )
    assert len(middles) >= 10
    assert max(y for y, _ in middles) - min(y for y, _ in middles) <= 2
    assert max(right for _, right in middles) <= 360
    chromium.open(view[0], width=390, height=844)
    assert chromium.value("document.querySelector('.panel').clientHeight") < 50
    chromium.click(".panel summary")
    assert chromium.value("form.order.getBoundingClientRect().height") > 0


def test_bold_means_best_and_nothing_else(chromium, view):
    chromium.open(view[0], "#image=DIS-TE1/b")  # hard 0.6, soft 0.5
    weights = "[...document.querySelectorAll('{}')].map(e => Number(getComputedStyle(e).fontWeight) > 500)"
    assert chromium.value(weights.format("#scores tr:nth-child(2) td")) == [True] * 5
    assert not any(chromium.value(weights.format("#scores tr:nth-child(3) td, #scores th")))
    chromium.press("Escape")
    pairs = chromium.value(
        "[...document.querySelectorAll('.card')].map(card => [...card.querySelectorAll('output')]"
        ".map(o => [o.textContent, Number(getComputedStyle(o).fontWeight) > 500]))"
    )
    assert len(pairs) == 3
    for (a, a_bold), (b, b_bold) in pairs:
        assert (a_bold, b_bold) == (a >= b, b >= a)


@pytest.mark.parametrize("a", ["hard", "soft"])
def test_errors_have_the_colours_of_the_grid_to_the_pixel(chromium, view, tmp_path, a):
    """What the browser blends is what the grid computes, at an address that leads to this very look."""
    index, truth, maps = view
    chromium.open(index, f"#image=DIS-TE1/b&a={a}&b=@truth&mode=difference&at=40,30,8")
    chromium.until("[...stage.querySelectorAll('img')].every(i => i.complete && i.naturalWidth)")
    assert chromium.value("getComputedStyle(stage.querySelector('img')).imageRendering") == "pixelated"
    left, top, width = chromium.value("(r => [r.x, r.y, r.width])(stage.querySelector('.pan').getBoundingClientRect())")
    assert width == 8 * WIDE
    chromium.picture(tmp_path / "shot.png")
    shot = cv2.imread(str(tmp_path / "shot.png"))[..., ::-1]
    y, x = np.mgrid[20 : HIGH - 5, 5 : WIDE - 5]  # not what lies under the names
    seen = shot[(top + 8 * y + 4).astype(int), (left + 8 * x + 4).astype(int)].astype(int)
    expected = tiles.colour_errors(maps[a], truth)[y, x].astype(int)
    assert np.abs(seen - expected).max() <= 3


def test_zoom_and_its_address(chromium, view):
    chromium.open(view[0], "#image=DIS-TE1/b")
    chromium.press("1")
    assert chromium.value("document.querySelector('.zoom output').textContent") == "100 %"
    chromium.press("+")
    assert chromium.value("new URLSearchParams(location.hash.slice(1)).get('at')") == "40,30,2"
    chromium.press("ArrowLeft")
    chromium.press("0")
    assert chromium.value("view.fitted && !location.hash.includes('at=')")
    chromium.open(view[0], "#image=DIS-TE9/none&a=nobody&order=odd&at=x")
    assert chromium.value("viewer.hidden && state.order === 'worst' && document.querySelectorAll('.card').length") == 3
    assert chromium.errors == []
