"""Writes src/nn/nn.reference.json: logits, loss, gradients and decoding inputs of tiny transformers, by PyTorch in float64.

Run: python scripts/references/nn.py  (torch 2.12.1)
Weights are [fanIn, fanOut], as in src/nn. Numbers come from a small generator that the test repeats.
"""

import json
import math
import os

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)

CASES = [
    {"name": "relu2, RMSNorm, QK-norm, half pairing", "mlp": "relu2", "norm": "rmsnorm", "qkNorm": True, "ropePairing": "half", "numKvHeads": 4, "tiedHead": False},
    {"name": "SwiGLU, grouped queries, interleaved pairing, tied head", "mlp": "swiglu", "norm": "rmsnorm", "qkNorm": False, "ropePairing": "interleaved", "numKvHeads": 2, "tiedHead": True},
    {"name": "GELU, LayerNorm", "mlp": "gelu", "norm": "layernorm", "qkNorm": False, "ropePairing": "half", "numKvHeads": 1, "tiedHead": False},
    {"name": "tanh GELU, LayerNorm, QK-norm", "mlp": "gelu-tanh", "norm": "layernorm", "qkNorm": True, "ropePairing": "half", "numKvHeads": 4, "tiedHead": False},
    *(
        {"name": f"position {kind}, {kv} key heads", "position": kind, "mlp": "relu2", "norm": "rmsnorm", "qkNorm": False, "ropePairing": "half", "numKvHeads": kv, "tiedHead": False}
        for kind, kv in (("none", 4), ("alibi", 4), ("alibi", 2), ("sinusoidal", 4), ("learned", 4), ("t5", 4), ("t5", 2))
    ),
]
VOCAB, LAYERS, DIM, HEADS, LENGTH, BATCH = 11, 2, 16, 4, 6, 2
MAX_LENGTH = 32


class Numbers:
    """x ← (1103515245·x + 12345) mod 2³¹, scaled to [−1, 1)."""

    def __init__(self):
        self.state = 1

    def tensor(self, *shape, scale=0.3, offset=0.0):
        values = []
        for _ in range(math.prod(shape)):
            self.state = (1103515245 * self.state + 12345) % 2**31
            values.append(offset + scale * (self.state / 2**30 - 1))
        return torch.tensor(values).reshape(shape).requires_grad_()


def make(case):
    numbers = Numbers()
    head_dim = DIM // HEADS
    kv = case["numKvHeads"] * head_dim
    inner = math.ceil(DIM / 3) * 8 if case["mlp"] == "swiglu" else 4 * DIM

    def norm(size=DIM, kind=case["norm"]):
        weight = numbers.tensor(size, offset=1.0)
        return {"weight": weight, **({"bias": numbers.tensor(size)} if kind == "layernorm" else {})}

    def block():
        parts = {"attentionNorm": norm()}
        attention = {"wq": numbers.tensor(DIM, DIM), "wk": numbers.tensor(DIM, kv), "wv": numbers.tensor(DIM, kv), "wo": numbers.tensor(DIM, DIM)}
        if case["qkNorm"]:
            attention |= {"qNorm": norm(head_dim, "rmsnorm"), "kNorm": norm(head_dim, "rmsnorm")}
        parts["attention"] = attention
        parts["mlpNorm"] = norm()
        mlp = {"up": numbers.tensor(DIM, inner)}
        if case["mlp"] == "swiglu":
            mlp["gate"] = numbers.tensor(DIM, inner)
        parts["mlp"] = mlp | {"down": numbers.tensor(inner, DIM)}
        return parts

    params = {"embedding": numbers.tensor(VOCAB, DIM), "blocks": [block() for _ in range(LAYERS)], "norm": norm()}
    if not case["tiedHead"]:
        params["head"] = numbers.tensor(DIM, VOCAB)
    if case.get("position") == "learned":
        params["position"] = {"embedding": numbers.tensor(MAX_LENGTH, DIM)}
    if case.get("position") == "t5":
        params["position"] = {"embedding": numbers.tensor(32, HEADS)}
    return params


def normalize(x, p):
    if "bias" in p:
        return F.layer_norm(x, (x.shape[-1],), p["weight"], p["bias"], 1e-5)
    return F.rms_norm(x, (x.shape[-1],), p["weight"], 1e-6)


def rotate(x, pairing):
    size = x.shape[-1]
    theta = 10000.0 ** (-torch.arange(0, size, 2) / size)
    angle = torch.arange(x.shape[1])[:, None, None] * theta
    a, b = (x[..., : size // 2], x[..., size // 2 :]) if pairing == "half" else (x[..., 0::2], x[..., 1::2])
    ra, rb = a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()
    return torch.cat([ra, rb], -1) if pairing == "half" else torch.stack([ra, rb], -1).flatten(-2)


def forward(case, params, tokens):
    head_dim = DIM // HEADS
    kind = case.get("position", "rope")
    x = params["embedding"][tokens]
    places = torch.arange(tokens.shape[1])
    distances = places[:, None] - places
    bias = torch.zeros(distances.shape).masked_fill(distances < 0, -math.inf)
    if kind == "sinusoidal":
        angles = places[:, None] * 10000.0 ** (-torch.arange(0, DIM, 2) / DIM)
        x = x * math.sqrt(DIM) + torch.stack([angles.sin(), angles.cos()], -1).flatten(-2)
    elif kind == "learned":
        x = x + params["position"]["embedding"][: len(places)]
    elif kind == "alibi":
        bias = bias - distances * torch.tensor([2.0 ** (-8 * h / HEADS) for h in range(1, HEADS + 1)])[:, None, None]
    elif kind == "t5":
        # Distances below 16 have a bucket each.
        bias = bias + params["position"]["embedding"][distances.clamp(min=0)].permute(2, 0, 1)
    for block in params["blocks"]:
        h = normalize(x, block["attentionNorm"])
        p = block["attention"]
        q, k, v = (
            (h @ p[w]).unflatten(-1, (-1, head_dim)) for w in ("wq", "wk", "wv")
        )
        if "qNorm" in p:
            q, k = normalize(q, p["qNorm"]), normalize(k, p["kNorm"])
        if kind == "rope":
            q, k = rotate(q, case["ropePairing"]), rotate(k, case["ropePairing"])
        a = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), attn_mask=bias, enable_gqa=True)
        x = x + a.transpose(1, 2).flatten(-2) @ p["wo"]
        h = normalize(x, block["mlpNorm"])
        p = block["mlp"]
        if case["mlp"] == "swiglu":
            h = (F.silu(h @ p["gate"]) * (h @ p["up"])) @ p["down"]
        else:
            act = {"relu2": lambda t: F.relu(t).square(), "gelu": F.gelu, "gelu-tanh": lambda t: F.gelu(t, approximate="tanh")}[case["mlp"]]
            h = act(h @ p["up"]) @ p["down"]
        x = x + h
    x = normalize(x, params["norm"])
    return x @ (params["embedding"].T if "head" not in params else params["head"])


def leaves(tree, path=""):
    if isinstance(tree, torch.Tensor):
        yield path, tree
    else:
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from leaves(value, f"{path}.{key}" if path else str(key))


def digits(tensor):
    return [float(f"{v:.9g}") for v in tensor.flatten().tolist()]


def main():
    tokens = torch.tensor([[(7 * i + 3 * b * i + b) % VOCAB for i in range(LENGTH + 1)] for b in range(BATCH)])
    results = []
    for case in CASES:
        params = make(case)
        logits = forward(case, params, tokens[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
        loss.backward()
        named = list(leaves(params))
        results.append(
            {
                "config": {"vocabSize": VOCAB, "numLayers": LAYERS, "modelDim": DIM, "numHeads": HEADS, "maxLength": MAX_LENGTH, **{k: v for k, v in case.items() if k != "name"}},
                "name": case["name"],
                "logits": digits(logits),
                "loss": loss.item(),
                # The norm and a few elements of every gradient.
                "gradients": {path: {"norm": t.grad.norm().item(), "first": digits(t.grad.flatten()[:4])} for path, t in named},
                "paths": [path for path, _ in named],
                "shapes": [list(t.shape) for _, t in named],
            }
        )
    path = os.path.join(os.path.dirname(__file__), "../../src/nn/nn.reference.json")
    with open(path, "w") as f:
        json.dump({"generator": "scripts/references/nn.py", "torch": torch.__version__, "tokens": tokens.tolist(), "cases": results}, f, indent=None, separators=(",", ":"))
        f.write("\n")


main()
