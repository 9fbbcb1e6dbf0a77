"""Options and arguments that several commands share."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from disbench.runs.engines.base import Engine

ARGUMENTS = {"name": "--model", "weights": "--weights", "device": "--device"}  # of load_model, which are no options
GROUPINGS = ("complexity", "size", "category")  # what images are grouped by


def complete_models(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of a model."""
    from disbench.registry.discovery import list_cards

    return [name for name in list_cards() if name.startswith(incomplete.lower())]


def complete_metrics(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the last of several metric keys."""
    from disbench.metrics.catalogue import METRICS

    return _complete_list(METRICS, incomplete)


def _complete_splits(ctx, param, incomplete):
    from disbench.data.dataset import SPLIT_COUNTS

    return _complete_list((*SPLIT_COUNTS, "DIS-TE1..4", "all"), incomplete)


def _complete_protocols(ctx, param, incomplete):
    from disbench.metrics.protocols import PROTOCOLS

    return _complete_list(PROTOCOLS, incomplete)


def _complete_list(names: Iterable[str], incomplete: str) -> list[str]:
    """Complete the last name of a list with commas."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in names if name.lower().startswith(last.lower())]


def _parse_metrics(ctx, param, keys):
    from disbench.metrics.catalogue import resolve_metrics

    return keys and resolve_metrics(keys)  # an unknown key is reported before any work


def _parse_protocols(ctx, param, protocols):
    from disbench.metrics.protocols import parse_protocols

    return protocols and parse_protocols(protocols)


def _parse_shard(ctx, param, text):
    from disbench.runs.shard import parse_shard

    return parse_shard(text)


def _check_model_options(ctx, param, options):
    from disbench.errors import InputError

    for key, _ in options:
        if key in ARGUMENTS:
            raise InputError(f"--option {key}: not an option of the model; give {ARGUMENTS[key]}")
    return collect_pairs(ctx, param, options)


def _add_models_folders(ctx, param, folders):
    from disbench.registry.discovery import add_models_folder

    for folder in folders:
        add_models_folder(folder)


def _collect_inputs(ctx, param, inputs):
    from disbench.data.dataset import check_input_names

    check_input_names("--input", (name for name, _ in inputs))
    return collect_pairs(ctx, param, inputs)


def collect_pairs(ctx, param, pairs):
    """Return the pairs of KeyValue as a dictionary. InputError for a name that is given twice."""
    from disbench.errors import InputError

    if twice := [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]:
        raise InputError(f"{param.opts[0]} {twice[0]}: given twice; give it once")
    return dict(pairs)


class FilledPath(click.Path):
    """A path. An empty one, as of a variable that is not set, would be the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a pathlib.Path. InputError for an empty text."""
        advice = "give a path, such as . for the current folder"
        return super().convert(_require_filled(value, param, advice), param, ctx)


class FilledText(click.ParamType):
    """A path, a name or an id, as text."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the text. InputError for an empty one."""
        return _require_filled(value, param, "give a value, or omit it")


PATH = FilledPath(path_type=Path)
TEXT = FilledText()


def _require_filled(value, param, advice):
    from disbench.errors import InputError

    if value == "":
        name = max(param.opts, key=len) if isinstance(param, click.Option) else param.metavar or param.name.upper()
        raise InputError(f"{name}: got an empty text; {advice}")
    return value


class KeyValue(click.ParamType):
    """An option's value of the form NAME=VALUE, as a pair."""

    name = "NAME=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Split at the first "="."""
        key, equals, text = value.partition("=")
        return (key, text) if equals else self.fail(f"{value!r} is not NAME=VALUE", param, ctx)


data_options = [
    click.option(
        "--data",
        metavar="DIR",
        type=TEXT,
        help="DIS5K or another data set: a folder, a .toml file or hf:OWNER/NAME; or 'mini'. Default: $DISBENCH_DATA, "
        "then ./DIS5K, then mini. See docs/data.md.",
    ),
    click.option(
        "--split",
        metavar="SPLITS",
        shell_complete=_complete_splits,
        help="DIS-TE1..4 (default), DIS-VD, DIS-TE1,DIS-TE3, all; or subsets of another data set.",
    ),
]
truth_options = [
    click.option(
        "--truth-kind",
        type=click.Choice(("binary", "alpha")),
        help="alpha: soft ground truths, for sad, alpha_mse, grad, conn ...; see docs/matting.md. Default: binary.",
    ),
    click.option(
        "--trimaps",
        type=PATH,
        help="Trimaps, for sad_unknown ...: a folder for each split, or one folder. Needs --truth-kind alpha.",
    ),
]
input_option = click.option(
    "--input",
    "inputs",
    multiple=True,
    type=KeyValue(),
    callback=_collect_inputs,
    help="An input next to the image, if the model takes it: depth=DIR, prompt=FILE.jsonl, box=FILE.jsonl, box=truth.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
focus_option = click.option(
    "--focus",
    metavar="NAME",
    type=TEXT,
    help="The method of interest: its title or its folder under ./runs. Default: the last one named.",
)
metrics_option = click.option(
    "--metrics",
    metavar="KEYS",
    type=TEXT,
    callback=_parse_metrics,
    shell_complete=complete_metrics,
    help="Metrics to show, as f_max,iou_mean,hce; 'all' is what every run has. See `disbench metrics`.",
)
shard_option = click.option(
    "--shard",
    metavar="K/N",
    callback=_parse_shard,
    help="Compute the K-th of N shards in the same --out. 'auto': as torchrun or srun counts processes.",
)
engine_options = [
    click.option(
        "--engine",
        type=click.Choice(("threads", "ray")),
        default="threads",
        show_default=True,
        help="What computes: this machine or a Ray cluster.",
    ),
    click.option(
        "--address",
        metavar="HOST:PORT",
        help="The Ray cluster. Needs --engine ray. Default: $RAY_ADDRESS, then this machine.",
    ),
]
out_option = click.option(
    "--out", default="runs", show_default=True, type=PATH, help="The folder that holds runs."
)
models_option = click.option(
    "--models",
    metavar="DIR",
    multiple=True,
    type=PATH,
    expose_value=False,
    is_eager=True,
    callback=_add_models_folders,
    help="A folder of models of your own, each a folder with a card; also $DISBENCH_MODELS.",
)


def protocol_option(default: str | None, otherwise: str = "that of each run") -> Callable:
    """Make --protocol. `otherwise` says what no protocol means where there is no default."""
    return click.option(
        "--protocol",
        "protocols",
        metavar="NAMES",
        default=default,
        callback=_parse_protocols,
        shell_complete=_complete_protocols,
        help="Evaluation protocols, side by side: pysod, diffdis, mvanet, mvanet-2024-11, mvanet-2024, isnet, "
        f"birefnet, pdfnet. Default: {default or otherwise}.",
    )


def _model_option(default: str | None) -> Callable:
    return click.option(
        "--model",
        default=default,
        show_default=True,
        shell_complete=complete_models,
        help="A name from `disbench models`, a file of your own, or hf:OWNER/NAME; see docs/add-a-model.md.",
    )


def _go_offline(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    from disbench.system.network import forbid_connections

    if value:
        context.with_resource(forbid_connections())


offline_option = click.option(
    "--offline",
    is_flag=True,
    expose_value=False,
    callback=_go_offline,
    help="Never connect: weights come from files and caches. Also $HF_HUB_OFFLINE=1.",
)
_weights_options = [
    click.option(
        "--weights",
        metavar="FILE|DIR|NAME|ID",
        type=TEXT,
        help="A checkpoint, a name from `disbench models NAME`, or a Hugging Face id; 'untrained' for none.",
    ),
    offline_option,
    click.option(
        "--option",
        "options",
        multiple=True,
        type=KeyValue(),
        callback=_check_model_options,
        help="An option of the model, NAME=VALUE.",
    ),
    click.option(
        "--device",
        type=TEXT,
        help="cpu, cuda, cuda:1, mps; for `run` also cuda:0,cuda:1. Default: the best available.",
    ),
]
model_options = [models_option, _model_option("diffdis"), *_weights_options]
checked_options = [models_option, _model_option(None), *_weights_options]
training_options = [
    click.option("--steps", type=click.IntRange(1), help="Steps per training stage. Default: 10,000. Needs --model."),
    click.option("--size", type=click.IntRange(32), help="Pixels a side. Default: 1024. Needs --model."),
    click.option("--batch", type=click.IntRange(2), help="Batch size. Default: 8. Needs --model."),
    click.option(
        "--lr", type=click.FloatRange(0, min_open=True), help="Learning rate. Default: 0.001. Needs --model."
    ),
    click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Default: 0. Needs --model."),
    click.option(
        "--weights",
        metavar="FILE",
        type=TEXT,
        help="Start from these weights, as `run` takes them. Needs --model.",
    ),
    click.option(
        "--backbone",
        metavar="FILE",
        type=TEXT,
        multiple=True,
        help="Start from a backbone trained on ImageNet, as published; see docs/train.md. Needs --model.",
    ),
    click.option(
        "--validate-every", type=click.IntRange(0), help="Steps. Default: 500; 0 is never. Needs --model."
    ),
    click.option("--validate-on", type=click.IntRange(0), help="Images of DIS-VD. Default: all. Needs --model."),
]


def add_options(*options: Callable) -> Callable:
    """Make a decorator that adds options to a command, in their order."""

    def decorate(command: Callable) -> Callable:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def parse_titled_path(argument: str) -> tuple[str | None, Path]:
    """Parse TITLE=DIR or DIR. A folder that has a "=" in its name is a folder."""
    title, equals, folder = argument.partition("=")
    try:
        is_path = not equals or Path(argument).is_dir()
    except OSError:  # longer than a file's name can be
        is_path = False
    if not (argument if is_path else folder):
        from disbench.errors import InputError

        raise InputError(f"{argument!r}: got an empty path; give a path, such as . for the current folder")
    return (None, Path(argument)) if is_path else (title, Path(folder))


@contextmanager
def open_engine(engine: str, address: str | None) -> "Iterator[Engine | None]":
    """Open the engine that --engine and --address name. None is the default engine."""
    from disbench.errors import InputError

    if engine == "ray":
        from disbench.runs.engines.ray import Ray, connect

        with connect(address):
            yield Ray(address)
    elif address:
        raise InputError("--address needs --engine ray")
    else:
        yield None
