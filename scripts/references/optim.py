"""Writes src/optim/optim.reference.json: 100 steps of optimizers on a fixed stream of gradients.

Run: python scripts/references/optim.py  (torch 2.12.1, optax, jax 0.10.2, numpy)
torch.optim in float64 for AdamW and SGD; torch.optim.Muon (which iterates in bfloat16) and the same formula in float64 NumPy for
Muon; optax.contrib.muon without Nesterov. PyTorch's weights are [fanOut, fanIn]: they are transposed on the way in and out.
"""

import json
import math
import os

import jax
import numpy as np
import optax
import torch

jax.config.update("jax_enable_x64", True)
torch.set_default_dtype(torch.float64)

SHAPES = {"tall": (6, 3), "wide": (3, 5), "bias": (4,)}
STEPS = 100
KEEP = [1, 2, 3, 10, 30, 100]


def values(shape, phase):
    count = math.prod(shape)
    return np.array([math.sin(1.7 * i + phase) + 0.3 * math.cos(0.37 * i * phase) for i in range(count)]).reshape(shape)


def start(name):
    return 0.5 * values(SHAPES[name], len(name))


def gradient(name, w, step):
    """Pulls towards a target, with a part that changes from step to step."""
    return 0.7 * (w - values(SHAPES[name], 2.5)) + 0.2 * values(SHAPES[name], 0.11 * step + 1)


def run(names, update):
    weights = {name: start(name) for name in names}
    kept = []
    for step in range(STEPS):
        gradients = {name: gradient(name, weights[name], step) for name in names}
        weights = update(weights, gradients, step)
        if step + 1 in KEEP:
            kept.append({name: [float(f"{v:.10g}") for v in weights[name].flatten()] for name in names})
    return kept


def torch_update(names, make, transposed=False):
    turn = (lambda a: a.T) if transposed else (lambda a: a)
    parameters = {name: torch.tensor(turn(start(name)).copy(), requires_grad=True) for name in names}
    optimizer = make(list(parameters.values()))

    def update(_weights, gradients, _step):
        for name, parameter in parameters.items():
            parameter.grad = torch.tensor(turn(gradients[name]).copy())
        optimizer.step()
        return {name: turn(parameter.detach().numpy()).copy() for name, parameter in parameters.items()}

    return update


def optax_update(names, transformation):
    params = {name: jax.numpy.array(start(name)) for name in names}
    state = transformation.init(params)

    def update(weights, gradients, _step):
        nonlocal state
        current = {name: jax.numpy.array(weights[name]) for name in names}
        updates, state = transformation.update({n: jax.numpy.array(g) for n, g in gradients.items()}, state, current)
        return {name: np.array(value) for name, value in optax.apply_updates(current, updates).items()}

    return update


def numpy_muon(names, learning_rate, momentum, nesterov, weight_decay, scale, steps=5):
    buffers = {name: np.zeros(SHAPES[name]) for name in names}

    def msign(m):
        x = m.T if m.shape[0] > m.shape[1] else m
        x = x / (np.linalg.norm(x) + 1e-7)
        for _ in range(steps):
            a = x @ x.T
            x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
        return x.T if m.shape[0] > m.shape[1] else x

    def update(weights, gradients, _step):
        result = {}
        for name in names:
            buffers[name] = momentum * buffers[name] + gradients[name]
            m = gradients[name] + momentum * buffers[name] if nesterov else buffers[name]
            fan_in, fan_out = SHAPES[name]
            factor = {"keller-jordan": math.sqrt(max(1, fan_out / fan_in)), "match-adamw-rms": 0.2 * math.sqrt(max(fan_in, fan_out))}[scale]
            result[name] = weights[name] - learning_rate * (factor * msign(m) + weight_decay * weights[name])
        return result

    return update


def main():
    every = list(SHAPES)
    matrices = ["tall", "wide"]
    runs = {
        "adamw": run(every, torch_update(every, lambda p: torch.optim.AdamW(p, lr=0.03, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1))),
        "adamw defaults": run(every, torch_update(every, lambda p: torch.optim.AdamW(p))),
        "sgd momentum": run(every, torch_update(every, lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9))),
        "sgd nesterov": run(every, torch_update(every, lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True))),
        "optax adamw": run(every, optax_update(every, optax.adamw(0.03, b1=0.8, b2=0.95, eps=1e-3, weight_decay=0.1))),
        "muon": run(matrices, numpy_muon(matrices, 0.005, 0.9, True, 0.1, "keller-jordan")),
        "muon without nesterov": run(matrices, numpy_muon(matrices, 0.005, 0.9, False, 0.0, "match-adamw-rms")),
        "torch muon": run(matrices, torch_update(matrices, lambda p: torch.optim.Muon(p, lr=0.005, momentum=0.9, weight_decay=0.1), transposed=True)),
        "optax muon": run(
            matrices,
            optax_update(matrices, optax.contrib.muon(0.005, beta=0.9, eps=1e-7, nesterov=False, weight_decay=0.1)),
        ),
    }
    output = {
        "generator": "scripts/references/optim.py",
        "versions": {"torch": torch.__version__, "optax": optax.__version__, "jax": jax.__version__, "numpy": np.__version__},
        "shapes": {name: list(shape) for name, shape in SHAPES.items()},
        "steps": KEEP,
        "runs": runs,
    }
    path = os.path.join(os.path.dirname(__file__), "../../src/optim/optim.reference.json")
    with open(path, "w") as f:
        json.dump(output, f, separators=(",", ":"))
        f.write("\n")


main()
