#!/usr/bin/env bash
# V-JEPA 2 in Transformers: its "rotary" attention does not rotate.
#
# Guess: queries and keys are rotated by their frame, row and column, so lengths stay and scores depend on differences of positions only.
# Really: frequencies are repeated as [f0 f1 … f0 f1 …] while the components of a pair are neighbours, so the two of a pair turn by different
#   angles: a vector's length changes with its position, and moving both tokens changes their score.
# Seen: transformers 5.24.0, torch 2.15.0: length 4.4721 at place 0 is 4.5633 at 3; the score of places 3 and 5 is 13.16, of 13 and 15 16.92.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet transformers==5.24.0 torch==2.15.0
"$folder/venv/bin/python" - <<'PY'
import torch
import transformers
from transformers.models.vjepa2.modeling_vjepa2 import rotate_queries_or_keys

x = torch.ones(1, 1, 1, 20)
at = lambda place: rotate_queries_or_keys(x, torch.tensor([place]))
length = [float(at(p).norm()) for p in (0, 3)]
score = [float((at(p) * at(p + 2)).sum()) for p in (3, 13)]
print(f"transformers {transformers.__version__}, torch {torch.__version__}")
print("guess: a rotation keeps lengths, and scores depend on the difference of places")
print(f"length at place 0: {length[0]:.4f}, at place 3: {length[1]:.4f}")
print(f"score of places 3 and 5: {score[0]:.4f}, of places 13 and 15: {score[1]:.4f}")
changed = abs(length[0] - length[1]) < 1e-3 or abs(score[0] - score[1]) < 1e-3
raise SystemExit("changed: it rotates now" if changed else 0)
PY
