#!/usr/bin/env bash
# Common guess: sin of a float32 is the sine of it, to float32, for any angle that float32 holds, as in NumPy, JAX and PyTorch
# What happens: it drifts with the angle: 0.04002 for 0.03575 at 100,000 (positions of a long text reach it), 0 for −0.4875 at 1e10
# Seen with: @jax-js/jax 0.1.25 (WebAssembly, Node 20 and 24); JAX 0.10.2, NumPy 2.4.6 and PyTorch 2.15.0 give 0.03575 and -0.48751
# Output seen: 0.04002 0.00000 where Math.sin gives 0.03575 -0.48751
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >npm.log
npm install --ignore-scripts --no-audit --no-fund @jax-js/jax@0.1.25 >>npm.log 2>&1
cat >run.mjs <<'PROGRAM'
import { init, defaultDevice, numpy as np } from "@jax-js/jax";
await init("wasm");
defaultDevice("wasm");
const angles = [1e5, 1e10];
const show = (values) => Array.from(values, (value) => value.toFixed(5)).join(" ");
console.log(show(np.sin(np.array(angles)).dataSync()), "where Math.sin gives", show(angles.map(Math.sin)));
PROGRAM
found=$(node run.mjs)
echo "guess: sin of a float32 is the sine of it, to float32, for any angle that float32 holds, as in NumPy, JAX and PyTorch"
echo "found: $found"
[ "$found" = "0.04002 0.00000 where Math.sin gives 0.03575 -0.48751" ] || { echo "this has changed; it was: 0.04002 0.00000 where Math.sin gives 0.03575 -0.48751" >&2; exit 1; }
