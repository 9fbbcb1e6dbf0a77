"""Whether the network may be used, and whether a server answers, so that a machine without one does not wait."""

import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from disbench.errors import InputError

OFFLINE = "HF_HUB_OFFLINE"  # the variable of huggingface_hub, which --offline sets
CONNECT_SECONDS = 3.0
_PORTS = {"http": 80, "https": 443}


def is_offline() -> bool:
    """Return whether the user forbids connections: --offline, $HF_HUB_OFFLINE or $TRANSFORMERS_OFFLINE."""
    constants = sys.modules.get("huggingface_hub.constants")  # which may be set in the program
    variables = (os.environ.get(name) for name in (OFFLINE, "TRANSFORMERS_OFFLINE"))
    return bool(getattr(constants, OFFLINE, False)) or any(map(_is_true, variables))


def _is_true(variable: str | None) -> bool:
    """Return whether huggingface_hub takes the text of a variable for true."""
    return (variable or "").upper() in {"1", "ON", "YES", "TRUE"}


@contextmanager
def forbid_connections() -> Iterator[None]:
    """Forbid connections while the block runs, also to the processes that it starts."""
    constants = sys.modules.get("huggingface_hub.constants")
    variable, constant = os.environ.get(OFFLINE), getattr(constants, OFFLINE, None)
    os.environ[OFFLINE] = "1"
    if constants is not None:  # it reads the variable only when it is imported
        setattr(constants, OFFLINE, True)
    try:
        yield
    finally:
        if variable is None:
            os.environ.pop(OFFLINE, None)
        else:
            os.environ[OFFLINE] = variable
        if (constants := sys.modules.get("huggingface_hub.constants")) is not None:
            setattr(constants, OFFLINE, _is_true(variable) if constant is None else constant)


def can_connect(url: str) -> bool:
    """Return whether the server of an address, or the proxy for it, accepts a connection within seconds.

    Raises InputError for what is no address.
    """
    try:
        parts = urlsplit(url)
        proxy = getproxies().get(parts.scheme)
        if proxy and not proxy_bypass(parts.hostname or ""):
            parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    except ValueError as error:
        raise InputError(f"{url}: {error}; correct the address, such as $HF_ENDPOINT, or that of the proxy") from None
    answers: list[bool] = []

    def connect() -> None:
        try:
            address = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 443)
            socket.create_connection(address, timeout=CONNECT_SECONDS).close()
            answers.append(True)
        except (OSError, ValueError):
            pass  # no answer

    # In a thread, because looking up a name has no time limit.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(CONNECT_SECONDS)
    return bool(answers)
