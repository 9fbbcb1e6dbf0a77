"""The command on a user's own photos: predict."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from disbench.cli.options import PATH, add_options, input_option, json_option, model_options
from disbench.data.training import describe_training
from disbench.errors import escape_control_chars
from disbench.system.console import print_json, print_note
from disbench.system.progress import show_progress

if TYPE_CHECKING:
    from disbench.inference.photos import Outcome


@click.command()
@click.argument("photos", metavar="PHOTO|DIR", type=PATH)
@add_options(*model_options, input_option)
@click.option("--cutout", is_flag=True, help="Write the photo with the mask as alpha, not the mask.")
@click.option("--out", default="predictions", show_default=True, type=PATH, help="A folder.")
@click.option("--again", is_flag=True, help="Overwrite existing files.")
@json_option
def predict(photos, model, weights, options, inputs, device, cutout, out, again, as_json):
    """Write masks or cut-outs of your own photos.

    Masks are 8-bit PNG. The same command resumes where it was stopped.

    Photos are read as a viewer shows them, rotated by EXIF, and so are the masks. Cut-outs have the colours of the
    photo: they are not decontaminated, so edges keep some of the background.
    """
    from disbench.inference.model import load_model
    from disbench.inference.photos import find_photos, predict_photos
    from disbench.runs.outputs import check_output

    outputs, others = find_photos(photos, out)  # faults are reported before a model is loaded
    for folder in dict.fromkeys([out, *(file.parent for file in outputs.values())]):
        check_output(folder, inputs.values())
    loaded = load_model(model, weights, device, **dict(options))
    shipped = [describe_training(download.trained_on) for download in loaded.card.weights if not download.urls]
    if not weights and shipped and shipped[0].startswith("DIS-Mini"):
        toy = f"{loaded.title} (trained on {shipped[0]}) is a toy for photographs"
        print_note(f"{toy}; `disbench models {loaded.name}` names other weights")
    with show_progress() as progress:
        try:
            predicted = predict_photos(
                loaded, outputs, cutout=cutout, overwrite=again, inputs=inputs, progress=progress
            )
            outcomes = list(predicted)
        except KeyboardInterrupt:
            if again:
                raise KeyboardInterrupt("progress is saved; run the same command without --again to resume") from None
            raise
    failed = [outcome for outcome in outcomes if outcome.fault]
    written = [outcome for outcome in outcomes if not outcome.fault and outcome.new]
    existing = [outcome for outcome in outcomes if not outcome.new]
    if as_json:
        print_json(
            {
                "model": loaded.title,
                "out": str(out),
                "written": _list_files(written),
                "there_already": _list_files(existing),
                "failed": [{"image": _to_text(o.image), "why": _to_text(o.fault)} for o in failed],
                "not_pictures": others,
            }
        )
    else:
        kind = "cut-outs (colours not decontaminated)" if cutout else "masks"
        summary = f"{loaded.title}, {kind} written to {out}: {len(written)}"
        if existing:
            summary += f"; existing: {len(existing)}"
        if others:
            summary += f"; files that are not photos: {others}"
        click.echo(escape_control_chars(summary))
    for outcome in failed:
        print_note(f"disbench: {escape_control_chars(str(outcome.fault))}")
    if failed:
        sys.exit(2)


def _list_files(outcomes: Sequence["Outcome"]) -> list[dict[str, Any]]:
    return [{"image": _to_text(outcome.image), "file": _to_text(outcome.file)} for outcome in outcomes]


def _to_text(name: object) -> str:
    """Return a name as text that JSON can hold: a name may hold bytes that are not UTF-8."""
    return str(name).encode("utf-8", "backslashreplace").decode()
