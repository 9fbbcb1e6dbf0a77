"""The registry is data; a model predicts as it is evaluated."""

import ctypes
import subprocess
import sys

import numpy as np
import pytest
from image_files import write
from own_registry import isolate_registry

import disbench
from disbench.data.training import UNSTATED
from disbench.errors import BrokenPlugin, InputError
from disbench.inference import model
from disbench.registry import discovery, loading
from disbench.registry.card import read_card

CARD = 'title = "Mine"\nsummary = "x"\npredictor = "predictor:Mine"\nstatus = "trivial"\n'


def test_a_card_is_found_however_its_name_is_written():
    assert loading.get_card("All-Foreground").title == "All foreground"
    assert loading.get_card("diffdis").paper["venue"] == "ICLR 2025"
    assert loading.get_card("IS-Net").name == "isnet"


def test_unknown_names_get_the_nearest_or_all():
    with pytest.raises(InputError, match="did you mean diffdis"):
        loading.get_card("diffdiss")
    first = "all_foreground, ben2, birefnet, bsanet, diffdis, fp_dis, genpercept, ifa, inspyrenet, isdnet, isnet"
    known = f"{first}, lawdis, mvanet, otsu, pdfnet, pgnet, rmbg14, u2net, u2netp, udun"
    with pytest.raises(InputError, match=f"known: {known}"):
        loading.get_card("zzz")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("title = ", "not a card"),
        (CARD + "colour = 1", "unexpected keyword argument 'colour'"),
        (CARD + "[[weights]]\nurl = 1", "unexpected keyword argument 'url'"),
        (CARD + "paper = 'x'", r"Expected `object`, got `str` - at `\$.paper`"),
        (CARD + "[[weights]]\nname = 1", "Expected `str`, got `int`"),
        (CARD.replace("trivial", "great"), "unknown status 'great'; known: verified"),
    ],
)
def test_a_bad_card_is_named(tmp_path, monkeypatch, text, why):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "card.toml").write_text(text)
    isolate_registry(monkeypatch, [str(tmp_path)])
    with pytest.warns(BrokenPlugin, match=rf"mine/card\.toml: .*{why}"):
        assert not discovery.list_cards()
    with pytest.raises(InputError, match=rf"mine/card\.toml: .*{why}"):
        loading.get_card("mine")


@pytest.mark.parametrize("card", discovery.list_cards().values(), ids=lambda card: card.name)
def test_shipped_cards_say_what_a_user_needs(card):
    if card.status != "maps-only":
        module, factory = card.predictor.split(":")
        assert f"class {factory}" in (card.folder / f"{module}.py").read_text()
        assert card.pipeline["size"]
    assert card.summary.endswith(".")
    assert not card.recipe or (card.folder / card.recipe).is_file()
    published = (*card.weights, *card.maps)
    assert all(url.startswith("https://") for one in published for url in one.urls)
    assert len({one.name for one in published}) == len(published)
    assert all(one.trained_on == UNSTATED or isinstance(one.trained_on, tuple) for one in card.weights)
    if card.status != "trivial":
        assert card.paper.keys() >= {"title", "venue"}
        assert card.code.keys() == {"url", "commit", "license"}
        assert published


def test_a_folder_without_a_card_is_no_model():
    assert (loading.get_card("isnet").folder.parent / "_parts").is_dir()
    assert "_parts" not in discovery.list_cards()


def test_a_model_that_has_maps_alone_cannot_be_loaded(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "card.toml").write_text('title = "Mine"\nstatus = "maps-only"\nsummary = "x"\n')
    isolate_registry(monkeypatch, [str(tmp_path)])
    with pytest.raises(InputError, match="Mine: only maps are published; --maps takes them"):
        model.load_model("mine")


def test_a_model_predicts_a_map_of_the_image_size():
    image = np.zeros((30, 40, 3), np.uint8)
    image[10:20, 10:30] = 200
    mask = disbench.load("otsu").predict(image)
    assert np.array_equal(mask, np.where(image[..., 0] > 0, 255, 0))
    assert disbench.load("all_foreground").predict(image).min() == 255


def test_options_and_weights_that_a_model_does_not_have_are_refused():
    with pytest.raises(InputError, match="Otsu has no option 'size'; known: none"):
        model.load_model("otsu", size="3")
    with pytest.raises(InputError, match="Otsu has no weights"):
        model.load_model("otsu", "some.pth")


def test_disbench_run_is_the_public_entry(tmp_path, make_pairs):
    result = disbench.run("all_foreground", data=make_pairs(tmp_path / "d", ["a"]), out=tmp_path / "runs")
    truth = 255 * np.ones((24, 32), np.uint8)
    write(tmp_path / "d" / "gt" / "a.png", truth)
    full = disbench.run("all_foreground", data=tmp_path / "d", out=tmp_path / "runs")
    assert full.folder != result.folder
    assert full.scores()["d"]["mae"] == 0
    assert full.scores()["d"] == disbench.score([disbench.measure(truth, truth)])


def test_a_process_with_a_network_keeps_freed_memory():
    """A large tensor, which glibc else maps apart from its heap and unmaps again, is in the heap."""
    code = """if True:
        import ctypes, torch
        from disbench.models._parts.device import choose_device
        libc = ctypes.CDLL(None)
        class Counts(ctypes.Structure):
            _fields_ = [(f"count{i}", ctypes.c_size_t) for i in range(10)]
        libc.mallinfo2.restype = Counts
        apart = lambda: libc.mallinfo2().count3
        before, one = apart(), torch.empty(1 << 26)
        between = apart()
        choose_device("cpu")
        two = torch.empty(1 << 26)
        print(between - before, apart() - between)
    """
    if not hasattr(ctypes.CDLL(None), "mallinfo2"):
        pytest.skip("not glibc")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["1", "0"], done.stderr


def test_an_adapter_may_still_read_the_former_name_of_a_cards_pipeline():
    card = loading.get_card("isnet")
    with pytest.warns(DeprecationWarning, match=r"Card\.protocol is called Card\.pipeline now"):
        assert card.protocol["size"] == 1024


def test_a_card_with_the_former_and_the_present_table_is_refused(tmp_path):
    folder = tmp_path / "net"
    folder.mkdir()
    (folder / "card.toml").write_text(
        'title = "Net"\nstatus = "unofficial"\npredictor = "a:B"\n[protocol]\nsize = 1\n[pipeline]\nsize = 2\n'
    )
    with pytest.raises(InputError, match=r"card\.toml: not a card \(it has both \[pipeline\] and \[protocol\]"):
        read_card(folder)


def test_a_name_as_it_is_comes_before_similar_ones_and_a_path_is_none(tmp_path, monkeypatch):
    for name in ("my-net", "my_net", "otsu2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "card.toml").write_text(CARD.replace("Mine", name, 1))
    isolate_registry(monkeypatch, [str(tmp_path)])
    assert loading.get_card("my-net").title == "my-net"
    assert loading.get_card("my_net").title == "my_net"
    assert loading.get_card("Otsu-2").title == "otsu2"
    with pytest.raises(InputError, match="'mynet' may be my-net or my_net; give the name as it is"):
        loading.get_card("mynet")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"\./otsu2: the folder of a model; give --models \. --model otsu2"):
        loading.get_card("./otsu2")
    with pytest.raises(InputError, match="unknown model 'x/otsu2'"):
        loading.get_card("x/otsu2")
