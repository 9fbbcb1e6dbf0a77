"""Commands of DiffDIS alone: train, export, vae-ceiling."""

import os
from contextlib import nullcontext
from pathlib import Path

import click

from disbench.console import progress as shown_progress
from disbench.console import show
from disbench.errors import InputError
from disbench.files import alone
from disbench.options import (
    data_options,
    json_option,
    metrics_option,
    models_option,
    protocol_option,
    shared,
    training_options,
)


@click.command()
@click.argument("recipe", required=False, type=click.Path(path_type=Path))
@click.option("--model", metavar="NAME", help="In place of RECIPE: a method that is trained by supervision, as isnet.")
@click.option("--data", metavar="DIR", help="DIS5K, or 'mini'. Else $DISBENCH_DATA, ./DIS5K, mini.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Checkpoints and the log; resumes from them."
)
@click.option("--device", help="cpu, cuda, cuda:1, mps; the best there is if not given.")
@shared(models_option, *training_options)
def train(recipe, model, data, out, device, **chosen):
    """Train DiffDIS by a recipe (a TOML file), or another method by its name."""
    if (recipe is None) == (model is None):
        raise InputError("give a recipe of DiffDIS, or --model NAME")
    chosen = {key: value for key, value in chosen.items() if value is not None}
    if recipe and chosen:
        raise InputError(f"--{min(chosen).replace('_', '-')} is --model's; a recipe says it itself")
    try:
        from disbench.models._parts import supervised
        from disbench.models.diffdis.train import main as train_main
    except ModuleNotFoundError as error:
        raise InputError(f"training needs {error.name}; pip install 'disbench[train]'") from None

    first = os.environ.get("RANK", "0") == "0"  # of several processes that train together
    with shown_progress() as progress, alone(out) if first else nullcontext():
        if recipe:
            train_main(recipe, data, out, device, progress, lambda line: click.echo(line, err=True))
        else:
            scores = supervised.main(model, supervised.Recipe(**chosen), data, out, device, progress)
            for key, value in (scores or {}).items():
                click.echo(f"{key}: {value:.4f}")


@click.command()
@click.option("--weights", required=True, metavar="FILE|DIR|ID", help="DiffDIS', as `disbench run` takes them.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder to write.")
@click.option("--base", metavar="DIR|ID", help="Stable Diffusion 2.1 or SD-Turbo, for its VAE and text encoder.")
def export(weights, out, base):
    """Write DiffDIS' weights as a diffusers folder, whose unet/ the authors' scripts read."""
    try:
        from disbench.models.diffdis import weights as diffdis
    except ModuleNotFoundError as error:
        raise InputError(f"export needs {error.name}; pip install 'disbench[models]'") from None

    diffdis.export(diffdis.load(weights, base or diffdis.BASE), out, base)
    click.echo(out)


@click.command("vae-ceiling")
@shared(*data_options)
@click.option("--vae", metavar="DIR|ID", help="An AutoencoderKL or a Stable Diffusion; else DiffDIS-mini's.")
@click.option("--size", default=1024, show_default=True, type=click.IntRange(8), help="Pixels a side.")
@click.option("--device", help="cpu, cuda, cuda:1, mps; the best there is if not given.")
@click.option("--out", default="runs", show_default=True, type=click.Path(path_type=Path), help="Where runs are kept.")
@shared(protocol_option("pysod"), metrics_option, json_option)
def vae_ceiling(data, split, vae, size, device, out, protocols, metrics, as_json):
    """Score the ground truth after an autoencoder's round trip: no latent diffusion can be better."""
    try:
        from disbench.models.diffdis.ceiling import RoundTrip
    except ModuleNotFoundError as error:
        raise InputError(f"vae-ceiling needs {error.name}; pip install 'disbench[models]'") from None
    from disbench import evaluate
    from disbench.data import find

    source = RoundTrip(vae, size, device)
    with shown_progress() as progress:
        dataset = find(data, split, images=False, progress=progress)
        result = evaluate.run_source(source, dataset, out, False, 0, progress, ",".join(protocols), metrics)
    show([result.under(name) for name in protocols], metrics, as_json)
