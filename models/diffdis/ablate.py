"""Train every row of an ablation from several seeds, and score it: `disbench diffdis ablate`.

A row is a set of changes to a recipe. From the same seed all rows see the same pictures and noise, as far as their
changes allow, so differences are taken seed by seed.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from diffusers import AutoencoderKL

from disbench.data.dataset import DataLocation, DataSet, Sample
from disbench.data.location import find_dataset, list_subsets
from disbench.errors import InputError, suggest_names
from disbench.metrics.scoring import score
from disbench.models._training import recipes
from disbench.models._training.context import TrainingContext
from disbench.models._training.processes import join_processes
from disbench.models._training.recipes import Table
from disbench.models.diffdis import batches, train, weights
from disbench.models.diffdis.batches import BatchPlan, Source
from disbench.models.diffdis.checkpoint import Checkpoint
from disbench.models.diffdis.losses import Latents
from disbench.models.diffdis.pipeline import LAST
from disbench.models.diffdis.settings import Recipe
from disbench.models.diffdis.unet import WHOLE
from disbench.models.diffdis.validate import measure_checkpoint
from disbench.system.documents import read_json_bytes, report_unreadable
from disbench.system.files import write_atomic

RECIPES = Path(__file__).parent / "recipes"
MAX_CACHED_STEPS = 1000
METRICS = ("f_max", "e_mean", "s_measure", "mae")


@dataclass(frozen=True)
class Row:
    """One row of the table: changes to the recipe."""

    name: str
    set: dict[str, Any]  # values that replace values of the recipe
    tables: str = ""  # tables of the paper that have the row
    against: str = ""  # name of the row that it is compared with
    needs_base: bool = False  # changes the base, so a recipe without a base cannot have the row
    base: str = ""  # replaces the recipe's base
    paper: tuple[float, ...] = ()  # METRICS in the paper

    @property
    def folder(self) -> str:
        """Name of the row's folder."""
        return re.sub(r"\W+", "-", self.name).strip("-").lower()


@dataclass(frozen=True)
class Rows:
    """The TOML file of an ablation."""

    rows: tuple[Row, ...]

    def __post_init__(self) -> None:
        names = [row.name for row in self.rows]
        if not self.rows:
            raise InputError("rows: empty; give at least one")
        if wrong := [row.name for row in self.rows if not row.folder]:
            raise InputError(f"rows: name = {wrong[0]!r}: must have a letter or a digit, since it names a folder")
        for row in self.rows:
            if row.against and row.against not in names:
                raise InputError(f"row {row.name!r} against {row.against!r}: {suggest_names(row.against, names)}")
        if wrong := [row.name for row in self.rows if len(row.paper) not in (0, len(METRICS))]:
            raise InputError(f"rows: paper must be [{', '.join(METRICS)}], unlike in {wrong[0]!r}")
        if len({row.folder for row in self.rows}) < len(names):
            raise InputError("rows: two names have the same folder; rename one of them")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """An ablation to run.

    Attributes:
        rows: TOML file of the rows.
        recipe: recipe that the rows change.
        split: split, or splits, to score on.
        seeds: seeds of the trainings of each row.
        only: names of the rows to train; () for all.
    """

    rows: Path = RECIPES / "ablations.toml"
    recipe: Path = RECIPES / "ablations-mini.toml"
    split: str = "DIS-VD"
    seeds: Sequence[int] = (0, 1, 2)
    only: Sequence[str] = ()


@dataclass(frozen=True)
class Trained:
    """A row and its scores.

    Attributes:
        row: the row.
        values: for each of METRICS, a score per seed; none if the recipe cannot have the row.
        on: data that it is scored on.
    """

    row: Row
    values: Mapping[str, Sequence[float]]
    on: str


def run_ablation(plan: Plan, location: DataLocation, context: TrainingContext) -> list[Trained]:
    """Train every row from every seed, and score it.

    Args:
        plan: rows, recipe, seeds and the split to score on.
        location: DIS5K or "mini". Rows are trained on its DIS-TR.
        context: where to train. Weights, log and scores of a row are written to `<out>/<row>/<seed>`; finished
            trainings there are not repeated.

    Returns:
        The rows with their scores; of several processes that train together, only the first returns any.

    Raises:
        InputError: for a fault in the rows, the recipe or the data, or scores of another recipe in the folder.
    """
    rows = select_rows(recipes.read_recipe(plan.rows, Rows).rows, plan.only)
    table = recipes.read_table(plan.recipe)
    recipes.convert_table(plan.recipe, table, Recipe)
    for row in rows:  # faults of the last row are reported before the first is trained
        row_recipe(plan, table, row, 0)
    device, processes = join_processes(context.device)
    context = replace(context, device=device, processes=processes)
    if "DIS-TR" not in list_subsets(location):
        raise InputError("--data: ablations are trained on DIS-TR and scored on --split; give DIS5K or mini")
    training = next(iter(find_dataset(location, "DIS-TR", progress=context.progress).splits.values()))
    tests = find_dataset(location, plan.split, progress=context.progress)
    ablation = _Ablation(plan, training, tests, context)
    values: dict[str, list[dict[str, float]]] = {row.name: [] for row in rows}
    # Seed by seed, so that an interrupted ablation has compared all rows at least once.
    for seed in plan.seeds:
        encode = CachedEncoder()
        for row in rows:
            if row.needs_base and "base" not in table:
                continue
            recipe = row_recipe(plan, table, row, seed)
            values[row.name].append(ablation.train_row(recipe, context.out / row.folder / str(seed), encode))
    if not processes.first:
        return []
    scored = f"{', '.join(tests.splits)} of {tests.title}"
    return [
        Trained(row, {key: [scores[key] for scores in values[row.name]] for key in METRICS}, scored) for row in rows
    ]


class CachedEncoder:
    """`batches.encode_batch` with a cache, since most rows see the same pictures and noise.

    Long trainings are not cached, as their latents would not fit into memory.
    """

    def __init__(self) -> None:
        """Start with an empty cache."""
        self._latents: dict[tuple[str, int], Latents] = {}

    def __call__(self, recipe: Recipe, plan: BatchPlan, vae: AutoencoderKL, source: Source) -> Latents:
        """Encode a batch, or return it from the cache."""
        if recipe.schedule.total > MAX_CACHED_STEPS:
            return batches.encode_batch(recipe, plan, vae, source)
        # Without the values that change no latents.
        visible = replace(recipe, parts=WHOLE, scratch=False, timesteps=(LAST,), rollout=1, infer_steps=1)
        key = (repr(visible), plan.step)
        if key not in self._latents:
            self._latents[key] = batches.encode_batch(recipe, plan, vae, source)
        return self._latents[key]


class _Ablation:
    """Trains rows on the same pictures and scores them on the same samples."""

    def __init__(self, plan: Plan, training: Sequence[Sample], tests: DataSet, context: TrainingContext):
        self.plan, self.training, self.tests, self.context = plan, training, tests, context
        self.scored_on = [tests.token, *tests.splits]
        self._pictures: dict[int, Source] = {}  # by size, read once for all rows

    def train_row(self, recipe: Recipe, folder: Path, encode: CachedEncoder) -> dict[str, float]:
        """Train a recipe and return its scores, {} in all processes but the first."""
        scores = _read_scores(folder, recipe, self.scored_on)
        if scores is not None:
            return scores
        context = self.context
        source: Source = self.training
        if recipe.augment != "authors":
            if recipe.pictures not in self._pictures:
                self._pictures[recipe.pictures] = train.load_pictures(recipe, self.training)
            source = self._pictures[recipe.pictures]
        start = train.prepare_checkpoint(recipe, self.plan.recipe, self.training, context)
        unet = train.train_unet(recipe, start, source, (), replace(context, out=folder), encode)
        if not context.processes.first:
            return {}
        start = replace(start, unet=unet, vae=start.vae.to(context.device), text=start.text.to(context.device))
        return _write_scores(folder, recipe, self.scored_on, start, self.tests.samples)


def select_rows(rows: Sequence[Row], only: Sequence[str]) -> list[Row]:
    """Select the rows of the names `only`, or all. Raise InputError for an unknown name."""
    names = [row.name for row in rows]
    for name in only:
        if name not in names:
            raise InputError(f"no row {name!r}; {suggest_names(name, names)}")
    return [row for row in rows if not only or row.name in only]


def row_recipe(plan: Plan, table: Table, row: Row, seed: int) -> Recipe:
    """Make the recipe of a row and a seed from the table of the plan's recipe."""
    return recipes.convert_table(Path(f"{plan.rows}: row {row.name!r}"), row_table(table, row, seed), Recipe)


def row_table(table: Table, row: Row, seed: int) -> Table:
    """Apply the changes of a row, and a seed, to the table of a recipe."""
    base = {"base": row.base} if row.base and "base" in table else {}
    return recipes.merge_tables(table, row.set | base | {"seed": seed})


def _read_scores(folder: Path, recipe: Recipe, scored_on: list[str]) -> dict[str, float] | None:
    """Read the scores in a folder, if any. Raise InputError if they are of another training."""
    path = folder / "scores.json"
    if not path.exists():
        return None
    with report_unreadable(path, "not the scores of a training", "delete it to train this row again"):
        content = json.loads(read_json_bytes(path))  # with infinity, which msgspec's JSON does not have
        if not {"recipe", "on", "scores"} <= content.keys():
            raise ValueError("a key is missing")
    if recipes.convert_table(path, content["recipe"], Recipe) != recipe or content["on"] != scored_on:
        raise InputError(f"{path}: scores of another recipe or data set; choose another --out")
    return content["scores"]


def _write_scores(
    folder: Path, recipe: Recipe, scored_on: list[str], checkpoint: Checkpoint, samples: Sequence[Sample]
) -> dict[str, float]:
    """Score a checkpoint, write weights and scores, and return the scores."""
    all_scores = score(measure_checkpoint(checkpoint, samples, recipe.infer_steps))
    scores = {key: float(all_scores[key]) for key in METRICS}
    weights.save(checkpoint, folder)
    content = {"recipe": asdict(recipe), "on": scored_on, "scores": scores}
    write_atomic(folder / "scores.json", json.dumps(content).encode())  # not msgspec's JSON, which has no infinity
    return scores
