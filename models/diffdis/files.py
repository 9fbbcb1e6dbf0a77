"""Parts of Stable Diffusion folders, and modules that diffusers makes from a configuration."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from diffusers import ModelMixin
from torch import Tensor, nn

from disbench.errors import InputError
from disbench.models._parts import weights


def part(read: Callable, base: str, name: str, **options: Any) -> Any:
    """`read` applied to one part of a Stable Diffusion folder (or id) in diffusers' layout: "vae", "unet", ...

    "" is the folder itself.
    """
    try:
        return read(base, subfolder=name, **options)
    except Exception as error:  # both libraries fail on foreign files in whatever way those lead them to
        why = weights.first_line(error)
        what = f"{name}/" if name else "part"
        raise InputError(f"{base}: no {what} of Stable Diffusion 2.1 or SD-Turbo to read ({why})") from error


def network(kind: type[nn.Module], base: str, name: str) -> nn.Module:
    """The network in one part, in eval mode, with all tensors that are there, neither more nor fewer.

    `kind` is diffusers' or transformers' class, `name` as in `part`. InputError with the first that differ, where both
    libraries warn and draw the rest at random.
    """
    with _without_warnings():
        found, info = part(kind.from_pretrained, base, name, output_loading_info=True, ignore_mismatched_sizes=True)
    wrong = [f"{key} is missing" for key in sorted(info["missing_keys"])]
    wrong += [f"{key} has another shape" for key, *_ in sorted(info["mismatched_keys"])]
    # A buffer that older versions wrote, and that the newer make themselves.
    wrong += [f"{key} is unknown" for key in sorted(info["unexpected_keys"]) if not key.endswith(".position_ids")]
    if wrong or info["error_msgs"]:
        some = ", ".join(wrong[:3] or info["error_msgs"][:1])
        where = f"{base}/{name}" if name else base
        raise InputError(
            f"{where}: not the weights of this {kind.__name__}; {len(wrong)} tensors differ: {some} ...; "
            "get the folder again, or choose another base"
        )
    return found.eval()


def build(kind: type[ModelMixin], config: dict[str, Any], state: dict[str, Tensor], path: Path) -> ModelMixin:
    """A module of this configuration, as `_parts.weights.build` fills it; InputError where it makes none."""

    def make() -> ModelMixin:
        try:
            return kind.from_config(config)
        except Exception as error:  # diffusers fails on wrong values in whatever way they lead it to
            why = weights.first_line(error)
            raise InputError(f"{path}: the configuration for it makes no {kind.__name__} ({why})") from error

    return weights.build(make, state, path)


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Of what `network` refuses in one line."""
    loggers = [logging.getLogger(name) for name in ("diffusers", "transformers")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
