"""The public functions say what they received and what they expect, whatever is passed."""

from pathlib import Path

import numpy as np
import pytest
from made_results import result
from PIL import Image

import disbench
from disbench.errors import InputError
from disbench.runs.result import load_run
from disbench.runs.shard import ShardSpec

IMAGE = np.random.default_rng(0).integers(0, 256, (12, 20, 3), np.uint8)
GREY = IMAGE[..., 0]
IMAGES = {
    "grey": (GREY, "numpy.dstack"),
    "grey with an axis": (GREY[..., None], "numpy.dstack"),
    "RGBA": (np.dstack([IMAGE, GREY]), r"image\[\.\.\., :3\]"),
    "channels first": (IMAGE.transpose(2, 0, 1), r"transpose\(1, 2, 0\)"),
    "a batch": (IMAGE[None], "one image at a time"),
    "float": (IMAGE / 255, r"got float64 .*\* 255"),
    "bool": (IMAGE > 0, r"got bool .*\* 255"),
    "16 bit": (IMAGE.astype(">u2"), "got >u2 .*257"),
    "int64": (IMAGE.astype(np.int64), r"got int64 .*astype\(numpy.uint8\)"),
    "no pixel": (IMAGE[:0], r"shape \(0, 20, 3\)"),
    "objects": (IMAGE.astype(object), "got object"),
    "masked": (np.ma.masked_less(IMAGE, 9), r"got a numpy.MaskedArray.*filled\(0\)"),
    "matrix": (np.asmatrix(GREY), "got a numpy.matrix.*numpy.asarray"),
    "Pillow": (Image.fromarray(IMAGE), r"got a PIL.Image, .*numpy.asarray\(image.convert"),
    "a path": (Path("a.png"), "read the file first"),
    "text": ("a.png", "got a str.*read the file first"),
    "bytes": (b"a.png", "got a bytes"),
    "a list": (IMAGE.tolist(), "got a list.*numpy.array"),
    "nothing": (None, "got a NoneType"),
}


@pytest.fixture(scope="module")
def otsu():
    return disbench.load("otsu")


@pytest.mark.parametrize("kind", IMAGES)
def test_an_image_of_another_kind_is_refused_with_its_conversion(kind, otsu):
    image, message = IMAGES[kind]
    with pytest.raises(InputError, match=message) as error:
        otsu.predict(image)
    assert str(error.value).startswith("image: got ") and "expected" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_tensor_is_refused_with_its_conversion(otsu):
    torch = pytest.importorskip("torch")
    with pytest.raises(InputError, match=r"got a torch.Tensor, .*permute\(1, 2, 0\)"):
        otsu.predict(torch.zeros(3, 4, 5))
    with pytest.raises(InputError, match=r"prediction: got a torch.Tensor, .*cpu\(\)"):
        disbench.measure(torch.zeros(4, 5), GREY)


def test_every_memory_layout_gives_the_same_map(otsu, tmp_path):
    expected = otsu.predict(IMAGE)
    read_only = IMAGE.copy()
    read_only.flags.writeable = False
    mapped = np.memmap(tmp_path / "a", np.uint8, "w+", shape=IMAGE.shape)
    mapped[:] = IMAGE
    strided = np.zeros((24, 40, 3), np.uint8)[::2, ::2]
    strided[:] = IMAGE
    reverse = IMAGE[::-1, :, ::-1].copy()[::-1, :, ::-1]
    for image in (np.asfortranarray(IMAGE), read_only, mapped, strided, reverse, IMAGE.astype(">u1")):
        assert np.array_equal(otsu.predict(image), expected)


@pytest.mark.parametrize("kind", ["masked", "matrix"])
def test_a_subclass_of_arrays_is_no_map(kind):
    value = np.ma.masked_less(GREY, 9) if kind == "masked" else np.asmatrix(GREY)
    for pair in ((value, GREY), (GREY, value)):
        with pytest.raises(InputError, match="got a numpy"):
            disbench.measure(*pair)


RUN = result(splits=("DIS-TE1", "DIS-VD"))
MEASURED = RUN.measurements("DIS-VD")
CALLS = {
    "protocol of another type": (lambda: disbench.score(MEASURED, ["pysod"]), "protocol: got .*list.*'pysod'"),
    "misspelt protocol": (lambda: disbench.score(MEASURED, "pysodd"), "did you mean pysod?"),
    "protocols of another type": (lambda: disbench.measure(GREY, GREY, None), "protocol: got None"),
    "metric of another type": (lambda: disbench.score(MEASURED, metrics=7), "metrics: got 7"),
    "metrics as bytes": (lambda: disbench.score(MEASURED, metrics=b"mae"), "metrics: got b'mae'"),
    "metrics of mixed types": (lambda: disbench.score(MEASURED, metrics=["mae", 1]), "metrics: got 1"),
    "misspelt metric": (lambda: disbench.score(MEASURED, metrics="f_maxx"), "did you mean f_max"),
    "one measurement": (lambda: disbench.score(MEASURED[0]), "measurements: got "),
    "an array": (lambda: disbench.score([GREY]), r"measurements\[0\]: got .*ndarray"),
    "no measurements": (lambda: disbench.score(None), "measurements: got None"),
    "per image": (lambda: disbench.per_image([1]), r"measurements\[0\]"),
    "misspelt curve": (lambda: disbench.curves(MEASURED, measures="recal"), "'recal'; did you mean recall"),
    "curve of another type": (lambda: disbench.curves(MEASURED, measures=[1]), "measures: got 1"),
    "misspelt subset": (lambda: RUN.score("DIS-TE2"), "no subset 'DIS-TE2'; did you mean DIS-TE1"),
    "subset of another type": (lambda: RUN.score(1), "subset: got 1"),
    "subset that is not whole": (lambda: RUN.score("Overall"), "no subset 'Overall'"),
    "measurements": (lambda: RUN.measurements("x"), "no subset 'x'; known: DIS-TE1, DIS-VD"),
    "metric of a result": (lambda: RUN.score("DIS-VD", "mea"), "unknown metric 'mea'"),
    "metric that is asked for": (lambda: RUN.has_metric("mea"), "unknown metric 'mea'"),
    "frame": (lambda: RUN.to_frame(5), "metrics: got 5"),
    "protocol of a result": (lambda: RUN.with_protocol(None), "protocol: got None"),
    "row": (lambda: RUN.mask("a"), "row: got 'a'"),
    "folder of a run": (lambda: load_run(b"runs"), "folder: got bytes"),
    "name of a model": (lambda: disbench.load(None), "name: got None"),
    "weights": (lambda: disbench.load("isnet", b"w.pth"), "weights: got bytes"),
    "device": (lambda: disbench.load("otsu", device=0), "device: got 0"),
    "option": (lambda: disbench.load("isnet", "untrained", size=[512]), "option size: got "),
    "options": (lambda: disbench.run("isnet", options="size=512", data="mini"), "options: got "),
    "model": (lambda: disbench.run(7), "model: got 7"),
    "misspelt split": (lambda: disbench.run("otsu", split="DIS-TE5", data="mini"), "did you mean DIS-TE"),
    "split of another type": (lambda: disbench.run("otsu", split=["DIS-VD"], data="mini"), "split: got "),
    "data": (lambda: disbench.run("otsu", data=b"mini"), "data: got bytes"),
    "data of three": (lambda: disbench.run("otsu", data=("a", "b", "c")), "data: got "),
    "out": (lambda: disbench.run("otsu", data="mini", out=None), "out: got None"),
    "workers": (lambda: disbench.run("otsu", data="mini", workers=-1), "workers: got -1"),
    "shard": (lambda: disbench.run("otsu", data="mini", shard="1/2"), "shard: got '1/2'"),
    "shard that does not exist": (lambda: disbench.run("otsu", data="mini", shard=ShardSpec(2, 2)), "shard 3/2"),
    "engine": (lambda: disbench.run("otsu", data="mini", engine="ray"), "engine: got 'ray'"),
    "maps": (lambda: disbench.score_maps(None, data="mini"), "folder: got None"),
    "title": (lambda: disbench.score_maps("maps", title=1, data="mini"), "title: got 1"),
    "runs": (lambda: disbench.report(7), "runs: got 7"),
    "runs of another type": (lambda: disbench.report([RUN, 7]), "runs: got 7"),
    "format": (lambda: disbench.report(RUN, format=["html"]), "unknown format"),
    "parts": (lambda: disbench.report(RUN, by="size", parts=0), "parts: got 0"),
    "by": (lambda: disbench.report(RUN, by=1), "by: got 1"),
    "file of a report": (lambda: disbench.report(RUN, out=b"a.html"), "out: got bytes"),
    "times": (lambda: disbench.report(RUN, format="html", times=[1]), "times: got 1"),
    "one result": (lambda: disbench.compare(RUN), "results: got "),
    "focus": (lambda: disbench.compare([RUN, RUN], focus=1), r"focus: got 1 \(int\)"),
    "focus of a report": (lambda: disbench.report(RUN, focus=1), r"focus: got 1 \(int\)"),
    "no runs": (lambda: disbench.compare(["runs/a", "runs/b"]), "runs/a: no such run folder"),
    "numbers": (lambda: disbench.compare([1, 2]), r"results\[0\]: got 1 \(int\), expected a Result, or the folder"),
    "resamples": (lambda: disbench.compare([RUN, RUN], resamples=0), "resamples: got 0"),
}


@pytest.mark.parametrize("fault", CALLS)
def test_an_argument_of_another_type_or_name_is_an_input_error(fault, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call, message = CALLS[fault]
    with pytest.raises(InputError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())  # nothing was begun


def test_measurements_and_results_may_come_from_a_generator():
    assert disbench.score(m for m in MEASURED) == disbench.score(MEASURED)
    assert disbench.per_image(m for m in MEASURED)["mae"].shape == (len(MEASURED),)


def test_paths_are_accepted_as_text_and_as_objects(make_pairs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_pairs(tmp_path / "data", ["a"])
    class Place:
        def __fspath__(self):
            return str(tmp_path / "data")
    runs = {
        disbench.run("otsu", data=data, out=out).folder.resolve()
        for data, out in (("data", "runs"), (tmp_path / "data", tmp_path / "runs"), (Place(), Path("runs")))
    }
    pair = disbench.run("otsu", data=(str(tmp_path / "data" / "im"), tmp_path / "data" / "gt"), out="runs")
    assert runs == {pair.folder.resolve()}
    maps = pair.folder / "masks"
    assert disbench.score_maps(str(maps), data="data")[0].score("data", "mae") == pair.score("data", "mae")
    assert disbench.report(str(pair.folder)) == disbench.report([pair.folder])
