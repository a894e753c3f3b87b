#!/usr/bin/env bash
# Common guess: argmax of a row with NaN is the place of the NaN, as in NumPy and JAX, or at least a place of the row
# What happens: it is the length of the row, a place behind its end
# Seen with: @jax-js/jax 0.1.25 (WebAssembly, Node 20 and 24); JAX 0.10.2 for the comparison in words.
# Output seen: 3
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >npm.log
npm install --ignore-scripts --no-audit --no-fund @jax-js/jax@0.1.25 >>npm.log 2>&1
cat >run.mjs <<'PROGRAM'
import { init, defaultDevice, numpy as np, nn } from "@jax-js/jax";
await init("wasm");
defaultDevice("wasm");
console.log(np.argmax(np.array([1, NaN, 2])).js());
PROGRAM
found=$(node run.mjs)
echo "guess: argmax of a row with NaN is the place of the NaN, as in NumPy and JAX, or at least a place of the row"
echo "found: $found"
[ "$found" = "3" ] || { echo "this has changed; it was: 3" >&2; exit 1; }
