"""The command on a user's own photos: predict."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from disbench.cli.examples import format_examples
from disbench.cli.options import PATH, TEXT, add_options, input_option, json_option, model_options
from disbench.data.training import describe_training
from disbench.errors import InputError, escape_control_chars
from disbench.system.console import print_json, print_note
from disbench.system.progress import show_progress

if TYPE_CHECKING:
    from disbench.inference.cutouts import Rendering
    from disbench.inference.model import Model
    from disbench.inference.photo_outputs import Outcome

STREAM = Path("-")  # standard input or standard output


@click.command(
    epilog=format_examples(
        "disbench predict photo.jpg mask.png --model isnet --weights isnet.pth",
        "disbench predict photos cutouts --cutout --model isnet --weights isnet.pth",
        "disbench predict photo.jpg white.webp --background white",
    ),
)
@click.argument("places", nargs=-1, required=True, metavar="PHOTO|DIR... [OUT]", type=PATH)
@add_options(*model_options, input_option)
@click.option("--cutout", is_flag=True, help="Write the photo with the mask as alpha, not the mask.")
@click.option("--background", metavar="COLOUR|IMAGE", type=TEXT, help="Put the cut-out on a colour or an image.")
@click.option("--decontaminate", is_flag=True, help="Estimate the object's own colours at its edges. Needs pymatting.")
@click.option(
    "--format", "format_", type=click.Choice(["png", "webp", "jpeg"]), help="Default: that of OUT's suffix, or png."
)
@click.option(
    "--batch", type=click.IntRange(1), default=1, show_default=True, help="Photos that the model takes at a time."
)
@click.option("--out", type=PATH, help="A folder; for one photo, also a file. Default: OUT, or predictions.")
@click.option("--again", is_flag=True, help="Overwrite existing files.")
@json_option
def predict(
    places,
    model,
    weights,
    options,
    inputs,
    device,
    cutout,
    background,
    decontaminate,
    format_,
    batch,
    out,
    again,
    as_json,
):
    """Write masks or cut-outs of your own photos.

    The last of several arguments is the output: a folder, or for one photo a file. "-" is standard input or output.
    Masks are 8-bit PNG. The same command resumes where it was stopped.

    Photos are read as a viewer shows them, rotated by EXIF, and so are the masks. Cut-outs have the colours of the
    photo, so edges keep some of the background, unless --decontaminate is given.
    """
    from disbench.inference.cutouts import FORMATS, Rendering, check_decontamination
    from disbench.inference.model import load_model
    from disbench.inference.photo_outputs import PhotoRequest, predict_photos
    from disbench.inference.photos import find_photos
    from disbench.runs.outputs import check_output

    photos, out = _split_places(places, out)
    to_stream = out == STREAM
    if to_stream and as_json:
        raise InputError("--json: standard output takes the image; give a file or a folder as the output")
    if to_stream and sys.stdout.isatty():
        raise InputError("-: standard output is a terminal; redirect it to a file or a program")
    format_ = _choose_format(out, format_)
    backdrop = None if background is None else _read_background(background)
    rendering = Rendering(cutout=cutout, background=backdrop, decontaminate=decontaminate, format=format_)
    if decontaminate:
        check_decontamination()
    with tempfile.TemporaryDirectory(prefix="disbench-") as folder:
        stdin, stdout = Path(folder, "stdin"), Path(folder, "out", f"out{FORMATS[format_]}")
        if STREAM in photos:
            stdin.write_bytes(sys.stdin.buffer.read())
        photos = [stdin if place == STREAM else place for place in photos]
        # Faults are reported before a model is loaded.
        outputs, others = find_photos(photos, stdout if to_stream else out, FORMATS[format_])
        for place in dict.fromkeys([out, *outputs.values(), *(file.parent for file in outputs.values())]):
            check_output(place, [*inputs.values(), background if background and Path(background).is_file() else None])
        loaded = load_model(model, weights, device, **options)
        _warn_of_toy(loaded, weights)
        request = PhotoRequest(rendering=rendering, overwrite=again, inputs=inputs, batch=batch)
        with show_progress() as progress:
            try:
                outcomes = list(predict_photos(loaded, outputs, request, progress))
            except KeyboardInterrupt:
                if again:
                    raise KeyboardInterrupt(
                        "progress is saved; run the same command without --again to resume"
                    ) from None
                raise
        outcomes = [replace(outcome, image=STREAM) if outcome.image == stdin else outcome for outcome in outcomes]
        failed = [outcome for outcome in outcomes if outcome.fault]
        if to_stream and not failed:
            sys.stdout.buffer.write(stdout.read_bytes())
            sys.stdout.buffer.flush()
    if as_json:
        print_json(_list_outcomes(loaded, out, outcomes, others))
    elif not to_stream:
        click.echo(escape_control_chars(_summarise(loaded, out, rendering, outcomes, others)))
    for outcome in failed:
        fault = str(outcome.fault).replace(str(stdin), "standard input")
        print_note(f"disbench: {escape_control_chars(fault)}")
    if failed:
        sys.exit(2)


def _split_places(places: Sequence[Path], out: Path | None) -> tuple[list[Path], Path]:
    """Return the photos, and the output: --out, the last of several arguments, or the default."""
    from disbench.inference.cutouts import read_fingerprint

    if out is None and len(places) == 1:
        return list(places), STREAM if places[0] == STREAM else Path("predictions")
    photos = list(places)
    if out is None:
        out = photos.pop()
        # Without this, `predict *.jpg --again` would replace the last of two photos.
        if out.is_file() and read_fingerprint(out) is None:
            raise InputError(f"{out}: the last argument is the output, and this file is not disbench's; give --out")
    if photos.count(STREAM) > 1:
        raise InputError("-: standard input is one photo; give it once")
    if out == STREAM and (len(photos) > 1 or photos[0].is_dir()):
        raise InputError("-: standard output takes one image; give one photo, or a folder as the output")
    return photos, out


def _choose_format(out: Path, format_: str | None) -> str:
    """Return the format of a file's suffix, or --format."""
    from disbench.inference.cutouts import FORMATS
    from disbench.inference.photos import SUFFIXES

    suffix = out.suffix.lower()
    if out.is_dir() or suffix not in SUFFIXES:
        return format_ or "png"
    by_suffix = {**{value: key for key, value in FORMATS.items()}, ".jpeg": "jpeg"}.get(suffix)
    if by_suffix is None:
        raise InputError(f"{out}: {suffix} is not written; give a name with .png, .webp or .jpg")
    if format_ not in (None, by_suffix):
        raise InputError(f"{out}: its suffix is that of {by_suffix}, and --format is {format_}; omit one of them")
    return by_suffix


def _read_background(text: str) -> Any:
    from disbench.inference.cutouts import parse_background
    from disbench.inference.photos import read_photo

    colour = parse_background(text)
    if colour is not None:
        return colour
    if not Path(text).is_file():
        raise InputError(
            f"--background {text}: neither a colour nor a file; give a name such as white, #rrggbb, or a picture"
        )
    return read_photo(Path(text)).pixels


def _warn_of_toy(loaded: Model, weights: str | None) -> None:
    shipped = [describe_training(download.trained_on) for download in loaded.card.weights if not download.urls]
    if not weights and shipped and shipped[0].startswith("DIS-Mini"):
        toy = f"{loaded.title} (trained on {shipped[0]}) is a toy for photographs"
        print_note(f"{toy}; `disbench models {loaded.name}` names other weights")


def _list_outcomes(loaded: Model, out: Path, outcomes: Sequence[Outcome], others: int) -> dict[str, Any]:
    return {
        "model": loaded.title,
        "out": str(out),
        "written": _list_files([outcome for outcome in outcomes if not outcome.fault and outcome.new]),
        "there_already": _list_files([outcome for outcome in outcomes if not outcome.new]),
        "failed": [{"image": _to_text(o.image), "why": _to_text(o.fault)} for o in outcomes if o.fault],
        "not_pictures": others,
    }


def _list_files(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    return [{"image": _to_text(outcome.image), "file": _to_text(outcome.file)} for outcome in outcomes]


def _summarise(loaded: Model, out: Path, rendering: Rendering, outcomes: Sequence[Outcome], others: int) -> str:
    kind = "masks"
    if rendering.shows_photo:
        colours = "colours decontaminated" if rendering.decontaminate else "colours not decontaminated"
        kind = f"cut-outs ({colours})" if rendering.background is None else f"cut-outs on a background ({colours})"
    written = sum(not outcome.fault and outcome.new for outcome in outcomes)
    existing = sum(not outcome.new for outcome in outcomes)
    summary = f"{loaded.title}, {kind} written to {out}: {written}"
    if existing:
        summary += f"; existing: {existing}"
    if others:
        summary += f"; other files: {others}"
    return summary


def _to_text(name: object) -> str:
    """Return a name as text that JSON can hold: a name may hold bytes that are not UTF-8."""
    return str(name).encode("utf-8", "backslashreplace").decode()
