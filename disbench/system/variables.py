"""Environment variables of which other packages answer a bad value with a traceback."""

import os
import re
import warnings
from importlib import import_module

from disbench.errors import InputError

HUB_SECONDS = ("HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT")


def read_count(name: str, default: int, least: int = 0) -> int:
    """Return a whole number from a variable.

    Args:
        name: the variable.
        default: the number if the variable is not set.
        least: the smallest number that makes sense.

    Raises:
        InputError: for anything other than such a number.
    """
    text = os.environ.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"\s*[0-9]{1,9}\s*", text) or int(text) < least:
        raise InputError(f"{name}={text}: must be a whole number from {least}; correct or unset the variable")
    return int(text)


def check_hub_variables() -> None:
    """Check the variables that huggingface_hub reads as numbers when it is imported. InputError for a bad one."""
    for name in HUB_SECONDS:
        read_count(name, 0)


def import_numba() -> None:
    """Import Numba, which reads the variables NUMBA_*. InputError that names them for a bad one."""
    read_count("NUMBA_NUM_THREADS", 1, least=1)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "Environment variable", RuntimeWarning)  # of a value that is no number
            import_module("numba")
    except (RuntimeWarning, RuntimeError, ValueError) as error:
        names = [name for name in os.environ if name.startswith("NUMBA_")]
        named = [name for name in names if name in str(error)]
        settings = ", ".join(f"{name}={os.environ[name]}" for name in named or names)
        reason = str(error).partition("\n")[0]
        raise InputError(f"{settings}: Numba cannot be loaded ({reason}); correct or unset the variable") from None
