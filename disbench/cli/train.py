"""`disbench train`: train DiffDIS by a recipe, or another method by its name."""

import os
from contextlib import nullcontext

import click

from disbench.cli.examples import format_examples
from disbench.cli.options import (
    PATH,
    TEXT,
    KeyValue,
    add_options,
    input_option,
    models_option,
    training_options,
)
from disbench.errors import InputError
from disbench.system.console import print_note
from disbench.system.files import lock_folder
from disbench.system.progress import show_progress

RECIPE_MODEL = "diffdis"  # the model that RECIPE trains, by the `trainer` of its card


@click.command(
    epilog=format_examples(
        "disbench train mini --out out",
        "disbench train paper --data DIS5K --set schedule.lr=1e-5 --out out",
        "disbench train --model isnet --data DIS5K --out out",
    ),
)
@click.argument("recipe", required=False, type=PATH)
@click.option(
    "--set",
    "changes",
    multiple=True,
    type=KeyValue(),
    metavar="KEY=VALUE",
    help="Change a key of the recipe, such as schedule.lr=1e-5. Needs RECIPE.",
)
@click.option("--model", metavar="NAME", help="Train a supervised method, such as isnet, instead of RECIPE.")
@click.option(
    "--data",
    metavar="DIR",
    type=TEXT,
    help="The data set, as for `run`; of several subsets, DIS-TR or train. Default: $DISBENCH_DATA, ./DIS5K, mini.",
)
@click.option(
    "--validate",
    metavar="DIR",
    type=TEXT,
    help="Data set to validate on. Default: DIS-VD or validation of --data.",
)
@add_options(input_option)
@click.option(
    "--out", required=True, type=PATH, help="Folder of checkpoints and logs; resumes from them."
)
@click.option("--device", help="cpu, cuda, cuda:1, mps. Default: the best available.")
@click.option(
    "--workers",
    type=click.IntRange(0, 256),
    help="Processes that load pictures; 0: a thread. Default: 0 on the CPU, up to 4 for each GPU.",
)
@click.option(
    "--cache-latents",
    is_flag=True,
    help="Encode each picture once and keep its latents in the cache, for a RECIPE without augmentation.",
)
@click.option(
    "--fsdp",
    is_flag=True,
    help="Split weights, gradients and moments among the processes of a launcher, for less memory. Needs RECIPE.",
)
@click.option(
    "--track", type=click.Choice(["tensorboard", "trackio"]), help="Also log to an experiment tracker. Needs RECIPE."
)
@add_options(models_option, *training_options)
def train(
    recipe, changes, model, data, validate, inputs, out, device, workers, cache_latents, fsdp, track, **model_options
):
    """Train DiffDIS by a recipe, or another method by its name.

    RECIPE is a TOML file, or the name of a shipped one: paper, recommended, mini.
    """
    from disbench.runs.outputs import check_output, list_data_folders

    if (recipe is None) == (model is None):
        raise InputError("give a recipe of DiffDIS, or --model NAME")
    model_options = {key: value for key, value in model_options.items() if value not in (None, ())}
    needing_recipe = {"--track": track, "--set": changes, "--cache-latents": cache_latents, "--fsdp": fsdp}
    if model and (names := [name for name, value in needing_recipe.items() if value]):
        raise InputError(f"{names[0]} needs a recipe; omit it with --model")
    if recipe and inputs:
        raise InputError("--input needs --model; omit it with a recipe, DiffDIS takes images only")
    if recipe and model_options:
        option = "--" + min(model_options).replace("_", "-")
        raise InputError(f"{option} needs --model; with a recipe, change its keys by --set")
    recipe_file = recipe if recipe and recipe.is_file() else None  # a folder may have the name of a shipped recipe
    validation_folders = list_data_folders(validate) if validate else ()
    check_output(out, [*list_data_folders(data), *validation_folders, recipe_file, *inputs.values()])
    try:
        from disbench.data.dataset import INPUTS
        from disbench.models._training.context import TrainingContext
        from disbench.models._training.supervised import Recipe, train_model
        from disbench.registry.discovery import cli_arguments
        from disbench.registry.loading import get_card, import_attribute

        card = get_card(model or RECIPE_MODEL)  # faults are reported before the folder is made
        train_recipe = import_attribute(card, card.trainer) if recipe else None
    except ModuleNotFoundError as error:
        raise InputError(f"training needs {error.name}; pip install 'disbench[train]'") from None

    is_first = os.environ.get("RANK", "0") == "0"  # among processes that train together
    with show_progress() as progress, lock_folder(out) if is_first else nullcontext():
        context = TrainingContext(
            out=out,
            device=device,
            workers=workers,
            cache_latents=cache_latents,
            sharded=fsdp,
            progress=progress,
            log=print_note,
        )
        if train_recipe:
            train_recipe(recipe, data, context, validation=validate, changes=changes, track=track)
            return
        model_recipe = Recipe(**model_options)
        weights, scores = train_model(model, model_recipe, data, context, validation=validate, inputs=inputs)
        for key, value in (scores or {}).items():
            click.echo(f"{key}: {value:.4f}")
        command = f"disbench run {cli_arguments(card, '--model')} --weights {weights}"
        command += "".join(f" --input {INPUTS[name]}" for name in card.inputs)
        size = f", at {model_recipe.size} px, as the file says" if card.is_shipped else ""
        click.echo(f"To run it{size}: {command}")
