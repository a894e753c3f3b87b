#!/usr/bin/env bash
# ONNX Runtime on a CPU: ScatterND with reduction "add" loses additions where an index repeats.
#
# Common guess: every update is added, as the operator's definition says and as ScatterElements does: 200,000 ones added to one row give 200,000.
# What happens: with several threads the additions to one place run into each other and whole stretches are lost, now and then: sums differ from
#   run to run. ScatterElements with the same updates never loses any.
# Seen with: onnxruntime 1.30.0, onnx 1.23.2, 4 threads on 2 cores: of 20 runs with 6,400,000 additions 5 lost 100,000 to 500,000; ScatterElements 0.
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

count, width, threads, runs = 200_000, 32, 4, 100


def lost(operator):
    """Additions that are missing, run by run, until some are."""
    elements = operator == "ScatterElements"
    shape = [count, width] if elements else [count, 1]
    node = helper.make_node(operator, ["table", "index", "updates"], ["sum"], reduction="add", **({"axis": 0} if elements else {}))
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [node],
        "graph",
        [
            value("table", TensorProto.FLOAT, [1, width]),
            value("index", TensorProto.INT64, shape),
            value("updates", TensorProto.FLOAT, [count, width]),
        ],
        [value("sum", TensorProto.FLOAT, [1, width])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feeds = {
        "table": np.zeros((1, width), np.float32),
        "index": np.zeros(shape, np.int64),
        "updates": np.ones((count, width), np.float32),
    }
    for run in range(runs):
        missing = count * width - int(session.run(None, feeds)[0].astype(np.float64).sum())
        if missing != 0:
            return run + 1, missing
    return runs, 0


print(f"onnxruntime {onnxruntime.__version__}, {threads} threads, {count * width} additions a run")
found = {}
for operator in ("ScatterND", "ScatterElements"):
    run, found[operator] = lost(operator)
    print(f"{operator}: {found[operator]} additions lost" + (f" in run {run}" if found[operator] else f" in {run} runs"))
if found["ScatterND"] == 0 or found["ScatterElements"] != 0:
    raise SystemExit("this has changed")
PY
