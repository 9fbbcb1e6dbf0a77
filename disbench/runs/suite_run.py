"""The execution of a suite: one run per method and data set, by the functions that `run` and `score` call.

A method that fails is recorded, and the others continue. Every run has its own key, so the same suite resumes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from disbench.data.dataset import DataSet
from disbench.data.location import find_dataset
from disbench.errors import InputError, describe_error
from disbench.metrics.pixel_metrics import needs_images
from disbench.registry.card import Card
from disbench.registry.commands import list_placeholders
from disbench.registry.loading import check_weights, get_card
from disbench.runs.comparable import check_title
from disbench.runs.engines.base import Engine
from disbench.runs.execute import evaluate, evaluate_maps
from disbench.runs.result import Result
from disbench.runs.spec import MapsSpec, MeasureSpec, ModelSpec, RunConfig
from disbench.runs.suite import DataEntry, MethodEntry, Suite
from disbench.system.progress import Progress


@dataclass(frozen=True, kw_only=True)
class SuiteConfig:
    """What a suite is run with.

    Attributes:
        run: the folder of runs, whether maps of models are kept, and the workers.
        device: the device of every model that has none of its own.
        engine: the engine that computes. None: the default one.
        progress: is called with (done, total, label).
    """

    run: RunConfig = field(default_factory=RunConfig)
    device: str | None = None
    engine: Engine | None = None
    progress: Progress | None = None


@dataclass(frozen=True, kw_only=True)
class SuiteCell:
    """One method on one data set.

    Attributes:
        method: the method.
        data: the data set.
        results: a result for each protocol; empty if the method failed.
        fault: why it failed; "" otherwise.
    """

    method: MethodEntry
    data: DataEntry
    results: tuple[Result, ...] = ()
    fault: str = ""


class SuiteInputs:
    """The data sets and models of a suite, each of which is looked for once. Faults are raised for every cell."""

    def __init__(self, config: SuiteConfig):
        self._config = config
        self._entries: dict[tuple[str, ...], Any] = {}

    def find(self, method: MethodEntry, data: DataEntry, measures: MeasureSpec) -> DataSet:
        """Find a data set, with images if a method or a metric needs them. InputError as find_dataset() raises it."""
        images = method.get_maps(data) is None or needs_images(measures.metrics)

        def find() -> DataSet:
            if images and data.truth and not data.images:
                raise InputError(f"{data.label}: it has no `images`, only ground truths for saved maps; add them")
            return find_dataset(data.location, data.split, images=images, progress=self._config.progress)

        return self._remember(("data", data.label, str(images)), find)

    def get_title(self, method: MethodEntry) -> str:
        """Return the name of a method in the report. InputError for an unknown model."""
        if method.title or not method.model:
            return method.label
        return self.get_card(method).title + (", maps" if method.maps else "")

    def get_card(self, method: MethodEntry) -> Card:
        """Return the card of a method's model. InputError for an unknown model."""
        return self._remember(("card", method.model), lambda: get_card(method.model))

    def make_model_spec(self, method: MethodEntry) -> ModelSpec:
        """Make the specification of a method's model. InputError for weights that it cannot have."""
        card, device = self.get_card(method), method.device or self._config.device
        check_weights(card, method.weights)
        if card.command and device:  # which takes one device, or none
            device = device.partition(",")[0] if "device" in list_placeholders(card.command) else None
        elif card.cpu_only:  # the device of a suite is for its networks
            device = method.device
        options = {key: str(value) for key, value in method.options.items()}
        return ModelSpec(name=method.model, weights=method.weights, device=device, options=options)

    def make_maps_spec(self, method: MethodEntry, folder: Path) -> MapsSpec:
        """Make the specification of a method's saved maps."""
        return MapsSpec(title=self.get_title(method), folder=folder)

    def _remember(self, key: tuple[str, ...], find: Callable[[], Any]) -> Any:
        if key not in self._entries:
            try:
                self._entries[key] = find()
            except InputError as error:
                self._entries[key] = error
        if isinstance(self._entries[key], InputError):
            raise self._entries[key]
        return self._entries[key]


def check_titles(suite: Suite, inputs: SuiteInputs) -> None:
    """Check that no two methods have one name in the report. InputError otherwise."""
    titles: dict[str, str] = {}
    for method in suite.methods:
        try:
            title = inputs.get_title(method)
        except InputError:  # an unknown model, which is reported with its data sets
            continue
        check_title(title)
        if title in titles:
            raise InputError(
                f"{suite.name}: the methods {titles[title]!r} and {method.label!r} are both called {title!r} in the "
                "report; give one another `title`"
            )
        titles[title] = method.label


def run_suite(
    suite: Suite, config: SuiteConfig, show: Callable[[SuiteCell], None] = lambda cell: None
) -> list[SuiteCell]:
    """Run a suite. Resumes where an earlier call was stopped.

    Args:
        suite: the suite.
        config: the output, the device and the engine.
        show: is called with each method and data set that is finished or failed.

    Returns:
        The methods on their data sets, in the order of the suite.

    Raises:
        InputError: if two methods have one name in the report. Whatever else is wrong is in the cells.
    """
    inputs = SuiteInputs(config)
    check_titles(suite, inputs)
    cells = []
    for method, data in suite.cells:
        try:
            results = _run_cell(suite, method, data, inputs, config)
            cell = SuiteCell(method=method, data=data, results=results)
        except Exception as error:  # whatever happens to a method, the others continue
            cell = SuiteCell(method=method, data=data, fault=describe_fault(error))
        show(cell)
        cells.append(cell)
    return cells


def describe_fault(error: Exception) -> str:
    """Describe the error of a method in one line."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename or 'writing'}: {describe_error(error)}"
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"


def _run_cell(
    suite: Suite, method: MethodEntry, data: DataEntry, inputs: SuiteInputs, config: SuiteConfig
) -> tuple[Result, ...]:
    folder, measures = method.get_maps(data), suite.measures
    engine, progress = config.engine, config.progress
    dataset = inputs.find(method, data, measures)
    if folder is not None:
        maps_config = replace(config.run, save_maps=False)
        saved = inputs.make_maps_spec(method, folder)
        results = evaluate_maps(saved, dataset, measures, maps_config, engine=engine, progress=progress)
    else:
        spec = inputs.make_model_spec(method)
        result = evaluate(spec, dataset, measures, config.run, engine=engine, progress=progress)
        results = [result and result.with_protocol(protocol.name) for protocol in measures.protocols]
    title = inputs.get_title(method)
    complete = [replace(result, title=title) for result in results if result is not None]
    if len(complete) < len(results):
        raise InputError(f"{title}: rows of other processes are missing; run the same command again")
    return tuple(complete)
