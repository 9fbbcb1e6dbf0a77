"""Small ONNX files for tests."""

import numpy as np
import pytest


def onnx_file(path, shape=("b", 3, "h", "w"), kind=1):
    """Write an ONNX file of test_external_models.Bright; torch's exporter would need another package."""
    onnx = pytest.importorskip("onnx")
    node, value = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    constants = [onnx.numpy_helper.from_array(np.array(v, np.float32), k) for k, v in (("half", 0.5), ("gain", 20.0))]
    nodes = [
        node("ReduceMean", ["x"], ["grey"], axes=[1], keepdims=1),
        node("AveragePool", ["grey"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Sub", ["pooled", "half"], ["less"]),
        node("Mul", ["less", "gain"], ["logits"]),
        node("Sigmoid", ["logits"], ["map"]),
        node("Neg", ["map"], ["minus"]),
        node("Concat", ["minus", "map"], ["both"], axis=1),
    ]
    outputs = [value(name, kind, None) for name in ("logits", "map", "both")]
    graph = onnx.helper.make_graph(nodes, "bright", [value("x", kind, shape)], outputs, constants)
    imports = [onnx.helper.make_opsetid("", 13)]
    path.write_bytes(onnx.helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString())
    return path
