"""Writes src/nn/nn.reference.json: logits, loss, gradients and decoding inputs of tiny transformers, by PyTorch in float64.

Run: python scripts/references/nn.py  (torch 2.15.0; 2.12.1 gives the same)
Weights are [fanIn, fanOut], as in src/nn. Numbers come from a small generator that the test repeats.
"""

import json
import math
import os

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)

PLAIN = {"mlp": "relu2", "norm": "rmsnorm", "qkNorm": False, "ropePairing": "half", "numKvHeads": 4, "tiedHead": False}
CASES = [
    {"name": "relu2, RMSNorm, QK-norm, half pairing", "mlp": "relu2", "norm": "rmsnorm", "qkNorm": True, "ropePairing": "half", "numKvHeads": 4, "tiedHead": False},
    {"name": "SwiGLU, grouped queries, interleaved pairing, tied head", "mlp": "swiglu", "norm": "rmsnorm", "qkNorm": False, "ropePairing": "interleaved", "numKvHeads": 2, "tiedHead": True},
    {"name": "GELU, LayerNorm", "mlp": "gelu", "norm": "layernorm", "qkNorm": False, "ropePairing": "half", "numKvHeads": 1, "tiedHead": False},
    {"name": "tanh GELU, LayerNorm, QK-norm", "mlp": "gelu-tanh", "norm": "layernorm", "qkNorm": True, "ropePairing": "half", "numKvHeads": 4, "tiedHead": False},
    *(
        {"name": f"position {kind}, {kv} key heads", "position": kind, "mlp": "relu2", "norm": "rmsnorm", "qkNorm": False, "ropePairing": "half", "numKvHeads": kv, "tiedHead": False}
        for kind, kv in (("none", 4), ("alibi", 4), ("alibi", 2), ("sinusoidal", 4), ("learned", 4), ("t5", 4), ("t5", 2))
    ),
    {"name": "biases of queries, keys and values (Qwen2)", **PLAIN, "mlp": "swiglu", "numKvHeads": 2, "attentionBias": "qkv"},
    {"name": "biases everywhere, LayerNorm, learned positions (GPT-2)", **PLAIN, "mlp": "gelu-tanh", "norm": "layernorm", "tiedHead": True, "attentionBias": "all", "mlpBias": True, "position": "learned"},
    {"name": "biases of a gated MLP", **PLAIN, "mlp": "geglu", "mlpBias": True},
    {"name": "reordered norms, QK-norm over the projection (OLMo 2)", **PLAIN, "mlp": "swiglu", "qkNorm": True, "qkNormOver": "projection", "normPlacement": "reordered", "numKvHeads": 2},
    {"name": "sandwich norms of 1 + w, sliding layers with a base of their own, scaled embeddings and scores (Gemma 3)", **PLAIN, "mlp": "geglu-tanh", "qkNorm": True, "normGain": "zero-centered", "normPlacement": "sandwich", "numKvHeads": 2, "tiedHead": True, "attentionScale": 0.3, "embeddingScale": 4, "slidingWindow": 3, "slidingLayers": [0], "slidingRopeBase": 100},
    {"name": "soft caps, windows in all layers (Gemma 2, Mistral)", **PLAIN, "mlp": "geglu-tanh", "attentionSoftcap": 0.7, "logitSoftcap": 1.5, "slidingWindow": 2},
    {"name": "norms without weights, a norm of embeddings (nanochat)", **PLAIN, "qkNorm": True, "normGain": "none", "embeddingNorm": True, "logitSoftcap": 15},
    {"name": "LayerNorm without parameters, norm of embeddings", **PLAIN, "norm": "layernorm", "normGain": "none", "embeddingNorm": True},
    {"name": "parallel blocks, half of a head turns (GPT-NeoX)", **PLAIN, "mlp": "gelu", "norm": "layernorm", "parallelBlock": True, "rotaryDim": 2, "attentionBias": "all", "mlpBias": True},
    {"name": "a layer without positions (SmolLM3), a norm of embeddings with weights", **PLAIN, "mlp": "swiglu", "nopeLayers": [1], "embeddingNorm": True},
    {"name": "ALiBi within a window", **PLAIN, "position": "alibi", "slidingWindow": 3, "slidingLayers": [1]},
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
    is_gated = case["mlp"] in ("swiglu", "geglu", "geglu-tanh")
    inner = math.ceil(DIM / 3) * 8 if is_gated else 4 * DIM
    placement = case.get("normPlacement", "pre")
    has_gain = case.get("normGain") != "none"

    def norm(size=DIM, kind=case["norm"]):
        weight = numbers.tensor(size, offset=1.0)
        return {"weight": weight, **({"bias": numbers.tensor(size)} if kind == "layernorm" else {})}

    def norms(name):
        return {name: norm()} if has_gain else {}

    def block():
        parts = norms("attentionNorm") if placement != "reordered" else {}
        attention = {"wq": numbers.tensor(DIM, DIM), "wk": numbers.tensor(DIM, kv), "wv": numbers.tensor(DIM, kv), "wo": numbers.tensor(DIM, DIM)}
        if case["qkNorm"] and has_gain:
            whole = case.get("qkNormOver") == "projection"
            attention |= {"qNorm": norm(DIM if whole else head_dim, "rmsnorm"), "kNorm": norm(kv if whole else head_dim, "rmsnorm")}
        biases = case.get("attentionBias", "none")
        if biases != "none":
            attention |= {"bq": numbers.tensor(DIM), "bk": numbers.tensor(kv), "bv": numbers.tensor(kv)}
        if biases == "all":
            attention["bo"] = numbers.tensor(DIM)
        parts["attention"] = attention
        if placement != "pre":
            parts |= norms("attentionOutputNorm")
        if placement != "reordered":
            parts |= norms("mlpNorm")
        mlp = {"up": numbers.tensor(DIM, inner)}
        if is_gated:
            mlp["gate"] = numbers.tensor(DIM, inner)
        mlp["down"] = numbers.tensor(inner, DIM)
        if case.get("mlpBias"):
            mlp["upBias"] = numbers.tensor(inner)
            if is_gated:
                mlp["gateBias"] = numbers.tensor(inner)
            mlp["downBias"] = numbers.tensor(DIM)
        parts["mlp"] = mlp
        if placement != "pre":
            parts |= norms("mlpOutputNorm")
        return parts

    params = {"embedding": numbers.tensor(VOCAB, DIM), "blocks": [block() for _ in range(LAYERS)], **norms("norm")}
    if case.get("embeddingNorm"):
        params |= norms("embeddingNorm")
    if not case["tiedHead"]:
        params["head"] = numbers.tensor(DIM, VOCAB)
    if case.get("position") == "learned":
        params["position"] = {"embedding": numbers.tensor(MAX_LENGTH, DIM)}
    if case.get("position") == "t5":
        params["position"] = {"embedding": numbers.tensor(32, HEADS)}
    return params


def normalize(x, p, kind, gain="weight"):
    weight = None if p is None else p["weight"] + (gain == "zero-centered")
    if kind == "layernorm":
        return F.layer_norm(x, (x.shape[-1],), weight, None if p is None else p["bias"], 1e-5)
    # QK-norm's epsilon is that of the other norms.
    return F.rms_norm(x, (x.shape[-1],), weight, 1e-6)


def rotate(x, pairing, base=10000.0, rotary_dim=None):
    if rotary_dim is not None:
        return torch.cat([rotate(x[..., :rotary_dim], pairing, base), x[..., rotary_dim:]], -1)
    size = x.shape[-1]
    theta = base ** (-torch.arange(0, size, 2) / size)
    angle = torch.arange(x.shape[1])[:, None, None] * theta
    a, b = (x[..., : size // 2], x[..., size // 2 :]) if pairing == "half" else (x[..., 0::2], x[..., 1::2])
    ra, rb = a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()
    return torch.cat([ra, rb], -1) if pairing == "half" else torch.stack([ra, rb], -1).flatten(-2)


def forward(case, params, tokens):
    head_dim = DIM // HEADS
    kind = case.get("position", "rope")
    gain = case.get("normGain", "weight")
    placement = case.get("normPlacement", "pre")
    cap = case.get("attentionSoftcap")

    def apply_norm(h, own):
        return normalize(h, own, case["norm"], gain)

    def before(h, own):
        return h if placement == "reordered" else apply_norm(h, own)

    def after(h, own):
        return h if placement == "pre" else apply_norm(h, own)

    x = params["embedding"][tokens] * case.get("embeddingScale", 1)
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
    if case.get("embeddingNorm"):
        x = apply_norm(x, params.get("embeddingNorm"))
    for layer, block in enumerate(params["blocks"]):
        window = case.get("slidingWindow")
        is_sliding = window is not None and layer in case.get("slidingLayers", range(LAYERS))
        own_bias = bias.masked_fill(distances >= window, -math.inf) if is_sliding else bias
        h = before(x, block.get("attentionNorm"))
        p = block["attention"]
        q, k, v = (h @ p[f"w{w}"] + p.get(f"b{w}", 0) for w in "qkv")
        whole = case.get("qkNormOver") == "projection"
        if case["qkNorm"] and whole:
            q, k = normalize(q, p.get("qNorm"), "rmsnorm", gain), normalize(k, p.get("kNorm"), "rmsnorm", gain)
        q, k, v = (t.unflatten(-1, (-1, head_dim)) for t in (q, k, v))
        if case["qkNorm"] and not whole:
            q, k = normalize(q, p.get("qNorm"), "rmsnorm", gain), normalize(k, p.get("kNorm"), "rmsnorm", gain)
        if kind == "rope" and layer not in case.get("nopeLayers", []):
            base = case.get("slidingRopeBase", 10000.0) if is_sliding else 10000.0
            q, k = (rotate(t, case["ropePairing"], base, case.get("rotaryDim")) for t in (q, k))
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))
        k, v = (t.repeat_interleave(HEADS // t.shape[1], 1) for t in (k, v))
        scores = q @ k.transpose(-1, -2) * case.get("attentionScale", head_dim**-0.5)
        if cap is not None:
            scores = cap * torch.tanh(scores / cap)
        a = torch.softmax(scores + own_bias, -1) @ v
        a = after(a.transpose(1, 2).flatten(-2) @ p["wo"] + p.get("bo", 0), block.get("attentionOutputNorm"))
        middle = x + a
        h = before(x if case.get("parallelBlock") else middle, block.get("mlpNorm"))
        p = block["mlp"]
        act = {"relu2": lambda t: F.relu(t).square(), "gelu": F.gelu, "gelu-tanh": lambda t: F.gelu(t, approximate="tanh"), "swiglu": F.silu}
        act |= {"geglu": act["gelu"], "geglu-tanh": act["gelu-tanh"]}
        up = h @ p["up"] + p.get("upBias", 0)
        inner = act[case["mlp"]](h @ p["gate"] + p.get("gateBias", 0)) * up if "gate" in p else act[case["mlp"]](up)
        x = middle + after(inner @ p["down"] + p.get("downBias", 0), block.get("mlpOutputNorm"))
    x = apply_norm(x, params.get("norm"))
    logits = x @ (params["embedding"].T if "head" not in params else params["head"])
    final = case.get("logitSoftcap")
    return logits if final is None else final * torch.tanh(logits / final)


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
