"""Compile kernels with Numba, and keep the machine code in the user's cache.

    kernels-v1/<module>.<function>-<digest>.nbc    the machine code of one kernel for one signature and processor

Numba's own cache lies next to the source files, which containers may not write to, and ends the process where one of
its files is damaged. Here, the name of an entry is a digest of everything that decides the machine code, and a checksum
protects the content. A damaged entry is compiled again and replaced. Where no entry can be written, kernels are
compiled in every process. $NUMBA_CACHE_DIR, if set, is the cache of the kernels only.
"""

import hashlib
import pickle
import sys
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import llvmlite
import numpy as np

from disbench.errors import InputError
from disbench.system.caches import check_writable, kernel_cache_folder, read_checked, warn_unwritable, write_checked
from disbench.system.progress import LinePacer, announce_once
from disbench.system.variables import import_numba
from disbench.system.version import __version__

import_numba()  # before the statements below, which would end in a traceback

import numba  # noqa: E402
from numba import njit  # noqa: E402
from numba.core.caching import NullCache  # noqa: E402
from numba.core.compiler import CompileResult  # noqa: E402
from numba.core.runtime import rtsys  # noqa: E402
from numba.core.serialize import dumps  # noqa: E402


def _import_without_blas() -> None:
    """Import the part of Numba that looks for BLAS, which no kernel calls, without loading SciPy for it."""
    name = "scipy.linalg.cython_blas"
    if name in sys.modules:
        return
    sys.modules[name] = None  # type: ignore[assignment]  # importing it is an ImportError, which Numba expects
    try:
        import_module("numba.np.arraymath")
    finally:
        del sys.modules[name]


_import_without_blas()


def make_kernel_decorator(**options: Any) -> Callable[[Callable], Callable]:
    """Return a decorator like numba.njit(**options, cache=True), with the cache of this module."""

    def decorate(function: Callable) -> Callable:
        dispatcher = njit(**options)(function)
        if dispatcher is not function:  # $NUMBA_DISABLE_JIT returns the function itself
            dispatcher._cache = KernelCache(function, options)
        return dispatcher

    return decorate


def make_inner_decorator(**options: Any) -> Callable[[Callable], Callable]:
    """Return a decorator for kernels that only kernels call; if Python called one, that would end the process.

    Without an entry for Python and without a cache of its own, compiling a kernel takes a third less time.
    """
    return njit(**options | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True})


class KernelCache(NullCache):
    """The cached machine code of one kernel. Numba calls the two methods while it holds its lock."""

    def __init__(self, function: Callable, options: dict[str, Any]):
        code = function.__code__
        self._namespace = function.__globals__
        self._name = f"{Path(code.co_filename).stem}.{function.__name__}"
        self._identity = (
            *(__version__, numba.__version__, llvmlite.__version__, sys.implementation.cache_tag),
            *(function.__module__, function.__qualname__, code.co_firstlineno),
            repr(sorted((name, _sorted(value)) for name, value in options.items())),
            _hash_source(code.co_filename) or hashlib.sha256(code.co_code).hexdigest(),
        )

    @property
    def cache_path(self) -> str:
        """The folder of the entries, for Numba's statistics."""
        return str(kernel_cache_folder())

    def load_overload(self, sig, target_context):
        """Return the compiled kernel for a signature, or None if it must be compiled."""
        rtsys.initialize(target_context)
        data = read_checked(self._entry(sig, target_context.codegen()))
        if data is not None:
            try:
                return CompileResult._rebuild(target_context, *pickle.loads(data))
            except Exception:  # a right checksum, and yet not what this version of Numba writes
                pass
        _announce_compilation()
        return None

    def save_overload(self, sig, data):
        """Write the compiled kernel for a signature. Warns once if that is impossible."""
        if data.library.has_dynamic_globals:
            return
        try:
            write_checked(self._entry(sig, data.codegen), dumps(data._reduce()))
        except (OSError, InputError) as error:
            warn_unwritable(kernel_cache_folder().parent, error)

    def _entry(self, signature, codegen) -> Path:
        key = repr((self._identity, _list_constants(self._namespace), signature, codegen.magic_tuple()))
        return kernel_cache_folder() / f"{self._name}-{hashlib.sha256(key.encode()).hexdigest()[:32]}.nbc"


@lru_cache
def _hash_source(file: str) -> str | None:
    """Return the digest of a source file. None: it is in an archive, or was not installed."""
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except OSError:
        return None


def _list_constants(namespace: dict[str, Any]) -> list[tuple[str, str]]:
    """Describe the numbers of a module. Its kernels contain them, even those that it imports from other modules."""
    described = []
    for name, value in sorted(namespace.items()):
        if isinstance(value, np.ndarray):
            described.append((name, f"{value.dtype} {value.shape} {hashlib.sha256(value.tobytes()).hexdigest()}"))
        elif all(isinstance(part, (int, float, np.generic)) for part in (value if type(value) is tuple else (value,))):
            described.append((name, repr(value)))
    return described


def _sorted(value: Any) -> Any:
    """Return a list for a set, whose order varies between processes."""
    return sorted(value) if isinstance(value, set) else value


@lru_cache
def _make_pacer() -> LinePacer:
    """Return the pacer of this process's lines about compiling. Its time begins with the first compilation."""
    return LinePacer()


def _announce_compilation() -> None:
    """Announce the first compilation of this process, and warn if the next process must compile too."""
    if _make_pacer().is_due():
        announce_once("still compiling the kernels ...")
    folder = kernel_cache_folder()
    try:
        check_writable(folder)
    except OSError as error:
        warn_unwritable(folder.parent, error)
        announce_once("compiling the kernels ...")
    else:
        announce_once("compiling the kernels, once ...")
