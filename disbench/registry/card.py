"""Cards: what disbench knows of a model without importing it, as card.toml in the model's folder."""


import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from disbench.data.dataset import check_input_names
from disbench.data.training import TrainedOn, check_training
from disbench.errors import InputError
from disbench.registry.commands import check_command, list_placeholders
from disbench.system.documents import read_toml, report_unreadable

_PACKAGE = Path(__file__).parents[1]
# The models of disbench itself: inside an installed package, or at the top of a checkout.
SHIPPED_ROOTS = [
    str(path) for path in (_PACKAGE / "_shipped" / "models", _PACKAGE.parent / "models") if path.is_dir()
][:1]
HELP = "see docs/add-a-model.md"
VARIANTS = "variants.toml"  # of a folder with several models: what each has in place of the card
HUB_PREFIX = "hf:"  # before the repository or folder of a model from Hugging Face
FOLDERS_VARIABLE = "DISBENCH_MODELS"  # folders of models, separated as in $PATH

STATUSES = {
    "verified": "equal to the authors' code",
    "unofficial": "written only from the paper",
    "maps-only": "only prediction maps are published",
    "trivial": "no network; the floor that every method must clear",
    "file": "a model of your own, without a card",
}


@dataclass(frozen=True, kw_only=True)
class Download:
    """A weights file, or published prediction maps.

    Attributes:
        name: the name of the file, or of the weights that disbench ships.
        urls: pages to get it from by hand; none for what disbench ships.
        size: for people, as "177 MB".
        license: licence as its publisher states it.
        trained_on: the splits that the weights were trained on, or "unstated". Any other text, as in older cards,
            is a note on training data that are unstated. Empty where the card does not say.
        options: options of the predictor that the weights need, such as their working size.
        note: one sentence for people.
        md5: hexadecimal, where the publisher states it.
        sha256: hexadecimal, where the publisher states it.
    """

    name: str
    urls: tuple[str, ...] = ()
    size: str = ""
    license: str = ""
    trained_on: TrainedOn = ""
    note: str = ""
    md5: str = ""
    sha256: str = ""
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Card:
    """card.toml: who made the model, where its weights are, and every choice that changes its scores.

    Attributes:
        name: the name of the folder, FOLDER:NAME for a variant.
        folder: the folder of the model.
        title: the method, as reports call it.
        status: one of STATUSES.
        predictor: "module:class" of the predictor, in the folder.
        training: "module:class" of its supervised training, in the folder.
        recipe: the TOML recipe that a method with a trainer of its own is trained by.
        loss: description and origin of the loss.
        summary: one sentence on the method.
        paper: title, venue, arxiv.
        code: url, commit and license of the authors' code.
        weights: the weights that the authors published, or that disbench ships.
        maps: prediction maps that the authors published.
        parameters: the number of parameters.
        pipeline: pre- and post-processing; the run key hashes it.
        source: the file or repository that stands for a folder; "" for a folder.
        commands: "module:attribute" of a dict of click commands, which `disbench NAME` runs.
        command: an external program with its arguments that makes all maps of a subset, in place of a predictor.
        options: the options of `command`, with their defaults.
        timeout: seconds that `command` may take for a subset; 0 for no limit.
        copies: whether `command` gets copies of the images, not links to them.
        inputs: the additional inputs that `prepare` takes next to the image, of disbench.data.dataset.INPUTS.
        sees_truth: whether the method receives ground truth. Its scores are marked in every report.
        cpu_only: whether the method has no use for a GPU; `--device cuda` is refused.
        memory: memory that inference needs, for people, with the way it was found.
    """

    name: str
    folder: Path
    title: str
    status: str
    predictor: str = ""
    training: str = ""
    recipe: str = ""
    loss: str = ""
    summary: str = ""
    paper: dict[str, str] = field(default_factory=dict)
    code: dict[str, str] = field(default_factory=dict)
    weights: tuple[Download, ...] = ()
    maps: tuple[Download, ...] = ()
    parameters: int = 0
    pipeline: dict[str, Any] = field(default_factory=dict)
    source: str = ""
    commands: str = ""
    trainer: str = ""  # "module:function" in the model's folder that trains it by a recipe
    command: tuple[str, ...] = ()
    options: dict[str, str] = field(default_factory=dict)
    timeout: float = 0
    copies: bool = False
    inputs: tuple[str, ...] = ()
    sees_truth: bool = False
    cpu_only: bool = False
    memory: str = ""

    @property
    def protocol(self) -> dict[str, Any]:
        """The former name of `pipeline`, which adapters from outside disbench may still read."""
        warnings.warn("Card.protocol is called Card.pipeline now", DeprecationWarning, stacklevel=2)
        return self.pipeline

    @property
    def accepts_weights(self) -> bool:
        """Whether --weights can name anything."""
        if self.command:
            return "weights" in list_placeholders(self.command)
        return bool(self.weights or self.training)

    @property
    def is_variant(self) -> bool:
        """Whether the model is one of several in its folder."""
        return ":" in self.name

    @property
    def default_weights(self) -> Download | None:
        """The weights that are used without --weights: those that disbench ships, or the first ones of a variant."""
        shipped = next((entry for entry in self.weights if not entry.urls), None)
        return shipped or next((entry for entry in self.weights if self.is_variant), None)

    @property
    def is_shipped(self) -> bool:
        """Whether the model is disbench's own."""
        return not self.source and str(self.folder.parent) in SHIPPED_ROOTS

    @property
    def external_path(self) -> Path | None:
        """The file or folder of a model that is not disbench's own, which errors name; None for disbench's own."""
        if self.source:
            return Path(self.source)
        return None if self.is_shipped else self.folder


def name_runs_folder(model: str) -> str:
    """Name the folder of the runs of a model: by its name, without the colon, which some systems forbid."""
    return model.replace(":", "_")


def read_cards(folder: Path) -> list[Card]:
    """Read the card of a model's folder, or one for each variant of it. InputError for files that are not cards."""
    path = folder / VARIANTS
    if not path.is_file():
        return [read_card(folder)]
    fault = "not a list of variants"
    shared, variants = read_toml(folder / "card.toml", "not a card"), read_toml(path, fault)
    with report_unreadable(path, fault):
        if misnamed := [name for name in variants if not re.fullmatch(r"[a-zA-Z0-9][\w-]*", name)]:
            raise TypeError(f"no model can be called {misnamed[0]!r}")
        if others := [name for name, table in variants.items() if not isinstance(table, dict)]:
            raise TypeError(f"{others[0]} is no table")
        tables = {f"{folder.name}:{name}": table for name, table in variants.items()}
        contents = {name: _merge_tables(shared | {"title": name}, table) for name, table in tables.items()}
    return [_make_card(path, name, content) for name, content in contents.items()]


def read_card(folder: Path) -> Card:
    """Read the card of a model's folder. InputError for a file that is not a card."""
    path = folder / "card.toml"
    return _make_card(path, folder.name, read_toml(path, "not a card"))


def _merge_tables(shared: dict[str, Any], table: dict[str, Any]) -> dict[str, Any]:
    return {**shared, **table, "pipeline": {**shared.get("pipeline", {}), **table.get("pipeline", {})}}


def _make_card(path: Path, name: str, content: dict[str, Any]) -> Card:
    """Make a card of the content of a file. InputError for content that is none."""
    folder = path.parent
    with report_unreadable(path, "not a card"):
        if {"protocol", "pipeline"} <= content.keys():
            raise TypeError("it has both [pipeline] and [protocol], its former name; keep [pipeline]")
        if "protocol" in content:  # the name of the table until `protocol` came to mean rules of evaluation only
            content["pipeline"] = content.pop("protocol")
        lists = content.keys() & {"weights", "maps"}
        downloads = {kind: [Download(**entry) for entry in content[kind]] for kind in lists}
        Card(name=name, folder=folder, **content | downloads)  # TypeError for unknown keys
        card = msgspec.convert(content | {"name": name, "folder": folder}, Card)  # checks the types of values
    if card.status not in STATUSES:
        raise InputError(f"{path}: unknown status {card.status!r}; known: {', '.join(STATUSES)}")
    if card.command and card.predictor:
        raise InputError(f"{path}: it has both a predictor and a command; keep one of them")
    if card.command and card.inputs:
        raise InputError(f"{path}: it has both inputs and a command, which takes images only; keep one of them")
    check_input_names(f"{path}", card.inputs)
    for download in card.weights:
        if isinstance(download.trained_on, tuple):
            try:
                check_training(download.trained_on)
            except InputError as error:
                raise InputError(f"{path}: {download.name}: {error}") from None
    check_command(path, card.command, card.options, card.timeout)
    if card.status != "maps-only" and not card.command and not re.fullmatch(r"\w+:\w+", card.predictor):
        raise InputError(f"{path}: predictor {card.predictor!r} is not module:class of a module in the same folder")
    return card
