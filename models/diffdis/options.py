"""The options of DiffDIS beyond the plain pass."""

from dataclasses import dataclass, fields
from typing import Annotated, Literal, get_args, get_origin

import msgspec
from msgspec import Meta

from disbench.errors import InputError, suggest_names

NEEDS_CUDA = ("reduce-overhead", "graph")  # values of `compile`
Count = Annotated[int, Meta(ge=1, le=1000)]


@dataclass(frozen=True)
class Options:
    """Options that change the maps of the same weights, or their time.

    Attributes:
        preset: "plain", one pass, or "official", the six passes of the authors' script.
        steps: denoising steps.
        ensemble: number of noises that each pass is made from; the maps are averaged.
        fit: "square" as in the paper, or "keep", which keeps the aspect ratio and pads.
        output: "soft"; "binary", thresholded at 1/2; or "edge", the edge map instead of the mask.
        precision: "fp32"; "tf32" for matrix products and convolutions on CUDA; or "fp16", with x0 in float32 and the
            decoder in bfloat16, or in float32 on GPUs without bfloat16; or "bf16", with x0 in float32, on CPUs that
            compute in it.
        vae: "whole"; "sliced", one image of a batch at a time; or "tiled", which also computes its largest layers in
            tiles. Both need less memory, and change maps by rounding only.
        compile: mode of torch.compile for U-Net and decoder, of which "reduce-overhead" makes CUDA graphs; or "graph",
            a CUDA graph of each whole pass, without a compiler.
        size: side in pixels that the network works at; 0 for that of the weights.
    """

    preset: Literal["plain", "official"] = "plain"
    steps: Count = 1
    ensemble: Count = 1
    fit: Literal["square", "keep"] = "square"
    output: Literal["soft", "binary", "edge"] = "soft"
    precision: Literal["fp32", "tf32", "fp16", "bf16"] = "fp32"
    vae: Literal["whole", "sliced", "tiled"] = "whole"
    compile: Literal["no", "default", "reduce-overhead", "max-autotune", "graph"] = "no"
    size: Annotated[int, Meta(ge=0, le=8192)] = 0


def parse_options(options: dict[str, str | int]) -> Options:
    """Parse options by name. InputError for an unknown one, a wrong value, and values that exclude each other."""
    types = {field.name: field.type for field in fields(Options)}
    if unknown := options.keys() - types.keys():
        raise InputError(f"unknown option {min(unknown)!r}; {suggest_names(min(unknown), ['base', 'state', *types])}")
    for key, value in options.items():
        try:
            msgspec.convert(value, types[key], strict=False)
        except msgspec.ValidationError as error:
            fault = f"not one of {', '.join(get_args(types[key]))}" if get_origin(types[key]) is Literal else error
            raise InputError(f"option {key}={value}: {fault}") from None
    parsed = msgspec.convert(options, Options, strict=False)
    # Even where sizes are marked as dynamic, torch compiles anew for most of them, since a compiled convolution holds
    # for a range of sizes only; after eight times it no longer compiles. A test counts.
    many_shapes = {"preset": "official", "fit": "keep", "vae": "tiled"}
    names = [f"{key}={value}" for key, value in many_shapes.items() if getattr(parsed, key) == value]
    if parsed.compile not in ("no", "graph") and names:
        raise InputError(
            f"option compile={parsed.compile}: not with {names[0]}, by which layers get several shapes, for most of "
            "which torch would compile again; omit one of them, or on CUDA use compile=graph"
        )
    if parsed.compile == "graph" and parsed.steps > 1:
        raise InputError("option compile=graph: a graph has no noise of several steps; omit it, or --option steps")
    return parsed
