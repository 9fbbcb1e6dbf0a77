"""ONNX files of other shapes, and the files in which they keep their tensors."""

import numpy as np
import pytest
from onnx_files import onnx_file

import disbench
from disbench.errors import InputError
from disbench.models._own.onnx_data import list_data_files

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 24, 32, 3), np.uint8)
PLAIN = {"mean": "0", "std": "1", "output": "map", "size": "24x32"}


def external(path, location, level=0.5):
    """Write an ONNX file (b, 3, h, w) -> mean of the channels above a level, which is kept in another file."""
    node, value = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    tensor = onnx.TensorProto(name="level", data_type=1, dims=[1], data_location=1)
    tensor.external_data.add(key="location", value=location)
    nodes = [
        node("ReduceMean", ["x"], ["grey"], axes=[1], keepdims=1),
        node("Greater", ["grey", "level"], ["above"]),
        node("Cast", ["above"], ["map"], to=1),
    ]
    graph = onnx.helper.make_graph(
        nodes, "g", [value("x", 1, ("b", 3, "h", "w"))], [value("map", 1, None)], [tensor]
    )
    imports = [onnx.helper.make_opsetid("", 13)]
    path.write_bytes(onnx.helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString())
    target = path.parent / location
    if target.resolve().is_relative_to(path.parent.resolve()):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(np.float32(level).tobytes())
    return path


@pytest.mark.parametrize("count", [1, 4, 6])
def test_a_fixed_batch_is_filled_up_and_the_further_maps_are_dropped(tmp_path, count):
    free = disbench.load(str(onnx_file(tmp_path / "free.onnx")), device="cpu", **PLAIN).predictor
    four = disbench.load(str(onnx_file(tmp_path / "four.onnx", (4, 3, 24, 32))), device="cpu", **PLAIN)
    batch = np.stack([free.prepare(image) for image in IMAGES[:count]])
    np.testing.assert_array_equal(four.predictor.infer(batch), free.infer(batch))
    assert four.predict(IMAGES[0]).shape == (24, 32)


def test_an_output_without_the_batch_is_refused(tmp_path):
    node, value = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    nodes = [node("ReduceMean", ["x"], ["map"], axes=[0, 1], keepdims=0)]
    graph = onnx.helper.make_graph(nodes, "g", [value("x", 1, (4, 3, 24, 32))], [value("map", 1, None)])
    imports = [onnx.helper.make_opsetid("", 13)]
    path = tmp_path / "a.onnx"
    path.write_bytes(onnx.helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString())
    with pytest.raises(InputError, match=r"a.onnx: its output map is \(24, 32\) for 4 images"):
        disbench.load(str(path), device="cpu").predict(IMAGES[0])


@pytest.mark.parametrize(("kind", "name"), [(2, "uint8"), (11, "double"), (16, "bfloat16")])
def test_an_input_of_another_type_is_named_with_those_that_work(tmp_path, kind, name):
    value = onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node("Cast", ["x"], ["map"], to=1)
    graph = onnx.helper.make_graph([node], "g", [value("x", kind, (1, 3, 24, 32))], [value("map", 1, None)])
    imports = [onnx.helper.make_opsetid("", 13)]
    path = tmp_path / "a.onnx"
    path.write_bytes(onnx.helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString())
    with pytest.raises(InputError, match=rf"x tensor\({name}\).*needs one float input, tensor\(float\)"):
        disbench.load(str(path), device="cpu")


def test_a_half_precision_file_predicts(tmp_path):
    path = onnx_file(tmp_path / "half.onnx", (1, 3, 24, 32))
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        half = onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor).astype(np.float16), tensor.name)
        tensor.CopyFrom(half)
    for info in (*model.graph.input, *model.graph.output):
        info.type.tensor_type.elem_type = 10
    onnx.save(model, path)
    assert disbench.load(str(path), device="cpu", **PLAIN).predict(IMAGES[0]).shape == (24, 32)


def test_one_fixed_side_is_kept_and_no_other_is_accepted(tmp_path):
    path = str(onnx_file(tmp_path / "a.onnx", ("b", 3, 64, "w")))
    assert disbench.load(path, device="cpu").predictor.steps.size == (64, 1024)
    assert disbench.load(path, device="cpu", size="64x32").predictor.steps.size == (64, 32)
    for size in ("32x64", "native"):
        with pytest.raises(InputError, match="works only at 64xw"):
            disbench.load(path, device="cpu", size=size)


@pytest.mark.parametrize("location", ["weights.bin", "deep/er/weights", "a.onnx.data"])
def test_a_file_of_tensors_is_part_of_the_identity_under_any_name(tmp_path, location):
    path = external(tmp_path / "a.onnx", location)
    assert list_data_files(path) == [tmp_path / location]
    options = {"device": "cpu", "mean": "0", "std": "1", "size": "24x32"}
    first = disbench.load(str(path), **options)
    before = first.predict(IMAGES[0])
    external(tmp_path / "a.onnx", location, level=0.6)
    second = disbench.load(str(path), **options)
    assert first.identity != second.identity
    assert (before != second.predict(IMAGES[0])).any()


def test_a_tensor_inside_a_branch_counts(tmp_path):
    """Of a constant in a graph that is an attribute of a node."""
    tensor = onnx.TensorProto(name="t", data_type=1, dims=[1], data_location=1)
    tensor.external_data.add(key="length", value="4")
    tensor.external_data.add(key="location", value="inner.bin")
    constant = onnx.helper.make_node("Constant", [], ["c"], value=tensor)
    branch = onnx.helper.make_graph([constant], "branch", [], [])
    outer = onnx.helper.make_node("If", ["q"], ["y"], then_branch=branch, else_branch=branch)
    model = onnx.helper.make_model(onnx.helper.make_graph([outer], "g", [], []))
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    (tmp_path / "inner.bin").write_bytes(bytes(4))
    assert list_data_files(tmp_path / "a.onnx") == [tmp_path / "inner.bin"]


@pytest.mark.parametrize("location", ["../w.bin", "a/../../w.bin", "/etc/hostname", "C:\\w.bin", "..\\w.bin"])
def test_tensors_outside_of_the_folder_are_refused(tmp_path, location):
    (tmp_path / "w.bin").write_bytes(bytes(4))
    (tmp_path / "m").mkdir()
    path = external(tmp_path / "m" / "a.onnx", location)
    with pytest.raises(InputError, match=r"a.onnx: refused: .*outside of its folder"):
        disbench.load(str(path), device="cpu")


def test_a_missing_file_of_tensors_is_named(tmp_path):
    path = external(tmp_path / "a.onnx", "w.bin")
    (tmp_path / "w.bin").unlink()
    with pytest.raises(InputError, match=r"a.onnx: its tensors are in 'w.bin', which is missing"):
        disbench.load(str(path), device="cpu")


@pytest.mark.parametrize("data", [b"", b"\x3a\xff\xff\xff\xff\x0f", b"\xff" * 20, b"<html>", b"\x3a\x02\x2a"])
def test_a_damaged_file_is_refused(tmp_path, data):
    (tmp_path / "a.onnx").write_bytes(data)
    with pytest.raises(InputError, match=r"a.onnx: cannot be loaded"):
        disbench.load(str(tmp_path / "a.onnx"), device="cpu")
