"""The command line of modules that convert files of others to checkpoints: python -m MODULE SOURCE OUT.safetensors."""

import sys
from collections.abc import Callable
from pathlib import Path

from safetensors.torch import save

from disbench.errors import InputError, describe_error
from disbench.models._parts.states import State
from disbench.runs.outputs import check_output
from disbench.system.files import write_atomic


def run_conversion(convert: Callable[[Path], State], usage: str) -> None:
    """Convert the first argument of the command line, and write the tensors to the second. Bad input ends it with 2."""
    try:
        if len(sys.argv) != 3:
            raise InputError(f"two arguments are needed: {usage}")
        source, out = map(Path, sys.argv[1:])
        check_output(out, [source], "the second argument")
        try:
            state = convert(source)
        except ModuleNotFoundError as error:
            raise InputError(f"{source}: needs {error.name}; pip install {error.name}") from None
        try:
            write_atomic(out, save(state))
        except OSError as error:
            raise InputError(f"{out}: {describe_error(error)}; choose another place") from None
    except InputError as error:
        print(f"disbench: {error}", file=sys.stderr)
        sys.exit(2)
    print(out)
