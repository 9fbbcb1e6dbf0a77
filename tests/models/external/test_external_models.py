"""Models without a folder: an ONNX, TorchScript or torch.export file, a Hugging Face repository, a Python file."""

import json
import sys
import zipfile
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from onnx_files import onnx_file
from torch import nn

import disbench
from disbench.cli.main import main
from disbench.errors import InputError
from disbench.inference.model import load_model
from disbench.models._own import steps
from disbench.models._own.export import _is_size
from disbench.registry.discovery import cli_arguments
from disbench.registry.loading import get_card

IMAGE = np.full((24, 32, 3), 40, np.uint8)
IMAGE[6:18, 8:24] = 220
OBJECT = IMAGE[..., 0] > 100
PLAIN = {"mean": "0", "std": "1"}


class Bright(nn.Module):
    """Logits of brightness at half size, as nested outputs and as a map of two channels."""

    def forward(self, x):
        y = 20 * (nn.functional.avg_pool2d(x.mean(1, keepdim=True), 2) - 0.5)
        return [y, y.sigmoid()], torch.cat([-y, y], 1).sigmoid()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One network in every format."""
    folder, net, x = tmp_path_factory.mktemp("own"), Bright().eval(), torch.zeros(1, 3, 24, 32)
    torch.jit.trace(net, x).save(folder / "bright.pt")
    torch.export.save(torch.export.export(net, (x,)), folder / "bright.pt2")
    onnx_file(folder / "bright.onnx")
    return folder


@pytest.mark.parametrize(
    ("name", "output", "channel"),
    [("bright.onnx", "map", "both:1"), ("bright.pt", "0.1", "1:1"), ("bright.pt2", "0.1", "1:1")],
)
def test_one_network_has_the_same_maps_in_every_format(files, name, output, channel):
    if name.endswith("onnx"):
        pytest.importorskip("onnxruntime")
    path = str(files / name)
    size = {} if name.endswith("pt2") else {"size": "24x32"}
    logits = disbench.load(path, device="cpu", activation="sigmoid", **size, **PLAIN)
    mask = logits.predict(IMAGE)
    for selected in (output, channel):
        model = disbench.load(path, device="cpu", output=selected, **size, **PLAIN)
        assert np.array_equal(model.predict(IMAGE), mask)
        assert model.identity != logits.identity
    assert mask.dtype == np.uint8 and ((mask > 127) == OBJECT).all()
    two = np.stack([logits.predictor.prepare(image) for image in (IMAGE, 255 - IMAGE)])
    if name != "bright.onnx":
        two = torch.from_numpy(two)
    answers = np.stack([np.asarray(output) for output in logits.predictor.infer(two)])
    np.testing.assert_allclose(answers[0], -answers[1], atol=1e-5)
    with pytest.raises(InputError, match=r"values range from -\d.* to \d.*give --option activation=sigmoid"):
        disbench.load(path, device="cpu", **size, **PLAIN).predict(IMAGE)
    with pytest.raises(InputError, match="output"):
        disbench.load(path, device="cpu", output="7", **size, **PLAIN).predict(IMAGE)


def test_a_run_records_the_parameters_of_its_networks(tmp_path, make_pairs):
    torch.jit.script(nn.Conv2d(3, 1, 1)).save(tmp_path / "net.pt")
    data = make_pairs(tmp_path / "data", ["a"])
    options = {"size": "24x32", "activation": "sigmoid", **PLAIN}
    run = disbench.run(str(tmp_path / "net.pt"), data=data, out=tmp_path, device="cpu", options=options)
    assert run.meta["parameters"] == 3 + 1
    assert "parameters" not in disbench.run("otsu", data=data, out=tmp_path).meta


def test_a_file_with_a_fixed_size_accepts_no_other(files, tmp_path):
    pytest.importorskip("onnxruntime")
    fixed = str(onnx_file(tmp_path / "fixed.onnx", (1, 3, 24, 32)))
    assert disbench.load(fixed, device="cpu").predictor.steps.size == (24, 32)
    for path in (fixed, str(files / "bright.pt2")):
        with pytest.raises(InputError, match="works only at 24x32; omit --option size"):
            disbench.load(path, device="cpu", size="64")


@pytest.mark.parametrize(
    ("shape", "kind", "why"),
    [
        ((1, 1, 24, 32), 1, "3, height, width"),
        ((1, 3, 24), 1, "cannot be loaded"),
        (("b", 3, "h", "w"), 6, "cannot be|one float"),
    ],
)
def test_an_onnx_file_of_another_kind_is_refused(tmp_path, shape, kind, why):
    pytest.importorskip("onnxruntime")
    with pytest.raises(InputError, match=why):
        disbench.load(str(onnx_file(tmp_path / "a.onnx", shape, kind)), device="cpu")


@pytest.mark.slow
@pytest.mark.ci
def test_a_run_resumes_under_its_key(files, tmp_path, monkeypatch, make_pairs):
    monkeypatch.chdir(tmp_path)
    make_pairs(tmp_path / "mine", ["a"])

    def run(*more):
        arguments = [
            "run",
            "--model",
            files / "bright.pt",
            "--data",
            "mine",
            "--json",
            "--option",
            "activation=sigmoid",
        ]
        ran = CliRunner().invoke(main, [str(a) for a in (*arguments, *more)])
        assert ran.exit_code == 0, ran.output
        return json.loads(ran.stdout)[0]

    first = run()
    assert (first["title"], first["run"].split("/")[:2]) == ("bright.pt", ["runs", "bright"])
    assert run() == first
    assert run("--option", "size=64")["run"] != first["run"]


def test_every_option_is_in_the_key(files):
    path = str(files / "bright.pt")
    keys = {
        "size": "64",
        "resize": "pillow-bicubic",
        "mean": "0.5",
        "std": "0.5",
        "stretch": "min-max",
        "output": "0.0",
    }
    plain = disbench.load(path, device="cpu").identity
    changed = [disbench.load(path, device="cpu", **{key: value}).identity for key, value in keys.items()]
    assert all(identity != plain for identity in changed)


# -- Code that must not run


def spoil_archive(source, path, **files):
    """A copy of an archive with some of its files replaced, or added."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        root = old.namelist()[0].split("/")[0]
        changed = {f"{root}/{name}": content for name, content in files.items()}
        for name in old.namelist():
            if name not in changed:
                new.writestr(name, old.read(name))
        for name, content in changed.items():
            new.writestr(name, content)
    return str(path)


class Trap:
    def __reduce__(self):
        return pytest.fail, ("code of the file was run",)


def test_an_exported_file_runs_nothing_when_it_is_loaded(files, tmp_path):
    path, bad = files / "bright.pt2", tmp_path / "bad.pt2"
    torch.save(Trap(), tmp_path / "trap.pt")
    cases = {
        "data/sample_inputs/model.pt": ((tmp_path / "trap.pt").read_bytes(), "not a file of torch.export"),
        "data/constants/opaque_obj_0": (b"", "may run code"),
        "data/aotinductor/model/model.so": (b"", "may run code"),
        "data/weights/model.pt": (b"", "may run code"),
        "data/weights/model_weights_config.json": (b'{"config": {"a": {"use_pickle": true}}}', "pickled content"),
        "models/model.json": (b'{"expr_str": "__import__(\'os\')"}', "a size of"),
        "models/more.json": (b'{"guards_code": ["1"]}', "guards, which are code"),
    }
    for name, (content, why) in cases.items():
        with pytest.raises(InputError, match=why):
            disbench.load(spoil_archive(path, bad, **{name: content}))
    with pytest.raises(InputError, match="two files of one name"):
        disbench.load(spoil_archive(path, bad, **{"models/MODEL.json": b"{}"}))


@pytest.mark.parametrize(
    ("text", "fine"),
    [("Mul(Integer(3), Symbol('s0', positive=True))", True), ("s0*2 + 1", True)]
    + [
        (text, False)
        for text in ("exit()", "s0.x", "().__class__", 'Symbol("a")', "eval('1')", "lambda: 0", "s0[0]", "")
    ],
)
def test_sizes_are_only_arithmetic(text, fine):
    assert _is_size(text) == fine


def test_a_pickle_is_no_torchscript(tmp_path):
    torch.save(Trap(), tmp_path / "a.pt")
    with pytest.raises(InputError, match=r"no TorchScript; .*name their network: --model NAME --weights"):
        disbench.load(str(tmp_path / "a.pt"))
    (tmp_path / "b.pt2").write_bytes(b"x")
    with pytest.raises(InputError, match="not a file of torch"):
        disbench.load(str(tmp_path / "b.pt2"))


# -- Options


@pytest.mark.parametrize(
    ("option", "why"),
    [
        ({"size": "0"}, "HEIGHTxWIDTH"),
        ({"mean": "1,2"}, "must be one number, or three"),
        ({"std": "0"}, "must be one number, or three"),
        ({"resize": "nearest"}, "must be one of opencv-linear"),
        ({"colour": "1"}, "no option 'colour'; available: output, size"),
        ({"output": "0:x"}, "NAME:CHANNEL"),
    ],
)
def test_a_wrong_option_is_reported(files, option, why):
    with pytest.raises(InputError, match=why):
        disbench.load(str(files / "bright.pt"), device="cpu", **option)


def test_a_range_that_ends_with_resizing_is_black():
    levels = np.zeros((64, 64), np.float32)
    levels[0, 0] = 1
    restored = steps.Steps(stretch="min-max").restore(levels, (1, 1))
    assert restored.tolist() == [[0]]
    logits = np.full((2, 2), -1000, np.float32)
    assert not steps.Steps(activation="sigmoid").restore(logits, (2, 2)).any()


def test_steps_resize_normalise_and_restore():
    plain = steps.Steps(size=None, multiple=16, mean=(0, 0, 0), std=(1, 1, 1))
    assert plain.prepare(IMAGE[:20, :31]).shape == (3, 16, 32)
    assert np.array_equal(replace(plain, multiple=1).prepare(IMAGE)[0], IMAGE[..., 0].astype(np.float32) / 255)
    for resize in steps.RESIZES:
        x = steps.Steps(size=(12, 16), resize=resize).prepare(IMAGE)
        assert (x.shape, x.dtype) == ((3, 12, 16), np.float32)
    grey = np.linspace(0.2, 0.6, 12, dtype=np.float32).reshape(3, 4)
    assert np.array_equal(plain.restore(grey, (3, 4)), np.rint(grey * 255))
    stretched = replace(plain, stretch="min-max").restore(grey * 9, (6, 8))
    assert (stretched.min(), stretched.max(), stretched.shape) == (0, 255, (6, 8))
    assert not replace(plain, stretch="min-max").restore(np.full((3, 4), 0.3), (3, 4)).any()
    with pytest.raises(InputError, match="nan"):
        plain.restore(np.full((3, 4), np.nan), (3, 4))


# -- Names, Python files, Hugging Face


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("none.onnx", r"none\.onnx: no such file"),
        ("isnet.pth", r"isnet\.pth: weights, which need .*--model NAME --weights isnet\.pth"),
        ("hf:no/such folder", "cannot be loaded"),
    ],
)
def test_a_name_that_is_no_model(name, why, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError, match=why):
        load_model(name)


OWN = """
from neighbour import LEVEL
import numpy as np
class Predictor:
    def __init__(self, card, weights, device, gain="1"):
        self.gain = float(gain)
    def prepare(self, image): return image.mean(2)[None]
    def infer(self, batch): return (batch[:, 0] * self.gain > LEVEL).astype(np.float32)
    def restore(self, output, size): return (output * 255).astype(np.uint8)
"""


def test_a_python_file_may_import_its_neighbours_in_functions(tmp_path):
    code = OWN.replace("from neighbour import LEVEL", "LEVEL = 100").replace(
        "def infer(self, batch):",
        "def infer(self, batch):\n        import later_neighbour\n        import pack.inner\n"
        "        assert later_neighbour.FOLDER == pack.inner.FOLDER == 'FOLDER'\n       ",
    )
    models, entries = [], list(sys.path)
    for name in ("one", "two"):
        (tmp_path / name / "pack").mkdir(parents=True)
        for module in ("later_neighbour", "pack/inner"):
            (tmp_path / name / f"{module}.py").write_text(f"FOLDER = {name!r}")
        (tmp_path / name / "mine.py").write_text(code.replace("FOLDER'", f"{name}'"))
        models.append(load_model(str(tmp_path / name / "mine.py")))
    for model in models + models:  # each by its own modules, not by those of the other file
        assert np.array_equal(model.predict(IMAGE) > 0, OBJECT)
    assert sys.path == entries and not list(tmp_path.rglob("*.pyc"))


def test_a_python_file(tmp_path):
    path = tmp_path / "mine.py"
    (tmp_path / "neighbour.py").write_text("LEVEL = 100")
    path.write_text(OWN)
    model = load_model(str(path))
    assert np.array_equal(model.predict(IMAGE) > 0, OBJECT)
    assert (model.title, model.device) == ("mine.py", "cpu")
    identities = [model.identity, load_model(str(path), gain="2").identity, load_model(str(path), "w.pth").identity]
    path.write_text(OWN + "\n")
    identities.append(load_model(str(path)).identity)
    assert all(a != b for i, a in enumerate(identities) for b in identities[:i])
    for text, why in (("x = (", "SyntaxError"), ("x = 1", "Predictor"), (OWN.replace("restore", "more"), "no restore")):
        path.write_text(text)
        with pytest.raises(InputError, match=rf"mine\.py: .*{why}"):
            load_model(str(path))


@pytest.fixture(scope="module")
def segformer(tmp_path_factory):
    transformers = pytest.importorskip("transformers")
    small = {"hidden_sizes": [8, 8, 8, 8], "depths": [1] * 4, "num_attention_heads": [1] * 4, "decoder_hidden_size": 8}
    config = transformers.SegformerConfig(**small, id2label={0: "wall", 1: "cat", 2: "dog"})
    folder = tmp_path_factory.mktemp("hub") / "tiny"
    torch.manual_seed(0)
    net = transformers.SegformerForSemanticSegmentation(config)
    net.decode_head.classifier.weight.data *= 100  # initial weights make all classes equal
    net.save_pretrained(folder)
    settings = {"size": {"height": 64, "width": 96}, "image_mean": [0.5] * 3, "image_std": [0.25] * 3, "resample": 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def test_a_hugging_face_folder(segformer):
    with pytest.raises(InputError, match=r"has 3 classes; name the foreground's: .*wall, cat, dog"):
        load_model(f"hf:{segformer}", device="cpu")
    model = load_model(f"hf:{segformer}", device="cpu", foreground="cat, 2")
    assert model.predictor.steps == steps.Steps(
        size=(64, 96), mean=(0.5,) * 3, std=(0.25,) * 3, resize="pillow-bicubic"
    )
    other = load_model(f"hf:{segformer}", device="cpu", foreground="wall")
    a, b = (loaded.predict(cv2.resize(IMAGE, (50, 40))).astype(int) for loaded in (model, other))
    assert a.shape == (40, 50)
    assert np.abs(a + b - 255).max() <= 1  # the classes' probabilities sum to 1
    assert a.std() > 0


def test_code_of_a_repository_is_never_run(segformer, tmp_path):
    config = json.loads((segformer / "config.json").read_text())
    config |= {"auto_map": {"AutoConfig": "evil.Config"}, "model_type": "evil"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "evil.py").write_text("raise SystemExit('run')")
    with pytest.raises(InputError, match="code from a repository is never run"):
        load_model(f"hf:{tmp_path}", device="cpu")


@pytest.mark.parametrize(
    ("name", "package", "extra"), [("a.onnx", "onnxruntime", "onnx"), ("hf:a/b", "transformers", "models")]
)
def test_a_missing_package_is_named(name, package, extra, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    for module in [module for module in sys.modules if module.startswith("disbench.models._own")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.onnx").touch()
    with pytest.raises(InputError, match=rf"needs {package}; pip install 'disbench\[{extra}\]'"):
        load_model(name)


def test_an_exported_network_moves_to_the_device(files):
    """The meta device stands for a GPU."""
    predictor = disbench.load(str(files / "bright.pt2"), None, "meta", output="1:1", **PLAIN).predictor
    assert predictor.infer(torch.empty(2, 3, 24, 32, device="meta")).is_meta


def test_a_suggested_command_names_a_repository_as_the_user_does():
    assert cli_arguments(get_card("hf:owner/name"), "--model") == "--model hf:owner/name"
