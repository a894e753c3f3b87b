#!/usr/bin/env bash
# Common guess: one-hot of an index outside of the classes is a row of zeros, as in JAX, so that -1 marks padding
# What happens: the row of -1 is all ones
# Seen with: @jax-js/jax 0.1.25 (WebAssembly, Node 20 and 24); JAX 0.10.2 for the comparison in words.
# Output seen: 1 1 1
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
console.log(nn.oneHot(np.array(new Int32Array([-1])), 3).js()[0].join(" "));
PROGRAM
found=$(node run.mjs)
echo "guess: one-hot of an index outside of the classes is a row of zeros, as in JAX, so that -1 marks padding"
echo "found: $found"
[ "$found" = "1 1 1" ] || { echo "this has changed; it was: 1 1 1" >&2; exit 1; }
