"""The command on a user's own pictures: predict."""

import sys
from pathlib import Path

import click

from disbench.cli.options import add_options, json_option, model_options
from disbench.errors import escape_control_chars
from disbench.system.console import print_json
from disbench.system.progress import show_progress


@click.command()
@click.argument("where", metavar="PHOTO|DIR", type=click.Path(path_type=Path))
@add_options(*model_options)
@click.option("--cutout", is_flag=True, help="The picture itself with the mask as alpha, in place of the mask.")
@click.option("--out", default="predictions", show_default=True, type=click.Path(path_type=Path), help="A folder.")
@click.option("--again", is_flag=True, help="Also what is there already.")
@json_option
def predict(where, model, weights, options, device, cutout, out, again, as_json):
    """Masks, or cut-outs, of your own pictures. 8-bit PNG; goes on where it was stopped.

    Pictures are taken as a viewer shows them (turned by EXIF), and so are the masks. Colours of cut-outs are the
    picture's own: they are not decontaminated, edges keep some of the background.
    """
    from disbench.inference import photos
    from disbench.inference.model import load_model

    outputs, others = photos.find_photos(where, out)  # told before a model is loaded
    source = load_model(model, weights, device, **dict(options))
    learnt = [one.trained_on for one in source.card.weights if not one.urls]  # of weights that come with the model
    if not weights and learnt and learnt[0].startswith("DIS-Mini"):
        toy = f"{source.title} (trained on {learnt[0]}) is a toy for photographs"
        click.echo(f"{toy}; `disbench models {source.name}` names other weights", err=True)
    with show_progress() as progress:
        try:
            outcomes = list(photos.predict_photos(source, outputs, cutout, again, progress))
        except KeyboardInterrupt:
            if again:
                raise KeyboardInterrupt("what is done is kept; the same command goes on without --again") from None
            raise
    failed = [one for one in outcomes if one.why]
    written = [one for one in outcomes if not one.why and one.new]
    there = [one for one in outcomes if not one.new]
    if as_json:
        pairs = {"written": written, "there_already": there}
        listed = {key: [{"image": _text(o.image), "file": _text(o.file)} for o in some] for key, some in pairs.items()}
        why = [{"image": _text(one.image), "why": _text(one.why)} for one in failed]
        print_json({"model": source.title, "out": str(out), **listed, "failed": why, "not_pictures": others})
    else:
        kind = "cut-outs (colours not decontaminated)" if cutout else "masks"
        done = f"{kind} written to {out}: {len(written)}" + (f"; there already: {len(there)}" if there else "")
        click.echo(escape_control_chars(f"{source.title}, {done}" + (f"; files that are no pictures: {others}" if others else "")))
    for one in failed:
        click.echo(f"disbench: {escape_control_chars(one.why)}", err=True)
    if failed:
        sys.exit(2)


def _text(name: Path | str) -> str:
    """A name may hold bytes that are no text, which JSON cannot."""
    return str(name).encode("utf-8", "backslashreplace").decode()
