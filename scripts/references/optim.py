"""Writes src/optim/optim.reference.json: 100 steps of optimizers on a fixed stream of gradients.

Run: python scripts/references/optim.py  (torch 2.15.0, optax 0.2.8, schedulefree 1.4.1,
pytorch_optimizer 4.1.0, jax 0.10.2, numpy 2.4.6)
torch.optim, Optax, schedulefree and pytorch_optimizer in float64, except torch.optim.Muon and the relatives of Muon in pytorch_optimizer,
which iterate in bfloat16. PyTorch's weights are [fanOut, fanIn]: for Muon
they are transposed on the way in and out. What neither library has, or has in another form (softsign, Tiger, pbSGD, Shampoo, Muon
with a plain Nesterov step, NorMuon, AdaMuon, Dion), is the paper's formula in float64 NumPy, written here. Names say who computed a run.
"""

import json
import math
import os
from importlib.metadata import version

import jax
import numpy as np
import optax
import pytorch_optimizer
import schedulefree
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


def msign(m, steps=5):
    """Muon's Newton-Schulz iteration, on the smaller Gram matrix."""
    x = m.T if m.shape[0] > m.shape[1] else m
    x = x / (np.linalg.norm(x) + 1e-7)
    for _ in range(steps):
        a = x @ x.T
        x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
    return x.T if m.shape[0] > m.shape[1] else x


def normuon(learning_rate, momentum, b2, weight_decay, eps=1e-10):
    """Of weights [fanIn, fanOut]: neurons are columns."""

    def rule(g, w, state):
        state["m"] = momentum * state.get("m", np.zeros_like(g)) + g
        o = msign(g + momentum * state["m"])
        state["v"] = b2 * state.get("v", np.zeros((1, g.shape[1]))) + (1 - b2) * np.mean(o**2, axis=0, keepdims=True)
        u = o / (np.sqrt(state["v"]) + eps)
        u = u * np.linalg.norm(o) / np.linalg.norm(u)
        return learning_rate * (math.sqrt(max(1, g.shape[1] / g.shape[0])) * u + weight_decay * w)

    return rule


def adamuon(learning_rate, momentum, b2, weight_decay, sign, nesterov, eps=1e-8):
    """Algorithm 1 of the paper, from its second version on; without `sign` its first."""

    def rule(g, w, state):
        t = state["t"] = state.get("t", 0) + 1
        state["m"] = momentum * state.get("m", np.zeros_like(g)) + g
        m = g + momentum * state["m"] if nesterov else state["m"]
        o = msign(np.sign(m) if sign else m)
        state["v"] = b2 * state.get("v", np.zeros_like(g)) + (1 - b2) * o**2
        u = o / (np.sqrt(state["v"] / (1 - b2**t)) + eps)
        return learning_rate * (0.2 * math.sqrt(g.size) * u / np.linalg.norm(u) + weight_decay * w)

    return rule


def dion(learning_rate, momentum, rank, weight_decay, eps=1e-8):
    """Algorithm 1 of the paper, of weights [fanIn, fanOut]; the first basis is `values(shape, 0.7)`."""

    def rule(g, w, state):
        b = state.get("m", np.zeros_like(g)) + g
        q = state.get("q", values((g.shape[0], rank), 0.7))
        p = np.linalg.qr(b.T @ q)[0]
        r = b @ p
        state["m"] = b - (1 - momentum) * r @ p.T
        state["q"] = r / (np.linalg.norm(r, axis=0, keepdims=True) + eps)
        return learning_rate * (math.sqrt(g.shape[1] / g.shape[0]) * state["q"] @ p.T + weight_decay * w)

    return rule


def pytorch_muon(names, kind, **options):
    """pytorch_optimizer's relatives of Muon, whose groups say `use_muon`; weights are transposed."""
    return torch_update(names, lambda p: kind([{"params": p, "use_muon": True}], **options), transposed=True)


def with_ridge(gram):
    """Eigenvalues below 1e-4 of the mean are kept apart from rounding; sides that are too long have no matrix."""
    return gram if len(gram) == 0 else gram / (torch.trace(gram) / len(gram)) + 1e-4 * torch.eye(len(gram))


class RidgedSoap(pytorch_optimizer.SOAP):
    """Its own power iterations and QR decompositions, of matrices with a ridge."""

    def get_orthogonal_matrix_qr(self, state, *args, **kwargs):
        grams = state["GG"]
        state["GG"] = [with_ridge(gram) for gram in grams]
        bases = super().get_orthogonal_matrix_qr(state, *args, **kwargs)
        state["GG"] = grams
        return bases


def soap_from_powers(names, **options):
    """pytorch_optimizer's SOAP, whose bases begin with a power iteration of the identity instead of an eigenvalue decomposition."""
    parameters = {name: torch.tensor(start(name), requires_grad=True) for name in names}
    optimizer = RidgedSoap(list(parameters.values()), **options)

    def update(_weights, gradients, step):
        for name, parameter in parameters.items():
            parameter.grad = torch.tensor(gradients[name].copy())
        optimizer.step()
        if step == 0:
            for parameter in parameters.values():
                state = optimizer.state[parameter]
                state["Q"] = [torch.eye(len(gram)) if len(gram) > 0 else [] for gram in state["GG"]]
                state["Q"] = optimizer.get_orthogonal_matrix_qr(state)
        return {name: parameter.detach().numpy().copy() for name, parameter in parameters.items()}

    return update


def schedule_free(names, evaluated, **options):
    """The authors' package; weights are those that are trained (y), or those that are evaluated (x)."""
    parameters = {name: torch.tensor(start(name), requires_grad=True) for name in names}
    optimizer = schedulefree.AdamWScheduleFree(list(parameters.values()), **options)
    optimizer.train()

    def trained():
        return {name: parameter.detach().numpy().copy() for name, parameter in parameters.items()}

    def update(weights, _gradients, step):
        # Gradients are taken at y, whatever is kept.
        gradients = {name: gradient(name, weight, step) for name, weight in trained().items()}
        for name, parameter in parameters.items():
            parameter.grad = torch.tensor(gradients[name])
        optimizer.step()
        if not evaluated:
            return trained()
        optimizer.eval()
        kept = trained()
        optimizer.train()
        return kept

    return update


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
        "optax adopt": run(every, optax_update(every, optax.contrib.adopt(0.02, b1=0.8, b2=0.95, eps=1e-3))),
        "optax adopt defaults": run(every, optax_update(every, optax.contrib.adopt(1e-3))),
        "pytorch_optimizer adopt": run(
            every, torch_update(every, lambda p: pytorch_optimizer.ADOPT(p, lr=0.002, betas=(0.8, 0.95), eps=0.1, clip_lambda=lambda step: (step - 1) ** 0.25, weight_decay=0.1, weight_decouple=True))
        ),
        "schedulefree adamw": run(every, schedule_free(every, False, lr=0.02, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1, r=0.5)),
        "schedulefree adamw x": run(every, schedule_free(every, True, lr=0.02, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1, r=0.5)),
        "schedulefree adamw warmup": run(every, schedule_free(every, True, lr=0.02, warmup_steps=10)),
        "pytorch_optimizer schedulefree": run(every, torch_update(every, lambda p: pytorch_optimizer.ScheduleFreeAdamW(p, lr=0.02, betas=(0.8, 0.95), eps=1e-3))),
        "pytorch_optimizer soap": run(matrices, soap_from_powers(matrices, lr=0.01, betas=(0.8, 0.9), eps=1e-2, weight_decay=0, precondition_frequency=10)),
        "pytorch_optimizer soap one side": run(
            matrices, soap_from_powers(matrices, lr=0.01, betas=(0.8, 0.9), eps=1e-2, weight_decay=0, precondition_frequency=1, max_precondition_dim=5)
        ),
        "numpy normuon": run(matrices, numpy_update(matrices, normuon(0.005, 0.9, 0.8, 0.1))),
        "pytorch_optimizer normuon": run(matrices, pytorch_muon(matrices, pytorch_optimizer.NorMuon, lr=0.005, momentum=0.9, beta2=0.8, weight_decay=0.1)),
        "numpy adamuon": run(matrices, numpy_update(matrices, adamuon(0.01, 0.9, 0.8, 0.1, True, True))),
        "numpy adamuon without sign": run(matrices, numpy_update(matrices, adamuon(0.01, 0.9, 0.8, 0.1, False, False))),
        "pytorch_optimizer adamuon": run(
            matrices, pytorch_muon(matrices, pytorch_optimizer.AdaMuon, lr=0.01, betas=(0.9, 0.8), eps=1e-8, weight_decay=0.1)
        ),
        "pytorch_optimizer muonclip": run(matrices, pytorch_muon(matrices, pytorch_optimizer.MuonClip, lr=0.005, momentum=0.9, weight_decay=0.1)),
        "numpy dion": run(matrices, numpy_update(matrices, dion(0.01, 0.9, 2, 0.1))),
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
        "versions": {"torch": torch.__version__, "optax": optax.__version__, "schedulefree": version("schedulefree"), "pytorch_optimizer": version("pytorch_optimizer"), "jax": jax.__version__, "numpy": np.__version__},
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
