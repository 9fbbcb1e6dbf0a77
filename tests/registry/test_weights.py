"""Weights that a card names are downloaded, checked and kept, here from a server on this machine."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from command import call
from hub_server import serve_hub, use_endpoint

from disbench.errors import InputError, UnwritableCache
from disbench.registry import loading, weights, weights_cache
from disbench.registry.card import SHIPPED_ROOTS, Card, Download
from disbench.registry.discovery import list_cards
from disbench.registry.url_files import file_location
from disbench.registry.weights import fetch_from_hub, resolve_weights

DATA = bytes(range(256)) * 40
DIGEST = hashlib.sha256(DATA).hexdigest()
REPOSITORY = "some/net"
NOWHERE = "http://127.0.0.1:9"  # nothing listens there


def make_card(*entries):
    return Card(name="net", folder=Path(SHIPPED_ROOTS[0]) / "net", title="Net", status="verified", weights=entries)


def entry(url, name="net", **facts):
    return Download(name=name, urls=(url,), **facts)


@pytest.fixture
def use_cards(monkeypatch):
    """Let the registry consist of these cards."""

    def use(*cards):
        for module in (weights, weights_cache, loading):
            monkeypatch.setattr(module, "scan_models", lambda: ({card.name: card for card in cards}, {}))
        return cards[0]

    return use


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with serve_hub(monkeypatch, tmp_path, {REPOSITORY: {"model.safetensors": DATA}}, {"/net.pth": DATA}) as server:
        yield server


def hub_entry(file="", **facts):
    return entry(f"https://huggingface.co/{REPOSITORY}" + (f"/resolve/main/{file}" if file else ""), **facts)


# -- What an address is


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("https://huggingface.co/a/b", ("a/b", "")),
        ("https://huggingface.co/a/b/", ("a/b", "")),
        ("https://huggingface.co/a/b/tree/main", ("a/b", "")),
        ("https://huggingface.co/a/b/resolve/main/x/y.pth?download=true", ("a/b", "x/y.pth")),
        ("https://huggingface.co/a/b/blob/main/y%20z.pth", ("a/b", "y z.pth")),
        ("https://huggingface.co/datasets/a/b", None),
        ("https://huggingface.co/spaces/a/b", None),
        ("https://drive.google.com/file/d/1J90", None),
    ],
)
def test_addresses_of_the_hub_are_recognised(url, source):
    assert weights.hub_source(entry(url)) == source


@pytest.mark.parametrize(
    ("url", "is_file"),
    [
        ("https://github.com/a/b/releases/download/v1/net.pth", True),
        ("https://github.com/a/b/releases/download/v1/net.onnx?x=1", True),
        ("https://huggingface.co/a/b/resolve/v2/net.pth", True),
        ("https://github.com/a/b/blob/main/net.pth", False),
        ("https://github.com/a/b", False),
        ("https://drive.google.com/file/d/1J90/net.pth", False),
        ("https://pan.baidu.com/s/1n6?pwd=g2cm", False),
        ("ftp://a/net.pth", False),
    ],
)
def test_pages_are_no_files(url, is_file):
    assert (weights.direct_url(entry(url)) == url) == is_file


# -- Names of a card


def test_a_path_that_exists_and_other_texts_are_left_as_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    card = make_card(entry(f"{NOWHERE}/net.pth", "net.pth"))
    Path("net.pth").write_bytes(b"here")
    for text in ("net.pth", "other.pth", "a/b", "untrained", None):
        assert resolve_weights(card, text) == text


def test_shipped_weights_have_a_name():
    assert resolve_weights(make_card(Download(name="mini")), "mini") is None


def test_a_name_of_a_file_is_downloaded_as_this_file():
    """Of the address of a repository, model.safetensors is downloaded, whatever the entry is called."""
    repositories = [
        entry.name
        for card in list_cards().values()
        for entry in card.weights
        if len(entry.urls) == 1 and (weights.hub_source(entry) or ("", "a file"))[1] == ""
    ]
    assert "briaai/RMBG-2.0/model.safetensors" in repositories
    files = [name for name in repositories if name.endswith((".pth", ".bin", ".safetensors"))]
    assert not [name for name in files if not name.endswith("/model.safetensors")]


@pytest.mark.parametrize("url", ["https://drive.google.com/file/d/1J90", "https://pan.baidu.com/s/1n6?pwd=g2cm"])
def test_how_to_get_weights_by_hand_is_explained_in_one_line(url):
    with pytest.raises(InputError, match=r"net: no such file; get net by hand from https://.*--weights FILE") as caught:
        resolve_weights(make_card(entry(url)), "net")
    assert url in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_command_explains_by_hand_weights_before_it_looks_for_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused = call("run", "--model", "udun", "--weights", "udun-R50", "--data", "no-such-folder")
    assert refused.exit_code == 2
    assert "by hand" in refused.stderr


def test_a_direct_address_is_downloaded_once_and_found_offline(server, use_cards, monkeypatch):
    card = use_cards(make_card(entry(f"{server.url}/net.pth", sha256=DIGEST.upper())))
    path = Path(resolve_weights(card, "net"))
    assert path.read_bytes() == DATA
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert Path(resolve_weights(card, "net")) == path
    assert server.asked == [("/net.pth", None)]


@pytest.mark.parametrize("file", ["", "model.safetensors"])
def test_a_repository_or_its_file_is_downloaded(file, server, use_cards, monkeypatch):
    card = use_cards(make_card(hub_entry(file)))
    name = resolve_weights(card, "net")
    if file:
        assert Path(name).read_bytes() == DATA
    else:
        assert name == REPOSITORY
    path = fetch_from_hub("net", REPOSITORY, file, ("model.safetensors",))
    use_endpoint(monkeypatch, NOWHERE, Path.cwd())
    assert fetch_from_hub("net", REPOSITORY, file, ("model.safetensors",)) == path


# -- Digests


@pytest.mark.parametrize("kind", ["md5", "sha256"])
@pytest.mark.parametrize("place", ["url", "hub"])
def test_a_download_that_is_not_what_the_card_means_is_refused(kind, place, server, use_cards):
    facts = {kind: "0" * (32 if kind == "md5" else 64)}
    made = entry(f"{server.url}/net.pth", **facts) if place == "url" else hub_entry("model.safetensors", **facts)
    card = use_cards(make_card(made))
    for _ in range(2):  # also when it is in the cache
        with pytest.raises(InputError, match=rf"net: not loaded, because .* has the {kind.upper()} .* of the card"):
            resolve_weights(card, "net")


@pytest.mark.parametrize("place", ["url", "hub"])
def test_without_a_digest_later_downloads_are_compared_with_the_first(place, server, use_cards, monkeypatch, tmp_path):
    made = entry(f"{server.url}/net.pth") if place == "url" else hub_entry("model.safetensors")
    card = use_cards(make_card(made))
    assert weights.list_records(made) == []
    path = Path(resolve_weights(card, "net"))
    assert [digest for _, digest in weights.list_records(made)] == [DIGEST]
    if place == "url":
        path.unlink()
    server.files["/net.pth"] = server.repositories[REPOSITORY]["model.safetensors"] = DATA + b"new"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "other"))
    with pytest.raises(InputError, match=r"SHA256 .* of the first download, recorded in .*sha256: damaged, or repl"):
        resolve_weights(card, "net")


def test_the_files_of_a_repository_are_recorded_each(server, use_cards):
    server.repositories[REPOSITORY]["vae/model.safetensors"] = b"vae"
    made = hub_entry()
    use_cards(make_card(made))
    fetch_from_hub(REPOSITORY, REPOSITORY, None, ("model.safetensors", "vae/*"))
    assert weights.list_records(made) == [
        ("model.safetensors", DIGEST),
        ("vae/model.safetensors", hashlib.sha256(b"vae").hexdigest()),
    ]


def test_a_file_that_changed_in_the_cache_of_hugging_face_is_refused(server, use_cards):
    card = use_cards(make_card(hub_entry("model.safetensors")))
    path = Path(resolve_weights(card, "net"))
    path.resolve().write_bytes(DATA[:-1] + b"x")
    with pytest.raises(InputError, match="net: not loaded, because"):
        resolve_weights(card, "net")


def test_the_description_of_a_model_states_the_recorded_digest(server, use_cards):
    card = use_cards(make_card(entry(f"{server.url}/net.pth")))
    assert "SHA256: of the first download, once recorded" in call("models", "net").stdout
    resolve_weights(card, "net")
    assert f"SHA256: {DIGEST}, of the first download of net.pth" in call("models", "net").stdout


# -- Faults of servers and networks


@pytest.mark.parametrize("place", ["url", "hub", "hub file"])
@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "HTTP 401: it does not exist, or is private or gated"),
        (403, "HTTP 403: access is denied"),
        (404, "HTTP 404: no such repository or file"),
        (429, "HTTP 429: too many requests"),
    ],
)
def test_refusals_of_servers_are_explained_in_one_line(status, words, place, server, use_cards, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between the attempts of huggingface_hub
    server.status = status
    card = use_cards(make_card(entry(f"{server.url}/net.pth")))
    with pytest.raises(InputError, match=words) as caught:
        if place == "url":
            resolve_weights(card, "net")
        else:
            fetch_from_hub("net", REPOSITORY, "model.safetensors" if place == "hub file" else None, ("*",))
    assert "or give the path of a file" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_a_repository_lacks_is_reported(server, use_cards):
    use_cards(make_card())
    with pytest.raises(InputError, match=r"net: its repository has none of other\.pth"):
        fetch_from_hub("net", REPOSITORY, None, ("other.pth",))
    with pytest.raises(InputError, match="HTTP 404: no such repository or file"):
        fetch_from_hub("net", REPOSITORY, "other.pth", ())


def test_a_broken_download_is_resumed(server, use_cards):
    card = use_cards(make_card(entry(f"{server.url}/net.pth")))
    server.cut = 4000
    assert Path(resolve_weights(card, "net")).read_bytes() == DATA
    assert [span for _, span in server.asked] == [None, "bytes=4000-", "bytes=8000-"]


@pytest.mark.parametrize("change", [False, True])
def test_a_command_resumes_the_download_of_an_earlier_one(change, server, use_cards):
    card = use_cards(make_card(entry(f"{server.url}/net.pth")))
    server.cut = 0
    part = file_location(f"{server.url}/net.pth").with_name("net.pth.part")
    with pytest.raises(InputError, match=r"net: the download .* was interrupted .* again to resume"):
        resolve_weights(card, "net")
    part.write_bytes(DATA[:3000])
    assert not part.with_name("net.pth").exists()
    server.cut, server.asked = None, []
    if change:  # a file that was replaced meanwhile is not mixed with the old one
        server.files["/net.pth"] = bytes(5000)
    assert Path(resolve_weights(card, "net")).read_bytes() == server.files["/net.pth"]
    assert server.asked == [("/net.pth", "bytes=3000-")]


def test_a_server_that_cannot_resume_sends_the_file_again(server, use_cards):
    card = use_cards(make_card(entry(f"{server.url}/net.pth")))
    server.cut = 0
    with pytest.raises(InputError):
        resolve_weights(card, "net")
    file_location(f"{server.url}/net.pth").with_name("net.pth.part").write_bytes(DATA[:3000])
    server.cut, server.ranges = None, False
    assert Path(resolve_weights(card, "net")).read_bytes() == DATA


def test_a_broken_download_of_the_hub_leaves_no_file(server, use_cards, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between the attempts of huggingface_hub
    card = use_cards(make_card(hub_entry("model.safetensors")))
    server.cut, server.ranges = 100, False
    with pytest.raises(InputError, match=r"net: no such path, and not available from Hugging Face \(.*resumes"):
        resolve_weights(card, "net")
    server.cut = None
    assert Path(resolve_weights(card, "net")).read_bytes() == DATA


@pytest.mark.parametrize("place", ["url", "hub", "hub file"])
def test_without_a_network_alternatives_are_offered(place, use_cards, monkeypatch, tmp_path):
    use_endpoint(monkeypatch, NOWHERE, tmp_path)
    card = use_cards(make_card(entry(f"{NOWHERE}/net.pth")))
    with pytest.raises(InputError, match=r"net: .*no network.*give the path of a file") as caught:
        if place == "url":
            resolve_weights(card, "net")
        else:
            fetch_from_hub("net", REPOSITORY, "model.safetensors" if place == "hub file" else None, ("*",))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", ["", "model.safetensors"])
def test_offline_nothing_is_asked_of_a_server(file, server, use_cards):
    direct = make_card(entry(f"{server.url}/net.pth"))
    hub = replace(make_card(hub_entry(file)), name="hub")
    use_cards(direct, hub)
    for model in ("net", "hub"):
        refused = call("predict", ".", "--model", model, "--weights", "net", "--offline", "--out", "out")
        assert refused.exit_code == 2, refused.output
    assert server.asked == []


def test_a_cache_that_cannot_be_written_is_named(server, use_cards, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the place of the folder")
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "file"))
    card = use_cards(make_card(entry(f"{server.url}/net.pth"), hub_entry("model.safetensors", name="hub")))
    with pytest.raises(InputError, match=r"cannot be written .*set DISBENCH_CACHE"):
        resolve_weights(card, "net")
    with pytest.warns(UnwritableCache):  # the hub's files are elsewhere; only their digests cannot be recorded
        assert Path(resolve_weights(card, "hub")).read_bytes() == DATA


# -- disbench weights


def test_the_weights_in_the_caches_are_listed(server, use_cards):
    card = use_cards(make_card(entry(f"{server.url}/net.pth"), hub_entry(name="hub")))
    assert "no weights in the caches" in call("weights").stdout
    path = resolve_weights(card, "net")
    folder = fetch_from_hub("hub", REPOSITORY, None, ("*",))
    listed = json.loads(call("weights", "--json").stdout)
    assert [(row["name"], row["models"], row["file"], row["bytes"], row["sha256"]) for row in listed] == [
        ("hub", ["net"], "model.safetensors", len(DATA), DIGEST),
        ("net", ["net"], "net.pth", len(DATA), DIGEST),
    ]
    assert [row["path"] for row in listed] == [str(folder / "model.safetensors"), path]
    assert DIGEST[:12] in call("weights").stdout


# -- Uses of the name


@pytest.fixture
def thin_isnet(server, use_cards, monkeypatch):
    """IS-Net with few channels, whose file a server has, under the name "thin" of its card."""
    torch = pytest.importorskip("torch")
    from safetensors.torch import save

    from disbench.models.isnet import network

    stages = (*((depth, False, 4, 16) for depth in (7, 6, 5, 4)), (4, True, 4, 16), (4, True, 4, 512))
    monkeypatch.setattr(network, "ISNET", stages)
    torch.manual_seed(0)
    data = save(network.ISNet().state_dict())
    server.files["/thin.safetensors"] = server.repositories[REPOSITORY]["model.safetensors"] = data
    Path("here.safetensors").write_bytes(data)
    card = loading.get_card("isnet")
    use_cards(replace(card, weights=(entry(f"{server.url}/thin.safetensors", "thin"), hub_entry(name="hub"))))


def test_a_downloaded_network_is_the_same_model_as_its_file(thin_isnet):
    from disbench.inference.model import load_model

    expected = load_model("isnet", "here.safetensors", "cpu", size="64").identity
    for name in ("thin", "hub"):
        assert load_model("isnet", name, "cpu", size="64").identity == expected


def test_a_training_starts_from_a_name_of_the_card(thin_isnet, make_pairs, monkeypatch, tmp_path):
    supervised = pytest.importorskip("disbench.models._training.supervised")
    monkeypatch.setattr(supervised, "train_stages", lambda training, recipe, *unused: started.append(recipe.weights))
    started = []
    data = make_pairs(tmp_path / "pairs", ["a", "b"])
    for name in ("thin", "here.safetensors"):
        recipe = supervised.Recipe(size=64, weights=name, validate_every=0, validate_on=0)
        context = supervised.TrainingContext(out=tmp_path / "out", device="cpu")
        supervised.train_model("isnet", recipe, str(data), context)
    assert Path(started[0]).read_bytes() == Path(started[1]).read_bytes()
    assert started[1] == "here.safetensors"
