"""Checks of a method that is an external command, on images of DIS-Mini."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from disbench.data.images import read_map
from disbench.doctor.adapter import CheckError, Pair, compare_with_floor
from disbench.doctor.verdict import Verdict
from disbench.errors import InputError
from disbench.inference.command import CommandMethod, predict_folder

FIXES = {
    "command": "run the command of the log by hand, in the folder of the card",
    "maps": "write one grey image per image, of the size of the image, under the stem of its name",
    "score": "check the weights, and that foreground is 255",
}


def diagnose_command(method: CommandMethod, pairs: Sequence[Pair]) -> Iterator[Verdict]:
    """Run the command once, and check its maps. A failed check ends the others, except that of the key."""
    names = ", ".join(key for key, value in method.identify().items() if value)
    yield Verdict("key", True, f"the run key has: {names}; it cannot see packages, containers and other files")
    with tempfile.TemporaryDirectory() as folder:
        images = [Path(folder, f"{number}.png") for number in range(len(pairs))]
        for path, (image, _) in zip(images, pairs, strict=True):
            path.write_bytes(cv2.imencode(".png", image[..., ::-1])[1].tobytes())
        work, log = Path(folder, "work"), Path(folder, "log.txt")
        work.mkdir()
        try:
            files, seconds = predict_folder(method, images, work, log, lambda count: None)
        except InputError as error:
            last = log.read_text("utf-8", "replace").splitlines()[-1:] if log.exists() else []
            message = f"{str(error).removeprefix(f'{log}: ')}; last line of its output: {''.join(last)}"
            yield Verdict("command", False, message, FIXES["command"])
            return
        yield Verdict("command", True, f"{len(files)} maps in {seconds:.1f} s, loading included")
        try:
            maps = [read_map(path) for path in files]
            _check_sizes(maps, pairs)
        except (InputError, CheckError) as error:
            yield Verdict("maps", False, str(error), FIXES["maps"])
            return
        yield Verdict("maps", True, "one per image, of its size")
        try:
            yield Verdict("score", True, compare_with_floor(maps, [truth for _, truth in pairs]))
        except CheckError as error:
            yield Verdict("score", False, str(error), FIXES["score"])


def _check_sizes(maps: Sequence[np.ndarray], pairs: Sequence[Pair]) -> None:
    for mask, (_, truth) in zip(maps, pairs, strict=True):
        if mask.shape != truth.shape:
            raise CheckError(f"for an image of (height, width) {truth.shape} the map is {mask.shape}")
