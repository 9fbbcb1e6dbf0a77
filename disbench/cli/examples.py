"""The examples at the end of `--help`."""


def format_examples(*commands: str) -> str:
    """Format commands as the epilog of a command's help, one a line, unwrapped."""
    return "\n".join(["\b", "Examples:", *(f"  {command}" for command in commands)])
