"""Commands of DiffDIS only: `disbench diffdis ablate`, export, noise-spread and vae-ceiling."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click

from disbench.cli.console import print_results
from disbench.cli.examples import format_examples
from disbench.cli.options import (
    PATH,
    TEXT,
    KeyValue,
    add_options,
    data_options,
    json_option,
    metrics_option,
    protocol_option,
)
from disbench.errors import InputError
from disbench.runs.outputs import check_output, list_data_folders
from disbench.system.console import print_json, print_table
from disbench.system.progress import show_progress

TABLE_FORMATS = ("markdown", "latex", "csv", "json")


@contextmanager
def _needs_extra(activity: str, extra: str) -> Iterator[None]:
    """Report a missing package with the extra of disbench that installs it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise InputError(f"{activity} needs {error.name}; pip install 'disbench[{extra}]'") from None


@click.command(
    epilog=format_examples(
        "disbench diffdis ablate --data mini --out ablation",
        "disbench diffdis ablate --data mini --seeds 1 --only '+ edge' --out edge",
    ),
)
@click.option(
    "--rows", type=PATH, help="TOML file of the rows. Default: those of the paper's Tables 3-5."
)
@click.option(
    "--recipe", type=PATH, help="Recipe that the rows change. Default: a small one, for a CPU."
)
@click.option("--only", multiple=True, metavar="NAME", help="Train only this row. May be given several times.")
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1), help="Trainings of each row.")
@click.option("--data", metavar="DIR", type=TEXT, help="DIS5K, or 'mini'. Default: $DISBENCH_DATA, ./DIS5K, mini.")
@click.option("--split", default="DIS-VD", show_default=True, metavar="SPLITS", help="Splits to score on.")
@click.option(
    "--out", required=True, type=PATH, help="Folder of weights and scores; resumes from them."
)
@click.option("--device", help="cpu, cuda, cuda:1, mps. Default: the best available.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(TABLE_FORMATS),
    default=TABLE_FORMATS[0],
    show_default=True,
    help="Format of the table.",
)
@click.option("--json", "format_", flag_value="json", help="Short for --format json.")
@click.option("--standalone", is_flag=True, help="LaTeX: write a complete document.")
def ablate(rows, recipe, only, seeds, data, split, out, device, format_, standalone):
    """Train DiffDIS without each of its parts, several times each, and print a table."""
    check_output(out, [*list_data_folders(data), rows, recipe])
    with _needs_extra("training", "train"):
        from disbench.models._training.context import TrainingContext
        from disbench.models.diffdis import ablation_table
        from disbench.models.diffdis.ablate import RECIPES, Plan, run_ablation

    plan = Plan(
        rows=rows or RECIPES / "ablations.toml",
        recipe=recipe or RECIPES / "ablations-mini.toml",
        split=split,
        seeds=range(seeds),
        only=only,
    )
    with show_progress() as progress:
        trained = run_ablation(plan, data, TrainingContext(out=out, device=device, progress=progress))
    entries = ablation_table.make_entries(trained)
    if format_ == "json":
        print_json(entries)
    elif entries:
        options = {"standalone": standalone} if format_ == "latex" else {}
        click.echo(ablation_table.FORMATS[format_](entries, **options), nl=False)


@click.command(epilog=format_examples("disbench diffdis export --weights out/weights.safetensors --out diffusers"))
@click.option(
    "--weights", required=True, metavar="FILE|DIR|ID", type=TEXT, help="Weights of DiffDIS, as for `disbench run`."
)
@click.option("--out", required=True, type=PATH, help="Folder to write.")
@click.option(
    "--base", metavar="DIR|ID", type=TEXT, help="Stable Diffusion 2.1 or SD-Turbo, for its VAE and text encoder."
)
def export(weights, out, base):
    """Write DiffDIS weights as a diffusers folder. The authors' scripts read its unet/."""
    check_output(out, [weights, base])
    with _needs_extra("export", "models"):
        from disbench.models.diffdis.weights import export as write_folder
        from disbench.models.diffdis.weights import load

    write_folder(load(weights, base), out, base)
    click.echo(out)


@click.command(
    "vae-ceiling",
    epilog=format_examples(
        "disbench diffdis vae-ceiling --data mini --split DIS-VD --size 256",
    ),
)
@add_options(*data_options)
@click.option(
    "--vae",
    metavar="DIR|ID",
    type=TEXT,
    help="An AutoencoderKL or a Stable Diffusion. Default: the VAE of DiffDIS-Mini.",
)
@click.option("--size", default=1024, show_default=True, type=click.IntRange(8), help="Side of the images, pixels.")
@click.option("--device", help="cpu, cuda, cuda:1, mps. Default: the best available.")
@click.option("--out", default="runs", show_default=True, type=PATH, help="Folder of runs.")
@add_options(protocol_option("pysod"), metrics_option, json_option)
def vae_ceiling(data, split, vae, size, device, out, protocols, metrics, as_json):
    """Score ground truths after an autoencoder's round trip. No latent diffusion can be better at this size."""
    check_output(out, [*list_data_folders(data), vae])
    with _needs_extra("vae-ceiling", "models"):
        from disbench.models.diffdis.ceiling import RoundTrip
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


@click.command(
    "noise-spread",
    epilog=format_examples(
        "disbench diffdis noise-spread --data mini --split DIS-VD --out spread",
    ),
)
@add_options(*data_options)
@click.option(
    "--weights",
    "arguments",
    multiple=True,
    metavar="[TITLE=]FILE|DIR|ID",
    type=TEXT,
    help="May be given several times.",
)
@click.option("--without-dbia", is_flag=True, help="Measure each network with DBIA also with DBIA switched off.")
@click.option("--base", metavar="DIR|ID", type=TEXT, help="VAE and text encoder for the authors' U-Net.")
@click.option("--seeds", default=8, show_default=True, type=click.IntRange(2), help="Noises per image.")
@click.option("--pictures", default=4, show_default=True, type=click.IntRange(0), help="Images in spread.png.")
@click.option("--device", help="cpu, cuda, cuda:1, mps. Default: the best available.")
@click.option("--out", required=True, type=PATH, help="Folder of spread.json and spread.png.")
@json_option
def noise_spread(data, split, arguments, without_dbia, base, seeds, pictures, device, out, as_json):
    """Measure how far masks of DiffDIS depend on their noise."""
    networks = [_parse_network(argument) for argument in arguments] or [("", None)]
    check_output(out, [*list_data_folders(data), *(weights for _, weights in networks), base])
    with _needs_extra("noise-spread", "models"):
        from disbench.models.diffdis.noise_spread import MEASURES, Comparison, compare_networks
        from disbench.models.diffdis.noise_spread_report import write_report
    from disbench.data.location import find_dataset

    comparison = Comparison(
        networks=networks,
        seeds=seeds,
        maps=pictures,
        base=base,
        without_dbia=without_dbia,
    )
    with show_progress() as progress:
        samples = find_dataset(data, split, progress=progress).samples
        spreads = compare_networks(comparison, samples, device, progress)
    content = write_report(out, spreads, seeds, pictures)
    if as_json:
        print_json(content)
        return
    rows = [(network["title"], *(f"{network['mean'][key]:.4f}" for key in MEASURES)) for network in content["networks"]]
    print_table(("network", *MEASURES), rows)


@click.command(
    "training-memory",
    epilog=format_examples(
        "disbench diffdis training-memory mini",
        "disbench diffdis training-memory paper --memory 24",
    ),
)
@click.argument("recipe", type=PATH)
@click.option(
    "--set", "changes", multiple=True, type=KeyValue(), metavar="KEY=VALUE", help="Change a key of the recipe."
)
@click.option(
    "--processes", default=1, show_default=True, type=click.IntRange(1), help="Processes that train together."
)
@click.option(
    "--memory", default=24.0, show_default=True, type=click.FloatRange(0, min_open=True), help="GiB of each GPU."
)
@json_option
def training_memory(recipe, changes, processes, memory, as_json):
    """Estimate which settings let a RECIPE train in the memory of a GPU. Nothing is trained."""
    with _needs_extra("training", "train"):
        from disbench.models.diffdis.training_memory import compare_settings

    settings = compare_settings(recipe, changes, processes)
    available = memory * 2**30
    fitting = [setting for setting in settings if setting.fits(available)]
    if as_json:
        rows = [
            {"options": x.options, **asdict(x.estimate), "total": x.estimate.total, "fits": x in fitting}
            for x in settings
        ]
        print_json({"processes": processes, "memory": available, "settings": rows})
        return
    columns = ("parameters", "gradients", "moments", "average", "activations", "vae", "total")
    rows = [
        (
            x.options or "the recipe as it is",
            *(f"{getattr(x.estimate, name) / 1e9:.1f}" for name in columns),
            "yes" if x in fitting else "no",
        )
        for x in settings
    ]
    print_table(
        ("setting", *columns, "fits"), rows, title=f"GB per process, an estimate; {memory:g} GiB are there"
    )
    if fitting:
        advice = fitting[0].options or "the recipe as it is"
        click.echo(f"{memory:g} GiB: {advice} ({fitting[0].estimate.total / 1e9:.1f} GB by this estimate)")
    else:
        click.echo(f"{memory:g} GiB: none of these; take smaller stages, lora, or more processes with --fsdp")


def _parse_network(argument: str) -> tuple[str, str]:
    """Split [TITLE=]WEIGHTS into title and weights. An existing path is never split."""
    if Path(argument).exists():
        return "", argument
    title, _, weights = argument.rpartition("=")
    if not weights:
        raise InputError(f"--weights {argument}: got an empty path; give [TITLE=]FILE|DIR|ID")
    return title, weights


COMMANDS = {command.name: command for command in (ablate, export, noise_spread, training_memory, vae_ceiling)}
