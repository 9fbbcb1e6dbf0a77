"""Processes that were forked from one that has used threads."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")
_process = os.getpid()  # that imported disbench


def survive_fork(function: Callable[Arguments, Value]) -> Callable[Arguments, Value]:
    """Decorate a function that computes with torch so that it does not hang in a forked process.

    A fork copies only the thread that calls it. OpenMP believes that this thread still has its team, and would wait for
    it forever. A new thread gets a team of its own, so there the function runs in one, with the same result.
    """

    @wraps(function)
    def call(*args: Arguments.args, **options: Arguments.kwargs) -> Value:
        if os.getpid() == _process or threading.current_thread() is not threading.main_thread():
            return function(*args, **options)
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(function, *args, **options).result()

    return call
