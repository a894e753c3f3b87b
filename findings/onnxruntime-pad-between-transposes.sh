#!/usr/bin/env bash
# ONNX Runtime: a Pad that names its axes, between two Transposes, is optimized into another Pad: wrong values in silence, or an error at each run.
#
# Guess: graph optimizations keep a model's results; Pad's input `axes` (opset 18 on) says which axes the pads belong to.
# Really: where a Transpose is moved past a Pad, the pads are put into a new order as if all axes were there in theirs. With all axes named in
#   another order the result has another shape and other values; with some of them named, the session is made and each run fails in a Gather that
#   the model doesn't have. Without optimizations, or with `axes` left out, it's right.
# Seen: onnxruntime 1.30.0, onnx 1.23.2, opset 21: axes (2, 1, 0) give (3, 3, 6) for (4, 4, 4); axes (0) "indices element out of data bounds, idx=2".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxruntime==1.30.0 onnx==1.23.2 numpy
"$folder/venv/bin/python" - <<'PY'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
there, back = [2, 0, 1], [1, 2, 0]


def padded(axes, pads, level):
    """Whether transpose, pad, transpose back is what NumPy gives."""
    inputs = {"pads": (TensorProto.INT64, [len(pads)], pads), "value": (TensorProto.FLOAT, [], [7.0])}
    if axes is not None:
        inputs["axes"] = (TensorProto.INT64, [len(axes)], axes)
    nodes = [
        helper.make_node("Transpose", ["x"], ["there"], perm=there),
        helper.make_node("Pad", ["there", *inputs], ["padded"]),
        helper.make_node("Transpose", ["padded"], ["y"], perm=back),
    ]
    tensors = [helper.make_tensor(name, *of) for name, of in inputs.items()]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "graph", [value("x", TensorProto.FLOAT, [2, 3, 4])], [value("y", TensorProto.FLOAT, [None] * 3)], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = 4
    widths = [(0, 0)] * 3
    for i, axis in enumerate(range(3) if axes is None else axes):
        widths[axis] = (pads[i], pads[i + len(pads) // 2])
    expected = np.pad(values.transpose(there), widths, constant_values=7).transpose(back)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    try:
        result = session.run(None, {"x": values})[0]
    except Exception as error:  # its class isn't public
        return f"error: {str(error).strip()[-75:]}"
    return "right" if np.array_equal(result, expected) else f"wrong: {result.shape} for {expected.shape}"


levels = onnxruntime.GraphOptimizationLevel
print(f"onnxruntime {onnxruntime.__version__}, onnx {onnx.__version__}")
print("guess: all are right")
seen = {}
for axes, pads in (None, [1, 2, 0, 0, 0, 0]), ([2, 1, 0], [1, 2, 0, 0, 0, 0]), ([0], [1, 0]):
    plain, optimized = padded(axes, pads, levels.ORT_DISABLE_ALL), padded(axes, pads, levels.ORT_ENABLE_ALL)
    seen[str(axes)] = [plain.split(":")[0], optimized.split(":")[0]]
    print(f"really: axes {axes}: {plain} without optimizations, {optimized} with them")
if seen != {"None": ["right", "right"], "[2, 1, 0]": ["right", "wrong"], "[0]": ["right", "error"]}:
    raise SystemExit("this has changed")
PY
