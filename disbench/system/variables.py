"""Environment variables of other packages: bad values end in one line, and what disbench sets the user may overrule."""

import os
import re
import warnings
from importlib import import_module

from disbench.errors import InputError

HUB_SECONDS = ("HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT")
# What decides the number of threads and how they wait, by the library that reads it.
OPENMP = ("GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_NUM_THREADS", "OMP_WAIT_POLICY")
OPENBLAS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# How often a thread of torch looks for work before it sleeps. libgomp's default, 300,000, takes the core from the very
# thread that it waits for when other processes run.
SPINS = "5000"
_added: set[str] = set()  # by set_thread_variables


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


def set_thread_variables() -> None:
    """Set variables that make threads wait sensibly, unless the user decided. Call it before NumPy and torch load.

    OpenBLAS gets one thread: the products of resampling are too small for several, and round as on every machine.
    """
    defaults: dict[str, str] = {}
    if not any(name in os.environ for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")):
        defaults["GOMP_SPINCOUNT"] = SPINS
    if not any(name in os.environ for name in OPENBLAS):
        defaults["OPENBLAS_NUM_THREADS"] = "1"
    os.environ.update(defaults)
    _added.update(defaults)


def read_thread_variables() -> dict[str, str]:
    """Return the variables of OpenMP that are set, whoever set them."""
    return {name: os.environ[name] for name in OPENMP if name in os.environ}


def user_variables() -> dict[str, str]:
    """Return all variables without those of `set_thread_variables`, for programs that are not disbench's."""
    return {name: value for name, value in os.environ.items() if name not in _added}
