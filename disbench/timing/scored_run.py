"""The scored run that a timing is compared with: the same model, and maps of the same images."""

from collections.abc import Sequence

import msgspec

from disbench.data.dataset import Sample
from disbench.errors import InputError
from disbench.inference.model import Model
from disbench.runs.manifest import RUN_ONLY_KEYS, read_manifest
from disbench.runs.result import Result


def check_same_model(model: Model, run: Result) -> None:
    """Raise InputError, naming the first difference, if a run has another model, other weights or other options."""
    scored = {key: value for key, value in read_manifest(run.folder).identity.items() if key not in RUN_ONLY_KEYS}
    timed = msgspec.to_builtins(model.identity)
    for key in timed | scored:
        # An option that only one of the two sets is a difference, too, even where its value is None.
        if key in timed and key in scored and timed[key] == scored[key]:
            continue
        values = [repr(identity[key]) if key in identity else "missing" for identity in (scored, timed)]
        raise InputError(f"{run.folder}: is of another model: its {key} is {values[0]}, here {values[1]}")


def read_map_digests(run: Result, samples: Sequence[Sample]) -> list[str]:
    """Return the digests of a run's maps of `samples`; InputError if an image is not in the run."""
    digests = {(split, row.name): row.digest for split, rows in run.rows.items() for row in rows}
    for sample in samples:
        if (sample.split, sample.name) not in digests:
            raise InputError(
                f"{run.folder}: {sample.split}/{sample.name}, which is to be timed, is not in this run; "
                "give --data and --split as for the run, or a run on these images"
            )
    return [digests[sample.split, sample.name] for sample in samples]
