#!/usr/bin/env bash
# PyTorch: the momentum that torch.optim.Muon keeps is an average, its documentation says a sum.
#
# Guess: `momentum_buffer` is B ← μB + g, as the algorithm in the documentation says: after one step it is the gradient.
# Really: it is B ← μB + (1 − μ)g, 0.05 of the gradient with the usual μ. Updates are the same, as orthogonalising ignores a factor; but a state that is
# carried into a Muon with a sum, as the documentation describes one, is twenty times too small there, and the next gradients drown it.
# Seen: torch 2.15.0: the buffer is 0.05 of the gradient after a step, and 0.0975 after two of the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.15.0 numpy
"$folder/venv/bin/python" - <<'PY'
import torch

weight = torch.nn.Parameter(torch.zeros(2, 2))
optimizer = torch.optim.Muon([weight], lr=0.1, momentum=0.95)
gradient = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
seen = []
for _ in range(2):
    weight.grad = gradient.clone()
    optimizer.step()
    seen.append((optimizer.state[weight]["momentum_buffer"] / gradient).mean().item())
documented = "\\mu B_{t-1} + g_t" in torch.optim.Muon.__doc__
print(f"torch {torch.__version__}; the documentation says B_t = mu B_(t-1) + g_t: {documented}")
print("guess: the buffer is 1 and 1.95 times the gradient")
print(f"really: {seen[0]:.4f} and {seen[1]:.4f} times")
same = documented and abs(seen[0] - 0.05) < 1e-6 and abs(seen[1] - 0.0975) < 1e-6
raise SystemExit(0 if same else "changed: documentation and buffer may agree now")
PY
