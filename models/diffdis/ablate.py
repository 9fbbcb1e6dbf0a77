"""Train every row of an ablation several times, and one table of them: `disbench ablate`.

A row is what it changes in a recipe. From one seed all rows see the same pictures and noise, as far as what they change
lets them, so differences are taken seed by seed.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from disbench.data.dataset import DataLocation
from disbench.data.location import find_dataset
from disbench.errors import InputError, suggest_names
from disbench.metrics.scoring import score
from disbench.models._training import data, recipe
from disbench.models._training.processes import join
from disbench.models.diffdis import batches, train, weights
from disbench.models.diffdis.pipeline import LAST
from disbench.models.diffdis.settings import Recipe
from disbench.models.diffdis.unet import WHOLE
from disbench.models.diffdis.validate import measured
from disbench.system.files import write_atomic

RECIPES = Path(__file__).parent / "recipes"
MOST_REMEMBERED = 1000  # steps
METRICS = ("f_max", "e_mean", "s_measure", "mae")


@dataclass(frozen=True)
class Row:
    name: str
    set: dict[str, Any]  # over the recipe
    tables: str = ""  # of the paper
    against: str = ""  # the row that it is compared with
    needs_base: bool = False  # it changes what the training starts from: nothing for a recipe without a base
    base: str = ""  # in place of the recipe's
    paper: tuple[float, ...] = ()  # METRICS there

    @property
    def folder(self) -> str:
        return re.sub(r"\W+", "-", self.name).strip("-").lower()


@dataclass(frozen=True)
class Rows:
    rows: tuple[Row, ...]

    def __post_init__(self):
        names = [row.name for row in self.rows]
        if not self.rows:
            raise InputError("rows: there are none")
        if wrong := [row.name for row in self.rows if not row.folder]:
            raise InputError(f"rows: name = {wrong[0]!r}: must have a letter or a digit, since a folder is called so")
        for row in self.rows:
            if row.against and row.against not in names:
                raise InputError(f"row {row.name!r} against {row.against!r}: {suggest_names(row.against, names)}")
        if wrong := [row.name for row in self.rows if len(row.paper) not in (0, len(METRICS))]:
            raise InputError(f"rows: paper = [{', '.join(METRICS)}], but not so in {wrong[0]!r}")
        if len({row.folder for row in self.rows}) < len(names):
            raise InputError("rows: two names that are alike")


@dataclass(frozen=True)
class Trained:
    """One row and METRICS of each seed; no seeds where the recipe cannot have the row. on: what it is scored on."""

    row: Row
    values: dict[str, list[float]]
    on: str


def main(
    where: DataLocation,
    out: Path,
    rows: Path = RECIPES / "ablations.toml",
    base_recipe: Path = RECIPES / "ablations-mini.toml",
    split: str = "DIS-VD",
    seeds: Sequence[int] = (0, 1, 2),
    only: Sequence[str] = (),
    device: str | None = None,
    progress=None,
) -> list[Trained]:
    """Train each row, or `only` those named, from each of the seeds, and score it on `split`.

    Weights, log and scores of a row go to out/<row>/<seed>; what is there is not made again. Of several processes, the
    first alone returns the rows.
    """
    chosen = _chosen(recipe.read(rows, Rows).rows, only)
    table = recipe.table(base_recipe)
    recipe.convert(base_recipe, table, Recipe)
    for row in chosen:  # what is wrong with the last is told before the first is trained
        _recipe(rows, table, row, 0)
    device, processes = join(device)
    if data.is_own(where):
        raise InputError("--data: ablations are trained on DIS-TR and scored on --split; give DIS5K or mini")
    training = next(iter(find_dataset(where, "DIS-TR", progress=progress).splits.values()))
    tests = find_dataset(where, split, progress=progress)
    on = [tests.token, *tests.splits]
    values: dict[str, list[dict[str, float]]] = {row.name: [] for row in chosen}
    sources: dict[int, Any] = {}  # pictures are read once for all rows
    # Seed by seed, so that one that is cut off has compared all rows, if only once.
    for seed in seeds:
        latents = _remembered()
        for row in chosen:
            if row.needs_base and "base" not in table:
                continue
            what = _recipe(rows, table, row, seed)
            folder = out / row.folder / str(seed)
            scores = _kept(folder, what, on)
            if scores is None:
                source = training
                if what.augment != "authors":
                    source = sources[what.pictures] = sources.get(what.pictures) or train.pictures(what, training)
                start = train.begin(what, base_recipe, training, out, progress, processes, device)
                unet = train.train(what, start, source, (), folder, device, progress, processes, latents)
                if processes.first:
                    start = replace(start, unet=unet, vae=start.vae.to(device), text=start.text.to(device))
                    scores = _finish(folder, what, on, start, tests.samples)
            values[row.name].append(scores)
    if not processes.first:
        return []
    scored = f"{', '.join(tests.splits)} of {tests.title}"
    return [Trained(row, {key: [one[key] for one in values[row.name]] for key in METRICS}, scored) for row in chosen]


def _remembered() -> Callable:
    """`batches.latents` with a memory: most rows see the very same. None of steps without end, which would not fit."""
    kept: dict[tuple, dict[str, Any]] = {}

    def latents(what, stage, vae, source, step, part):
        if what.schedule.total > MOST_REMEMBERED:
            return batches.latents(what, stage, vae, source, step, part)
        shown = replace(what, parts=WHOLE, scratch=False, timesteps=(LAST,), rollout=1, infer_steps=1)
        key = (repr(shown), step)
        if key not in kept:
            kept[key] = batches.latents(what, stage, vae, source, step, part)
        return kept[key]

    return latents


def _chosen(rows: Sequence[Row], only: Sequence[str]) -> list[Row]:
    names = [row.name for row in rows]
    for name in only:
        if name not in names:
            raise InputError(f"no row {name!r}; {suggest_names(name, names)}")
    return [row for row in rows if not only or row.name in only]


def _recipe(rows: Path, table: dict[str, Any], row: Row, seed: int) -> Recipe:
    return recipe.convert(Path(f"{rows}: row {row.name!r}"), _changed(table, row, seed), Recipe)


def _changed(table: dict[str, Any], row: Row, seed: int) -> dict[str, Any]:
    base = {"base": row.base} if row.base and "base" in table else {}
    return recipe.merged(table, row.set | base | {"seed": seed})


def _kept(folder: Path, what: Recipe, on: list[str]) -> dict[str, float] | None:
    """The scores in a folder, if they are of this very training; InputError if they are of another."""
    path = folder / "scores.json"
    if not path.exists():
        return None
    kept = json.loads(path.read_text())
    if recipe.convert(path, kept["recipe"], Recipe) != what or kept["on"] != on:
        raise InputError(f"{path}: of another recipe or data set; choose another --out")
    return kept["scores"]


def _finish(folder: Path, what: Recipe, on: list[str], checkpoint: weights.Checkpoint, tests) -> dict[str, float]:
    scores = score(measured(checkpoint, tests, what.infer_steps))
    scores = {key: float(scores[key]) for key in METRICS}
    weights.save(checkpoint, folder)
    kept = {"recipe": asdict(what), "on": on, "scores": scores}
    write_atomic(folder / "scores.json", json.dumps(kept).encode())  # not msgspec's JSON, which has no infinity
    return scores
