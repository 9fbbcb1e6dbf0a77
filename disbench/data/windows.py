"""Rectangular parts of images."""

from typing import NamedTuple


class Window(NamedTuple):
    """A part of an image, in its pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def region(self) -> tuple[slice, slice]:
        """The rows and the columns of the window, as the index of its pixels in an array (height, width)."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)
