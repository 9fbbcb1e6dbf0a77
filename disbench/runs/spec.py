"""The specification of a run, as plain data that crosses processes: the model, the measures, and the output."""

import gc
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from disbench.inference.model import Model, load_model
from disbench.metrics.catalogue import MetricKeys, resolve_metrics
from disbench.metrics.pixel_metrics import list_needed_columns
from disbench.metrics.protocols import EvalProtocol, get_protocol, parse_protocols
from disbench.runs.shard import WHOLE, ShardSpec


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A model by name, with everything that `disbench.load` takes.

    Attributes:
        name: a name of the registry, a file, or hf:OWNER/NAME.
        weights: a file, a folder or a Hugging Face id. None: the weights that disbench ships.
        device: "cpu", "cuda", "cuda:1" or "mps". None: the best one available.
        options: options of the model itself.
    """

    name: str
    weights: str | None = None
    device: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", dict(self.options))  # a plain copy: not every mapping can be pickled

    def load(self) -> Model:
        """Load the model in this process."""
        torch = sys.modules.get("torch")
        if torch and torch.cuda.is_initialized():
            gc.collect()  # layers for CUDA keep an earlier model in a circle, and with it the memory of the GPU
        return load_model(self.name, self.weights, self.device, **self.options)


@dataclass(frozen=True, kw_only=True)
class MapsSpec:
    """A folder of saved prediction maps, and the name of their method.

    Attributes:
        title: the method, as reports call it.
        folder: the maps: `folder/<split>/`, or the folder itself for a single split.
    """

    title: str
    folder: Path


@dataclass(frozen=True, kw_only=True)
class MeasureSpec:
    """The measures of a run: evaluation protocols, and metrics by key."""

    protocols: tuple[EvalProtocol, ...]
    metrics: tuple[str, ...]

    @classmethod
    def parse(cls, protocol: str = "pysod", metrics: MetricKeys = None) -> "MeasureSpec":
        """Resolve "a,b" to protocols, and metric keys to their full list. InputError for an unknown name."""
        protocols = tuple(get_protocol(name) for name in parse_protocols(protocol))
        return cls(protocols=protocols, metrics=resolve_metrics(metrics))

    @property
    def protocol_names(self) -> str:
        """The protocols as `disbench.measure` takes them: "a,b"."""
        return ",".join(protocol.name for protocol in self.protocols)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of scores.parquet that need pixels."""
        return list_needed_columns(self.protocols, self.metrics)


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """The output of a run, and the part of it that this process computes.

    Attributes:
        out: the folder that holds runs.
        save_maps: whether the prediction maps are kept in the run.
        workers: threads that decode and measure, next to the device, or compute on the CPU. None: the engine decides.
        shard: the part of the images that this process computes.
    """

    out: Path = Path("runs")
    save_maps: bool = True
    workers: int | None = None
    shard: ShardSpec = WHOLE
