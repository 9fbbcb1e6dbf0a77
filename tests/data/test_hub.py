"""`--data hf:OWNER/NAME` downloads a data set of the Hugging Face hub, here from a small server on this machine."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from command import call
from layout_files import parquet_row, put_maps, put_parquet

pytest.importorskip("huggingface_hub")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILE = "data/train-00000-of-00001.parquet"


def serve(content):
    """A server with the data set some/cards, of one parquet file."""
    info = {
        "_id": "1",
        "id": "some/cards",
        "sha": COMMIT,
        "private": False,
        "tags": [],
        "siblings": [{"rfilename": FILE}, {"rfilename": "README.md"}],
    }
    tree = [{"type": "file", "path": FILE, "size": len(content), "oid": "1" * 40}]

    class Handler(BaseHTTPRequestHandler):
        def answer(self, body):
            path = self.path.partition("?")[0]
            kind = "application/octet-stream"
            if path.startswith("/api/datasets/some/cards/tree/"):
                reply, kind = json.dumps(tree).encode(), "application/json"
            elif path.startswith("/api/datasets/some/cards"):
                reply, kind = json.dumps(info).encode(), "application/json"
            elif path == f"/datasets/some/cards/resolve/{COMMIT}/{FILE}":
                reply = content
            else:
                reply = None
            self.send_response(404 if reply is None else 200)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(reply or b"")))
            self.end_headers()
            if body and reply:
                self.wfile.write(reply)

        def do_GET(self):
            self.answer(body=True)

        def do_HEAD(self):
            self.answer(body=False)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture
def hub(tmp_path, monkeypatch):
    import huggingface_hub.constants as constants

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))
    put_parquet(tmp_path / "x.parquet", [parquet_row(k, (f"{name}.jpg", None)) for k, name in enumerate("ab")])
    server = serve((tmp_path / "x.parquet").read_bytes())
    address = f"http://127.0.0.1:{server.server_port}"
    # The library reads HF_ENDPOINT when it is imported, which another test may have done.
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr("huggingface_hub.hf_api.api.endpoint", address)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    yield server
    server.shutdown()
    server.server_close()


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
    assert "hf:some/other: not in the cache, and cannot be downloaded (no network); connect, or give" in refused.stderr
