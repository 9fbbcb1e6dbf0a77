"""The command that trains."""

import os
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import click

from disbench.cli.options import (
    KeyValue,
    add_options,
    models_option,
    training_options,
)
from disbench.errors import InputError
from disbench.system.files import lock_folder
from disbench.system.progress import show_progress


@click.command()
@click.argument("recipe", required=False, type=click.Path(path_type=Path))
@click.option(
    "--set",
    "changes",
    multiple=True,
    type=KeyValue(),
    metavar="KEY=VALUE",
    help="Of a recipe: another value for a key, as schedule.lr=1e-5.",
)
@click.option("--model", metavar="NAME", help="In place of RECIPE: a method that is trained by supervision, as isnet.")
@click.option(
    "--data", metavar="DIR", help="DIS5K, a folder with im/ and gt/, or 'mini'. Else $DISBENCH_DATA, ./DIS5K, mini."
)
@click.option("--validate", metavar="DIR", help="A folder with im/ and gt/ to validate on, in place of DIS-VD.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Checkpoints and the log; resumes from them."
)
@click.option("--device", help="cpu, cuda, cuda:1, mps; the best there is if not given.")
@click.option("--track", type=click.Choice(["tensorboard", "trackio"]), help="Of a recipe: log there as well.")
@add_options(models_option, *training_options)
def train(recipe, changes, model, data, validate, out, device, track, **chosen):
    """Train DiffDIS by a recipe, or another method by its name.

    RECIPE is a TOML file, or one of disbench's: paper, recommended, mini.
    """
    if (recipe is None) == (model is None):
        raise InputError("give a recipe of DiffDIS, or --model NAME")
    chosen = {key: value for key, value in chosen.items() if value not in (None, ())}
    if model and (track or changes):
        raise InputError(f"{'--track' if track else '--set'} is a recipe's")
    if recipe and chosen:
        raise InputError(f"--{min(chosen).replace('_', '-')} is --model's; a recipe says it itself, or --set does")
    try:
        from disbench.models._training import supervised
        from disbench.models.diffdis.train import main as train_main
        from disbench.registry.discovery import cli_arguments
        from disbench.registry.loading import get_card
    except ModuleNotFoundError as error:
        raise InputError(f"training needs {error.name}; pip install 'disbench[train]'") from None

    first = os.environ.get("RANK", "0") == "0"  # of several processes that train together
    say = partial(click.echo, err=True)
    with show_progress() as progress, lock_folder(out) if first else nullcontext():
        if recipe:
            train_main(recipe, data, out, device, progress, say, track, validate, changes)
        else:
            what = supervised.Recipe(**chosen)
            weights, scores = supervised.main(model, what, data, out, device, progress, say, validate)
            for key, value in (scores or {}).items():
                click.echo(f"{key}: {value:.4f}")
            at = f"at {what.size} px, as the file says"
            click.echo(f"To run it, {at}: disbench run {cli_arguments(get_card(model), '--model')} --weights {weights}")
