"""A server on this machine that speaks the protocol of the Hugging Face hub, and serves other files."""

import hashlib
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import huggingface_hub.constants as constants

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class HubServer(ThreadingHTTPServer):
    """Repositories by id, each a dict of contents by path, and other files by the path of their address.

    Attributes:
        status: answered to every request in place of what was asked for, if not 200.
        cut: contents end after so many bytes, and the connection is closed.
        asked: the paths of all requests, with the header Range of those that have one.
        ranges: whether the server can send the rest of a file.
    """

    daemon_threads = True

    def __init__(self, repositories=None, files=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories, self.files = repositories or {}, files or {}
        self.status, self.cut, self.asked, self.ranges = 200, None, [], True
        self.url = f"http://127.0.0.1:{self.server_port}"

    def find(self, path):
        """Return the answer to a path: bytes, or an object for JSON; None if it does not exist."""
        if path in self.files:
            return self.files[path]
        if match := re.match(r"/api/(?:models|datasets)/([^/]+/[^/]+)(/tree/)?", path):
            name, tree = match.groups()
            contents = self.repositories.get(name)
            if contents is None:
                return None
            if tree:
                return [
                    {"type": "file", "path": path, "size": len(data), "oid": "1" * 40}
                    for path, data in contents.items()
                ]
            siblings = [{"rfilename": path} for path in contents]
            return {"_id": "1", "id": name, "sha": COMMIT, "private": False, "tags": [], "siblings": siblings}
        if match := re.match(r"(?:/datasets)?/([^/]+/[^/]+)/resolve/[^/]+/(.+)", path):
            return self.repositories.get(match[1], {}).get(match[2])
        return None


class Handler(BaseHTTPRequestHandler):
    def answer(self, *, body):
        server, path = self.server, self.path.partition("?")[0]
        server.asked.append((path, self.headers.get("Range")))
        found = server.find(path) if server.status == 200 else None
        data = found if isinstance(found, bytes) else json.dumps(found).encode()
        status = server.status if server.status != 200 else 404 if found is None else 200
        etag = hashlib.sha256(data).hexdigest()
        span = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        is_same = self.headers.get("If-Range") in (None, f'"{etag}"')
        if status == 200 and span and is_same and server.ranges and isinstance(found, bytes):
            status, total = 206, len(data)
            data = data[int(span[1]) :]
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {span[1]}-{total - 1}/{total}")
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{etag}"')
        self.send_header("Content-Type", "application/octet-stream" if isinstance(found, bytes) else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            is_cut = server.cut is not None and isinstance(found, bytes)
            self.wfile.write(data[: server.cut] if is_cut else data)
            self.close_connection = self.close_connection or is_cut

    def do_GET(self):
        self.answer(body=True)

    def do_HEAD(self):
        self.answer(body=False)

    def log_message(self, *_):
        pass


@contextmanager
def serve_hub(monkeypatch, cache, repositories=None, files=None):
    """Serve repositories and files, and let huggingface_hub take them from there and keep them in a folder."""
    server = HubServer(repositories, files)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    use_endpoint(monkeypatch, server.url, cache)
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def use_endpoint(monkeypatch, url, cache):
    """Set what huggingface_hub reads from the environment only when it is imported."""
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DISBENCH_CACHE", str(cache / "disbench"))
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr("huggingface_hub.hf_api.api.endpoint", url)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
