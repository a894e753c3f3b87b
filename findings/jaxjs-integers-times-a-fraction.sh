#!/usr/bin/env bash
# Common guess: an int32 array times 0.5 is promoted to floats, as in NumPy and JAX: 1.5
# What happens: the fraction is made an integer first, and the product of 3 and 0.5 is an int32 0
# Seen with: @jax-js/jax 0.1.25 (WebAssembly, Node 20 and 24); JAX 0.10.2 for the comparison in words.
# Output seen: 0 int32
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
console.log(np.array(new Int32Array([3])).mul(0.5).js()[0], np.array(new Int32Array([3])).mul(0.5).dtype);
PROGRAM
found=$(node run.mjs)
echo "guess: an int32 array times 0.5 is promoted to floats, as in NumPy and JAX: 1.5"
echo "found: $found"
[ "$found" = "0 int32" ] || { echo "this has changed; it was: 0 int32" >&2; exit 1; }
