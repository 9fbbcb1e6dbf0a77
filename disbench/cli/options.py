"""Options that several commands share."""

from contextlib import contextmanager
from pathlib import Path

import click


def complete_models(ctx, param, begun):
    from disbench.registry.discovery import list_cards

    return [name for name in list_cards() if name.startswith(begun.lower())]


def _splits(ctx, param, begun):
    from disbench.data.dataset import SPLIT_COUNTS

    return _listed((*SPLIT_COUNTS, "DIS-TE1..4", "all"), begun)


def _protocols(ctx, param, begun):
    from disbench.metrics.protocols import PROTOCOLS

    return _listed(PROTOCOLS, begun)


def complete_metrics(ctx, param, begun):
    from disbench.metrics.catalogue import METRICS

    return _listed(METRICS, begun)


def _listed(names, begun: str) -> list[str]:
    """Those that may go on, or end, a list with commas."""
    before, comma, last = begun.rpartition(",")
    return [f"{before}{comma}{name}" for name in names if name.lower().startswith(last.lower())]


CUTS = ("complexity", "size", "category")
data_options = [
    click.option(
        "--data", metavar="DIR", help="DIS5K, a folder with im/ and gt/, or 'mini'. Else $DISBENCH_DATA, ./DIS5K, mini."
    ),
    click.option(
        "--split",
        metavar="SPLITS",
        shell_complete=_splits,
        help="DIS-TE1..4 (default), DIS-VD, DIS-TE1,DIS-TE3, all.",
    ),
]
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read.")


def _chosen(ctx, param, keys):
    from disbench.metrics.catalogue import resolve_metrics

    return keys and resolve_metrics(keys)  # an unknown key is told before any work


metrics_option = click.option(
    "--metrics",
    metavar="KEYS",
    callback=_chosen,
    shell_complete=complete_metrics,
    help="What to show, as in f_max,iou_mean,hce; all: what every run has. See `disbench metrics`.",
)


def _named(ctx, param, protocols):
    from disbench.metrics.protocols import parse_protocols

    return protocols and parse_protocols(protocols)


def protocol_option(default: str | None):
    return click.option(
        "--protocol",
        "protocols",
        metavar="NAMES",
        default=default,
        callback=_named,
        shell_complete=_protocols,
        help="By whose rules to score, side by side: pysod, diffdis, mvanet, mvanet-2024-11, mvanet-2024, isnet, "
        f"birefnet. Default: {default or 'that of each run'}.",
    )


def _shard(ctx, param, text):
    from disbench.runs.shard import parse_shard

    return parse_shard(text)


shard_option = click.option(
    "--shard",
    "shard",
    metavar="K/N",
    callback=_shard,
    help="The K-th of N processes that share --out; 'auto': as torchrun or srun counts them.",
)


engine_options = [
    click.option(
        "--engine", type=click.Choice(("threads", "ray")), default="threads", show_default=True, help="What computes."
    ),
    click.option(
        "--address",
        metavar="HOST:PORT",
        help="--engine ray: a running cluster's; else $RAY_ADDRESS, else this machine.",
    ),
]


@contextmanager
def open_engine(engine: str, address: str | None):
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


class KeyValue(click.ParamType):
    name = "NAME=VALUE"

    def convert(self, value, param, ctx):
        key, equals, text = value.partition("=")
        return (key, text) if equals else self.fail(f"{value!r} is not NAME=VALUE", param, ctx)


def _added(ctx, param, folders):
    from disbench.registry.discovery import add_models_folder

    for folder in folders:
        add_models_folder(folder)


models_option = click.option(
    "--models",
    metavar="DIR",
    multiple=True,
    type=click.Path(path_type=Path),
    expose_value=False,
    is_eager=True,
    callback=_added,
    help="A folder that holds models of your own, each in a folder with a card; also $DISBENCH_MODELS.",
)


def _model(default: str | None):
    return click.option(
        "--model",
        default=default,
        show_default=True,
        shell_complete=complete_models,
        help="A name from `disbench models`; or a file of your own, or hf:OWNER/NAME: see docs/add-a-model.md.",
    )


_weights_options = [
    click.option("--weights", metavar="FILE|DIR|ID", help="A checkpoint or a Hugging Face id; 'untrained' for none."),
    click.option("--option", "options", multiple=True, type=KeyValue(), help="One of the model's own, NAME=VALUE."),
    click.option("--device", help="cpu, cuda, cuda:1, mps; for `run` also cuda:0,cuda:1. Default: the best there is."),
]
model_options = [models_option, _model("diffdis"), *_weights_options]
checked_options = [models_option, _model(None), *_weights_options]
training_options = [
    click.option("--steps", type=click.IntRange(1), help="With --model, of each of its stages; 10,000 else."),
    click.option("--size", type=click.IntRange(32), help="With --model: pixels a side; 1024 else."),
    click.option("--batch", type=click.IntRange(2), help="With --model; 8 else."),
    click.option("--lr", type=click.FloatRange(0, min_open=True), help="With --model: learning rate; 0.001 else."),
    click.option("--seed", type=click.IntRange(0), help="With --model; 0 else."),
    click.option("--weights", metavar="FILE", help="With --model: what to start from, as `run` takes it."),
    click.option(
        "--backbone",
        metavar="FILE",
        multiple=True,
        help="With --model: start from a backbone trained on ImageNet, as published; see docs/train.md.",
    ),
    click.option("--validate-every", type=click.IntRange(0), help="With --model: steps; 500 else, 0 for never."),
    click.option("--validate-on", type=click.IntRange(0), help="With --model: images of DIS-VD; all else."),
]


def add_options(*chosen):
    def decorate(command):
        for option in reversed(chosen):
            command = option(command)
        return command

    return decorate


def parse_titled_path(argument: str) -> tuple[str | None, Path]:
    """TITLE=DIR or DIR; a folder that has a = in its name is a folder."""
    title, equals, folder = argument.partition("=")
    try:
        whole = not equals or Path(argument).is_dir()
    except OSError:  # longer than a file's name can be
        whole = False
    return (None, Path(argument)) if whole else (title, Path(folder))
