"""Load parts of Stable Diffusion folders, and build modules of diffusers from a configuration."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from diffusers import ModelMixin
from torch import Tensor, nn

from disbench.errors import InputError
from disbench.models._parts import weights
from disbench.system.hub import must_use_cache


def load_part(read: Callable[..., Any], base: str, name: str, **options: Any) -> Any:
    """Read one part of a Stable Diffusion folder in diffusers' layout.

    Args:
        read: function of diffusers or transformers that reads the part.
        base: the folder, or a Hugging Face id.
        name: "vae", "unet", ...; "" for the folder itself.
        **options: further arguments of `read`.

    Raises:
        InputError: if the part is missing or unreadable.
    """
    if not Path(base).is_dir() and must_use_cache():
        options["local_files_only"] = True
    try:
        return read(base, subfolder=name, **options)
    except Exception as error:  # both libraries fail on foreign files with any kind of exception
        reason = weights.first_line(error)
        part = f"{name}/" if name else "part"
        if "local_files_only" in options:
            raise InputError(
                f"{base}: no such folder, and without a network its {part} is not in the cache of Hugging Face; "
                "connect, or give a folder that you have: --option base=DIR, or --set base=DIR of `disbench train`"
            ) from error
        raise InputError(
            f"{base}: no {part} of Stable Diffusion 2.1 or SD-Turbo to read ({reason}); choose another base"
        ) from error


def load_network(kind: type[nn.Module], base: str, name: str) -> Any:
    """Load the network in one part, in eval mode.

    Args:
        kind: class of diffusers or transformers.
        base: folder or Hugging Face id.
        name: the part, as in `load_part`.

    Raises:
        InputError: with the first tensors that are missing, unknown or of another shape. Both libraries would only
            warn and draw them at random.
    """
    with _without_warnings():
        net, info = load_part(
            kind.from_pretrained, base, name, output_loading_info=True, ignore_mismatched_sizes=True
        )
    wrong = [f"{key} is missing" for key in sorted(info["missing_keys"])]
    wrong += [f"{key} has another shape" for key, *_ in sorted(info["mismatched_keys"])]
    # position_ids is a buffer that older versions saved and newer ones compute.
    wrong += [f"{key} is unknown" for key in sorted(info["unexpected_keys"]) if not key.endswith(".position_ids")]
    if wrong or info["error_msgs"]:
        examples = ", ".join(wrong[:3] or info["error_msgs"][:1])
        source = f"{base}/{name}" if name else base
        raise InputError(
            f"{source}: not the weights of this {kind.__name__}; {len(wrong)} tensors differ: {examples} ...; "
            "get the folder again, or choose another base"
        )
    weights.separate_from_file(net)
    return net.eval()


def load_text_encoder(base: str) -> tuple[Any, Any]:
    """Load the CLIPTokenizer and the CLIPTextModel, float32, of a Stable Diffusion folder.

    Args:
        base: folder or Hugging Face id.

    Raises:
        InputError: if a part is missing or unreadable, or the tokenizer is not that of the encoder. transformers makes
            one of two tokens where its files are missing, and every prompt would be another one.
    """
    from transformers import CLIPTextModel, CLIPTokenizer

    tokenizer = load_part(CLIPTokenizer.from_pretrained, base, "tokenizer")
    encoder = load_network(CLIPTextModel, base, "text_encoder").float()
    size, ids = encoder.config.vocab_size, tokenizer("").input_ids
    fault = ""
    if len(tokenizer) != size:
        fault = f"has {len(tokenizer)} tokens, and the text encoder {size}"
    elif ids != [size - 2, size - 1]:  # CLIP's vocabulary ends with the start and the end of a text
        fault = f"makes an empty prompt of the tokens {ids}, not of {[size - 2, size - 1]}, its start and its end"
    if fault:
        raise InputError(
            f"{base}: its tokenizer {fault}, so files of tokenizer/ are missing, or not cached and there is no "
            "network; get all of them, or choose another base"
        )
    return tokenizer, encoder


def list_files(base: str, *patterns: str) -> tuple[Path, ...]:
    """List the files of a Stable Diffusion folder, or of a Hugging Face id in the cache, that match patterns."""
    folder = Path(base)
    if not folder.is_dir():
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(base, "vae/config.json")
        if not isinstance(cached, str):
            return ()
        folder = Path(cached).parents[1]
    return tuple(sorted(path for pattern in patterns for path in folder.glob(pattern) if path.is_file()))


def build_network(kind: type[ModelMixin], config: dict[str, Any], state: dict[str, Tensor], path: Path) -> Any:
    """Build a module from a configuration and a state.

    Args:
        kind: class of diffusers.
        config: its configuration.
        state: all its tensors.
        path: file of the tensors, for errors.

    Raises:
        InputError: if the configuration is wrong, or does not fit the tensors.
    """

    def build_empty() -> ModelMixin:
        try:
            return kind.from_config(config)
        except Exception as error:  # diffusers fails on wrong values with any kind of exception
            reason = weights.first_line(error)
            raise InputError(f"{path}: its configuration makes no {kind.__name__} ({reason})") from error

    return weights.load_module(build_empty, state, path)


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Silence the warnings about faults that `load_network` reports in one line."""
    loggers = [logging.getLogger(name) for name in ("diffusers", "transformers")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
