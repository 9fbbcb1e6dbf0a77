"""Writing of reports and pictures to the place that a user named."""

from pathlib import Path

from disbench.errors import InputError
from disbench.system.files import write_atomic


def write_output(path: Path, content: str | bytes, option: str = "--out") -> None:
    """Write a file atomically.

    Args:
        path: the file.
        content: bytes, or text to be encoded as UTF-8.
        option: the command line option that names the file, for the error message.

    Raises:
        InputError: if the file cannot be written.
    """
    try:
        write_atomic(path, content if isinstance(content, bytes) else content.encode())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; choose another place with {option}") from None
