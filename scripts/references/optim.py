"""Writes src/optim/optim.reference.json: 100 steps of optimizers on a fixed stream of gradients.

Run: python scripts/references/optim.py  (torch 2.12.1, optax 0.2.8, jax 0.10.2, numpy 2.4.6)
torch.optim and Optax in float64, except torch.optim.Muon, which iterates in bfloat16. PyTorch's weights are [fanOut, fanIn]: for Muon
they are transposed on the way in and out. What neither library has, or has in another form (softsign, Tiger, pbSGD, Shampoo, Muon
with a plain Nesterov step), is the paper's formula in float64 NumPy, written here. Names say who computed a run.
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
QUINTIC_5 = ((4.0848, -6.8946, 2.9270), (3.9505, -6.3029, 2.6377), (3.7418, -5.5913, 2.3037), (2.8769, -3.1427, 1.2046), (2.8366, -3.0525, 1.2012))


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
    step = jax.jit(transformation.update)

    def update(weights, gradients, _step):
        nonlocal state
        current = {name: jax.numpy.array(weights[name]) for name in names}
        updates, state = step({n: jax.numpy.array(g) for n, g in gradients.items()}, state, current)
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


def numpy_update(names, rule):
    """`rule(g, w, state)` gives a step to subtract; `state` is a dictionary of its own for each array."""
    states = {name: {} for name in names}

    def update(weights, gradients, _step):
        return {name: weights[name] - rule(gradients[name], weights[name], states[name]) for name in names}

    return update


def averaged(g, state, momentum):
    state["m"] = momentum * state.get("m", np.zeros_like(g)) + (1 - momentum) * g
    return state["m"]


def softsign(eps, momentum, learning_rate):
    def rule(g, _w, state):
        m = averaged(g, state, momentum)
        return learning_rate * m / np.sqrt(m**2 + eps**2)

    return rule


def tiger(learning_rate, momentum, weight_decay):
    def rule(g, w, state):
        u = np.sign(averaged(g, state, momentum))
        if w.ndim < 2:
            return learning_rate * 0.5 * u
        return learning_rate * math.sqrt(np.mean(w**2)) * (u + weight_decay * w)

    return rule


def pbsgd(learning_rate, power, momentum):
    def rule(g, _w, state):
        state["m"] = momentum * state.get("m", np.zeros_like(g)) + np.sign(g) * np.abs(g) ** power
        return learning_rate * state["m"]

    return rule


def shampoo(learning_rate, b2, momentum, weight_decay, floor):
    """Eigenvalues below `floor` of the largest are raised to it; averages are divided by 1 - b2^t."""

    def quarter_root(a):
        values, vectors = np.linalg.eigh(a)
        return vectors @ np.diag(np.maximum(values, floor * values.max()) ** -0.25) @ vectors.T

    def rule(g, w, state):
        t = state["t"] = state.get("t", 0) + 1
        for side, gram in (("left", g @ g.T), ("right", g.T @ g)):
            old = state.get(side, np.zeros_like(gram))
            state[side] = old + gram if b2 is None else b2 * old + (1 - b2) * gram
        correction = 1 if b2 is None else 1 - b2**t
        direction = quarter_root(state["left"] / correction) @ g @ quarter_root(state["right"] / correction)
        state["m"] = momentum * state.get("m", np.zeros_like(g)) + direction
        return learning_rate * (state["m"] + weight_decay * w)

    return rule


def main():
    every = list(SHAPES)
    matrices = ["tall", "wide"]
    runs = {
        "torch adamw": run(every, torch_update(every, lambda p: torch.optim.AdamW(p, lr=0.03, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1))),
        "torch adamw defaults": run(every, torch_update(every, lambda p: torch.optim.AdamW(p))),
        "torch sgd momentum": run(every, torch_update(every, lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9))),
        "torch sgd nesterov": run(every, torch_update(every, lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True))),
        "optax adamw": run(every, optax_update(every, optax.adamw(0.03, b1=0.8, b2=0.95, eps=1e-3, weight_decay=0.1))),
        "torch sgd": run(every, torch_update(every, lambda p: torch.optim.SGD(p, lr=0.05))),
        "torch sgd weight decay": run(every, torch_update(every, lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8, nesterov=True, weight_decay=0.1))),
        "torch rmsprop": run(every, torch_update(every, lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.9, eps=1e-3, weight_decay=0.1))),
        "torch rmsprop defaults": run(every, torch_update(every, lambda p: torch.optim.RMSprop(p))),
        "torch rmsprop centered": run(every, torch_update(every, lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.9, eps=0.1, centered=True))),
        "torch rmsprop momentum": run(every, torch_update(every, lambda p: torch.optim.RMSprop(p, lr=0.002, alpha=0.9, eps=1e-3, momentum=0.8))),
        "torch adam": run(every, torch_update(every, lambda p: torch.optim.Adam(p, lr=0.03, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1))),
        "torch adam defaults": run(every, torch_update(every, lambda p: torch.optim.Adam(p))),
        "torch adamw large eps": run(every, torch_update(every, lambda p: torch.optim.AdamW(p, lr=0.03, eps=0.5))),
        "torch adamw tiny eps": run(every, torch_update(every, lambda p: torch.optim.AdamW(p, lr=0.03, eps=1e-15))),
        "optax adamw eps_root": run(every, optax_update(every, optax.adamw(0.03, b1=0.8, b2=0.95, eps=1e-3, eps_root=0.05, weight_decay=0.1))),
        "optax adabelief": run(every, optax_update(every, optax.adabelief(0.01, b1=0.8, b2=0.95, eps=1e-2, eps_root=1e-3))),
        "optax adabelief defaults": run(every, optax_update(every, optax.adabelief(1e-3))),
        "optax lion": run(every, optax_update(every, optax.lion(0.003, b1=0.8, b2=0.95, weight_decay=0.1))),
        "optax lion defaults": run(every, optax_update(every, optax.lion(1e-4))),
        "optax sign_sgd": run(every, optax_update(every, optax.sign_sgd(0.003))),
        "optax signum": run(every, optax_update(every, optax.signum(0.003, beta=0.8))),
        "optax rmsprop": run(every, optax_update(every, optax.rmsprop(0.01, decay=0.9, eps=1e-2, eps_in_sqrt=True))),
        "optax rmsprop centered": run(every, optax_update(every, optax.rmsprop(0.005, decay=0.9, eps=1e-2, eps_in_sqrt=True, centered=True, momentum=0.5))),
        "numpy softsign": run(every, numpy_update(every, softsign(0.2, 0.8, 0.01))),
        "numpy tiger": run(every, numpy_update(every, tiger(0.02, 0.9, 0.1))),
        "numpy pbsgd": run(every, numpy_update(every, pbsgd(0.02, 0.6, 0.5))),
        "numpy shampoo": run(matrices, numpy_update(matrices, shampoo(0.05, None, 0.5, 0.1, 1e-6))),
        "numpy shampoo average": run(matrices, numpy_update(matrices, shampoo(0.003, 0.9, 0, 0, 1e-6))),
        "numpy muon": run(matrices, numpy_muon(matrices, 0.005, 0.9, True, 0.1, "keller-jordan")),
        "numpy muon without nesterov": run(matrices, numpy_muon(matrices, 0.005, 0.9, False, 0.0, "match-adamw-rms")),
        "torch muon": run(matrices, torch_update(matrices, lambda p: torch.optim.Muon(p, lr=0.005, momentum=0.9, weight_decay=0.1), transposed=True)),
        "optax muon": run(
            matrices,
            optax_update(matrices, optax.contrib.muon(0.005, beta=0.9, eps=1e-7, nesterov=False, weight_decay=0.1)),
        ),
        "optax muon table": run(
            matrices,
            optax_update(matrices, optax.contrib.muon(0.005, ns_coeffs=QUINTIC_5, beta=0.9, eps=1e-7, nesterov=False, consistent_rms=0.2)),
        ),
    }
    output = {
        "generator": "scripts/references/optim.py",
        "versions": {"torch": torch.__version__, "optax": optax.__version__, "jax": jax.__version__, "numpy": np.__version__},
        "shapes": {name: list(shape) for name, shape in SHAPES.items()},
        "steps": KEEP,
    }
    path = os.path.join(os.path.dirname(__file__), "../../src/optim/optim.reference.json")
    with open(path, "w") as f:
        header = json.dumps(output)
        # One run per line, so that a new one changes one line.
        lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(kept, separators=(',', ':'))}" for name, kept in runs.items())
        f.write(f'{header[:-1]}, "runs": {{\n{lines}\n}}}}\n')


main()
