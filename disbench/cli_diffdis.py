"""Commands of DiffDIS alone: train, ablate, export, vae-ceiling, noise-spread."""

import os
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import click

from disbench.console import json, show, table
from disbench.console import progress as shown_progress
from disbench.errors import InputError
from disbench.files import alone
from disbench.options import (
    KeyValue,
    data_options,
    json_option,
    metrics_option,
    models_option,
    protocol_option,
    shared,
    training_options,
)

ABLATIONS = ("markdown", "latex", "csv", "json")  # formats of the table


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
@shared(models_option, *training_options)
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
        from disbench.models import arguments, card
        from disbench.models._training import supervised
        from disbench.models.diffdis.train import main as train_main
    except ModuleNotFoundError as error:
        raise InputError(f"training needs {error.name}; pip install 'disbench[train]'") from None

    first = os.environ.get("RANK", "0") == "0"  # of several processes that train together
    say = partial(click.echo, err=True)
    with shown_progress() as progress, alone(out) if first else nullcontext():
        if recipe:
            train_main(recipe, data, out, device, progress, say, track, validate, changes)
        else:
            what = supervised.Recipe(**chosen)
            weights, scores = supervised.main(model, what, data, out, device, progress, say, validate)
            for key, value in (scores or {}).items():
                click.echo(f"{key}: {value:.4f}")
            at = f"at {what.size} px, as the file says"
            click.echo(f"To run it, {at}: disbench run {arguments(card(model), '--model')} --weights {weights}")


@click.command()
@click.option("--rows", type=click.Path(path_type=Path), help="TOML of the rows; else those of the paper's Tables 3-5.")
@click.option("--recipe", type=click.Path(path_type=Path), help="What they change; else a small one, for a CPU.")
@click.option("--only", multiple=True, metavar="NAME", help="This row alone; may be given several times.")
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1), help="Trainings of each row.")
@click.option("--data", metavar="DIR", help="DIS5K, or 'mini'. Else $DISBENCH_DATA, ./DIS5K, mini.")
@click.option("--split", default="DIS-VD", show_default=True, metavar="SPLITS", help="What is scored.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Weights and scores; goes on from them.")
@click.option("--device", help="cpu, cuda, cuda:1, mps; the best there is if not given.")
@click.option("--format", "format_", type=click.Choice(ABLATIONS), default=ABLATIONS[0], show_default=True)
@click.option("--json", "format_", flag_value="json", help="Short for --format json.")
@click.option("--standalone", is_flag=True, help="LaTeX: a document of its own, to compile as it is.")
def ablate(rows, recipe, only, seeds, data, split, out, device, format_, standalone):
    """Train DiffDIS without each of its parts. Several times each; makes the table of it."""
    try:
        from disbench.models.diffdis import ablate, ablation_table
    except ModuleNotFoundError as error:
        raise InputError(f"training needs {error.name}; pip install 'disbench[train]'") from None

    rows, recipe = rows or ablate.RECIPES / "ablations.toml", recipe or ablate.RECIPES / "ablations-mini.toml"
    with shown_progress() as progress:
        trained = ablate.main(data, out, rows, recipe, split, range(seeds), only, device, progress)
    entries = ablation_table.rows(trained)
    if format_ == "json":
        json(entries)
    elif entries:
        options = {"standalone": standalone} if format_ == "latex" else {}
        click.echo(getattr(ablation_table, format_)(entries, **options), nl=False)


@click.command()
@click.option("--weights", required=True, metavar="FILE|DIR|ID", help="DiffDIS', as `disbench run` takes them.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder to write.")
@click.option("--base", metavar="DIR|ID", help="Stable Diffusion 2.1 or SD-Turbo, for its VAE and text encoder.")
def export(weights, out, base):
    """Write DiffDIS' weights as a diffusers folder. The authors' scripts read its unet/."""
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
    """Score truths after an autoencoder's round trip. No latent diffusion can be better."""
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


@click.command("noise-spread")
@shared(*data_options)
@click.option("--weights", "several", multiple=True, metavar="[TITLE=]FILE|DIR|ID", help="May be given several times.")
@click.option("--without-dbia", is_flag=True, help="Also each network that has it with its DBIA switched off.")
@click.option("--base", metavar="DIR|ID", help="For the authors' U-Net: its VAE and text encoder.")
@click.option("--seeds", default=8, show_default=True, type=click.IntRange(2), help="Noises per image.")
@click.option("--pictures", default=4, show_default=True, type=click.IntRange(0), help="Images in the picture.")
@click.option("--device", help="cpu, cuda, cuda:1, mps; the best there is if not given.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of spread.json and spread.png.")
@json_option
def noise_spread(data, split, several, without_dbia, base, seeds, pictures, device, out, as_json):
    """Measure how far DiffDIS' masks depend on their noise."""
    try:
        from disbench.models.diffdis import spread, spread_report, weights
    except ModuleNotFoundError as error:
        raise InputError(f"noise-spread needs {error.name}; pip install 'disbench[models]'") from None
    from disbench.data import find

    titled = [("", text) if Path(text).exists() else text.rpartition("=")[::2] for text in several] or [("", None)]
    with shown_progress() as progress:
        samples = find(data, split, progress=progress).samples
        base = base or weights.BASE
        found = spread.compare(titled, samples, seeds, device, base, without_dbia, pictures, progress)
    content = spread_report.write(out, found, seeds, pictures)
    if as_json:
        json(content)
        return
    rows = [(one["title"], *(f"{one['mean'][key]:.4f}" for key in spread.MEASURES)) for one in content["networks"]]
    table(("network", *spread.MEASURES), rows)


COMMANDS = (train, ablate, export, vae_ceiling, noise_spread)
