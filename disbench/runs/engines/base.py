"""The interface of engines, which open a model or a folder of maps and compute rows with it."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from disbench.data.dataset import Sample
from disbench.errors import InputError
from disbench.inference.map_folder import MapFolder
from disbench.runs.pipeline import SaveMap, Stages
from disbench.runs.row_log import Row
from disbench.runs.spec import MeasureSpec, ModelSpec


@dataclass(frozen=True, kw_only=True)
class Description:
    """The description of a model or a folder of maps that a run records.

    Attributes:
        title: the method, as reports call it.
        name: the folder under runs/.
        device: "cpu", "cuda:0" ...
        identity: everything that decides the maps.
        environment: the environment that the maps are computed in.
        resize: how maps of another size are resized. None: no map is resized.
        resized: how many maps are resized.
        maps: the folder or zip file of saved maps. None: a model predicts the maps.
        weights_state: the state dict that is used of a weights file with several. None: the file has only one.
        workers: threads where the user gives no number. None: the engine decides.
        at_once: images that are computed at once, each in a thread of its own.
        whole_subsets: whether maps are made for whole subsets only, as by an external command.
        inputs: names of the additional inputs that the model takes.
        sees_truth: whether the method receives ground truth.
        parameters: parameters of all networks; 0 if unknown or none.
    """

    title: str
    name: str
    device: str
    identity: Mapping[str, Any]
    environment: Mapping[str, Any]
    resize: str | None = None
    resized: int = 0
    maps: Path | None = None
    weights_state: str | None = None
    workers: int | None = None
    at_once: int = 1
    whole_subsets: bool = False
    inputs: tuple[str, ...] = ()
    sees_truth: bool = False
    parameters: int = 0


def describe(stages: Stages) -> Description:
    """Describe stages of this process."""
    return Description(
        title=stages.title,
        name=stages.name,
        device=stages.device,
        identity=stages.identity,
        environment=stages.environment,
        resize=getattr(stages, "resize", None),
        resized=getattr(stages, "resized", 0),
        maps=getattr(stages, "place", None),
        weights_state=getattr(stages, "weights_state", None),
        inputs=getattr(stages, "inputs", ()),
        sees_truth=getattr(stages, "sees_truth", False),
        parameters=getattr(stages, "parameters", 0),
    )


def check_identity(identity: Mapping[str, Any], expected: Description, place: str) -> None:
    """Check that a model was loaded with the same content a second time.

    Args:
        identity: the identity of the model that was loaded.
        expected: the description that the run key is made from.
        place: the process or device that loaded the model, for the message.

    Raises:
        InputError: where weights, code or card changed between, or differ on another machine.
    """
    keys = sorted(identity.keys() | expected.identity.keys())
    differing = [key for key in keys if identity.get(key) != expected.identity.get(key)]
    if differing:
        raise InputError(
            f"{expected.title}: {place} loaded other content ({', '.join(differing)}), because a file of the model "
            "changed in the meantime or differs on another machine; run the same command again"
        )


class Source(Protocol):
    """An opened model or folder of maps."""

    description: Description

    def rows(
        self, samples: Sequence[Sample], measures: MeasureSpec, workers: int | None, save_map: SaveMap | None
    ) -> Generator[Row, None, None]:
        """Compute the rows of samples, in any order. InputError, after everything else is done, for an unfit image."""


class Engine(Protocol):
    """An engine, which computes the rows of a run."""

    def open(self, model: ModelSpec | MapFolder) -> AbstractContextManager[Source]:
        """Load a model, or take a folder of maps, for as long as the block lasts."""
