"""`--data hf:OWNER/NAME` downloads a data set of the Hugging Face hub, here from a small server on this machine."""

import json

import pytest
from command import call
from layout_files import parquet_row, put_maps, put_parquet

pytest.importorskip("huggingface_hub")
from hub_server import serve_hub

FILE = "data/train-00000-of-00001.parquet"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put_parquet(tmp_path / "x.parquet", [parquet_row(k, (f"{name}.jpg", None)) for k, name in enumerate("ab")])
    contents = {FILE: (tmp_path / "x.parquet").read_bytes(), "README.md": b"# Cards"}
    with serve_hub(monkeypatch, tmp_path / "cache", {"some/cards": contents}) as server:
        yield server


def test_a_data_set_of_the_hub_is_scored(hub, tmp_path):
    scored = call("score", put_maps(tmp_path / "maps" / "train").parent, "--data", "hf:some/cards", "--json")
    assert scored.exit_code == 0, scored.output
    (result,) = json.loads(scored.stdout)
    assert (result["dataset"], result["scores"]["train"]["mae"]) == ("some/cards", 0)
    assert "hf:some/cards: parquet files" in scored.stderr
    assert call("data", "verify", "--data", "hf:some/cards").exit_code == 0


@pytest.mark.parametrize("name", ["hf:some/nothing", "hf:", "hf:a", "hf:a/b/c", "hf:../x"])
def test_what_is_not_on_the_hub_is_refused_in_one_line(hub, name):
    refused = call("data", "verify", "--data", name)
    assert refused.exit_code == 2
    assert f"{name}: " in refused.stderr
    assert "Traceback" not in refused.output


def test_without_a_network_a_data_set_comes_from_the_cache_or_is_refused_in_one_line(hub, tmp_path, monkeypatch):
    import huggingface_hub.constants as constants

    assert call("data", "verify", "--data", "hf:some/cards").exit_code == 0
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert call("data", "verify", "--data", "hf:some/cards").exit_code == 0
    refused = call("data", "verify", "--data", "hf:some/other")
    assert refused.exit_code == 2
    assert (
        "hf:some/other: not available from Hugging Face (no network, and not all of it in the cache); connect, or give "
        "the path of a file or folder that you have"
    ) in refused.stderr
