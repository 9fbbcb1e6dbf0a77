"""Commands of DiffDIS only: `disbench diffdis ablate`, export, noise-spread and vae-ceiling."""

from pathlib import Path

import click

from disbench.cli.console import print_results
from disbench.cli.options import (
    add_options,
    data_options,
    json_option,
    metrics_option,
    protocol_option,
)
from disbench.errors import InputError
from disbench.system.console import print_json, print_table
from disbench.system.progress import show_progress

ABLATIONS = ("markdown", "latex", "csv", "json")  # formats of the table


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
    with show_progress() as progress:
        trained = ablate.main(data, out, rows, recipe, split, range(seeds), only, device, progress)
    entries = ablation_table.rows(trained)
    if format_ == "json":
        print_json(entries)
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
@add_options(*data_options)
@click.option("--vae", metavar="DIR|ID", help="An AutoencoderKL or a Stable Diffusion; else DiffDIS-mini's.")
@click.option("--size", default=1024, show_default=True, type=click.IntRange(8), help="Pixels a side.")
@click.option("--device", help="cpu, cuda, cuda:1, mps; the best there is if not given.")
@click.option("--out", default="runs", show_default=True, type=click.Path(path_type=Path), help="Where runs are kept.")
@add_options(protocol_option("pysod"), metrics_option, json_option)
def vae_ceiling(data, split, vae, size, device, out, protocols, metrics, as_json):
    """Score truths after an autoencoder's round trip. No latent diffusion can be better."""
    try:
        from disbench.models.diffdis.ceiling import RoundTrip
    except ModuleNotFoundError as error:
        raise InputError(f"vae-ceiling needs {error.name}; pip install 'disbench[models]'") from None
    from disbench.data.location import find_dataset
    from disbench.runs.engines.threads import LocalSource
    from disbench.runs.execute import execute
    from disbench.runs.spec import MeasureSpec, RunConfig

    source = RoundTrip(vae, size, device)
    with show_progress() as progress:
        dataset = find_dataset(data, split, images=False, progress=progress)
        measures = MeasureSpec.parse(",".join(protocols), metrics)
        config = RunConfig(out=out, save_maps=False, workers=0)
        result = execute(LocalSource(source), dataset, measures, config, progress)
    print_results([result.with_protocol(name) for name in protocols], metrics, as_json)


@click.command("noise-spread")
@add_options(*data_options)
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
    from disbench.data.location import find_dataset

    titled = [("", text) if Path(text).exists() else text.rpartition("=")[::2] for text in several] or [("", None)]
    with show_progress() as progress:
        samples = find_dataset(data, split, progress=progress).samples
        base = base or weights.BASE
        found = spread.compare(titled, samples, seeds, device, base, without_dbia, pictures, progress)
    content = spread_report.write(out, found, seeds, pictures)
    if as_json:
        print_json(content)
        return
    rows = [(one["title"], *(f"{one['mean'][key]:.4f}" for key in spread.MEASURES)) for one in content["networks"]]
    print_table(("network", *spread.MEASURES), rows)


COMMANDS = {command.name: command for command in (ablate, export, noise_spread, vae_ceiling)}
