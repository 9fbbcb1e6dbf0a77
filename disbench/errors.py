"""The one error that a user's mistake may raise."""


class InputError(ValueError):
    """Bad input or wrong use. The message is shown as it is: it names the file or the option, and the way out."""
