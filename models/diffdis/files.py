"""Parts of Stable Diffusion folders, and modules that diffusers makes from a configuration."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from diffusers import ModelMixin
from torch import Tensor

from disbench.errors import InputError
from disbench.models._parts import weights


def part(read: Callable, base: str, name: str) -> Any:
    """`read` applied to one part of a Stable Diffusion folder (or id) in diffusers' layout: "vae", "unet", ..."""
    try:
        return read(base, subfolder=name)
    except (OSError, ValueError) as error:
        why = weights.first_line(error)
        raise InputError(f"{base}: no {name}/ of Stable Diffusion 2.1 or SD-Turbo to read ({why})") from error


def build(kind: type[ModelMixin], config: dict[str, Any], state: dict[str, Tensor], path: Path) -> ModelMixin:
    """A module of this configuration, as `_parts.weights.build` fills it; InputError where it makes none."""

    def make() -> ModelMixin:
        try:
            return kind.from_config(config)
        except Exception as error:  # diffusers fails on wrong values in whatever way they lead it to
            why = weights.first_line(error)
            raise InputError(f"{path}: the configuration for it makes no {kind.__name__} ({why})") from error

    return weights.build(make, state, path)
