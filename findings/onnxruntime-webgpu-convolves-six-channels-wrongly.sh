#!/usr/bin/env bash
# ONNX Runtime's WebGPU provider in Node: a plain convolution of 6 or 9 channels is wrong.
#
# Common guess: a Conv node gives on the GPU what it gives on the CPU, up to rounding, whatever the number of channels.
# What happens: with 6 or 9 channels in, a 2 x 2 kernel and 8 channels out elements are off in the first digits; with 4, 5, 7, 8 or 10
#   channels in, or 6 in and 5 or 6 out, all are right. No error is raised.
# Seen with: onnxruntime-node 1.30.0, onnx 1.23.2, SwiftShader (a Vulkan device in software): the largest difference is 0.024 for 6 channels, 0.57 for 9, below
#   1e-6 for the others.
#
# Needs a Vulkan device, in hardware or in software: Debian's packages chromium and libvulkan1 bring one.
set -euo pipefail
software=/usr/lib/chromium/vk_swiftshader_icd.json
if [ -z "${VK_DRIVER_FILES:-}" ] && [ -e "$software" ]; then export VK_DRIVER_FILES=$software; fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnx==1.23.2
(cd "$folder" && npm install --silent --no-save --ignore-scripts onnxruntime-node@1.30.0)
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys

import onnx
from onnx import TensorProto, helper

value = helper.make_tensor_value_info
for channels_in, channels_out in [(4, 8), (5, 8), (6, 8), (7, 8), (8, 8), (9, 8), (10, 8), (6, 5), (6, 6)]:
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[2, 2])],
        "graph",
        [value("x", TensorProto.FLOAT, [1, channels_in, 4, 4]), value("w", TensorProto.FLOAT, [channels_out, channels_in, 2, 2])],
        [value("y", TensorProto.FLOAT, [1, channels_out, 3, 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model)
    onnx.save(model, f"{sys.argv[1]}/{channels_in}-{channels_out}.onnx")
PY
cat > "$folder/run.mjs" <<'JS'
import { readdirSync } from "node:fs";
import ort from "onnxruntime-node";

const fill = (shape, phase) => {
  const data = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(phase + 1.7 * i));
  return new ort.Tensor("float32", data, shape);
};
const off = {};
for (const file of readdirSync(".").filter((name) => name.endsWith(".onnx"))) {
  const [channelsIn, channelsOut] = file.split(".")[0].split("-").map(Number);
  const feeds = { x: fill([1, channelsIn, 4, 4], 0), w: fill([channelsOut, channelsIn, 2, 2], 1) };
  const results = [];
  for (const provider of ["cpu", "webgpu"]) {
    const session = await ort.InferenceSession.create(file, { executionProviders: [provider] });
    results.push((await session.run(feeds)).y.data);
  }
  off[`${channelsIn} in, ${channelsOut} out`] = Math.max(...results[0].map((v, i) => Math.abs(v - results[1][i])));
}
for (const [name, value] of Object.entries(off)) console.log(`${name}: largest difference ${value.toPrecision(2)}`);
const wrong = Object.keys(off).filter((name) => off[name] > 1e-3).sort();
if (wrong.join("; ") !== "6 in, 8 out; 9 in, 8 out") {
  console.log("this has changed");
  process.exit(1);
}
JS
(cd "$folder" && node run.mjs)
