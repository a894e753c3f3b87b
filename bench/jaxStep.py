"""Times training steps of the benchmark's transformer in JAX with Optax, the whole step under jax.jit on the CPU.

Same model as bench/pytorchStep.py, and asked for steps in the same way. The process is bound to the given number of cores: XLA's CPU
client has no option for threads.
"""

import argparse
import json
import math
import os
import resource
import sys
import time


def parse():
    parser = argparse.ArgumentParser()
    for name, default in [("layers", 4), ("dim", 256), ("heads", 4), ("vocab", 512), ("batch", 8), ("length", 128)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--optimizer", choices=["adamw", "muon"], default="adamw")
    parser.add_argument("--mode", choices=["jit"], default="jit")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


args = parse()
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import optax  # noqa: E402


def initial_params(key):
    matrices = iter(jax.random.split(key, 6 * args.layers + 2))
    normal = lambda *shape: 0.02 * jax.random.normal(next(matrices), shape)  # noqa: E731
    dim = args.dim
    block = lambda: {  # noqa: E731
        "norm1": jnp.ones(dim),
        "norm2": jnp.ones(dim),
        **{name: normal(dim, dim) for name in ("query", "key", "value", "output")},
        "up": normal(dim, 4 * dim),
        "down": normal(4 * dim, dim),
    }
    return {
        "embedding": normal(args.vocab, dim),
        "blocks": [block() for _ in range(args.layers)],
        "norm": jnp.ones(dim),
        "head": normal(dim, args.vocab),
    }


def rms_norm(x, weight):
    return x * jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + 1e-6) * weight


def rotate(x, cos, sin):
    a, b = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)


def loss_of(params, tokens):
    head_dim = args.dim // args.heads
    frequencies = 10000.0 ** (-np.arange(0, head_dim, 2) / head_dim)
    angles = jnp.asarray((np.arange(args.length)[:, None] * frequencies).astype(np.float32))[:, None, :]
    cos, sin = jnp.cos(angles), jnp.sin(angles)
    x = params["embedding"][tokens[:, :-1]]
    shape = (args.batch, args.length, args.heads, head_dim)
    for block in params["blocks"]:
        h = rms_norm(x, block["norm1"])
        q = rotate((h @ block["query"]).reshape(shape), cos, sin)
        k = rotate((h @ block["key"]).reshape(shape), cos, sin)
        a = jax.nn.dot_product_attention(q, k, (h @ block["value"]).reshape(shape), is_causal=True)
        x = x + a.reshape(args.batch, args.length, args.dim) @ block["output"]
        x = x + jnp.square(jax.nn.relu(rms_norm(x, block["norm2"]) @ block["up"])) @ block["down"]
    logits = rms_norm(x, params["norm"]) @ params["head"]
    return optax.softmax_cross_entropy_with_integer_labels(logits, tokens[:, 1:]).mean()


def optimizer():
    adamw = optax.adamw(1e-3, weight_decay=0.1)
    if args.optimizer == "adamw":
        return adamw
    labels = lambda params: jax.tree_util.tree_map_with_path(  # noqa: E731
        lambda path, leaf: "muon" if path[0].key == "blocks" and leaf.ndim == 2 else "adamw", params
    )
    return optax.multi_transform({"muon": optax.contrib.muon(0.02), "adamw": adamw}, labels)


def main():
    transform = optimizer()
    params = initial_params(jax.random.key(0))
    state = transform.init(params)

    def step(params, state, tokens):
        loss, gradients = jax.value_and_grad(loss_of)(params, tokens)
        updates, state = transform.update(gradients, state, params)
        return optax.apply_updates(params, updates), state, loss

    step = jax.jit(step, donate_argnums=(0, 1))
    generator = np.random.default_rng(0)
    started = time.perf_counter()
    first = None
    for _ in sys.stdin:
        tokens = generator.integers(0, args.vocab, (args.batch, args.length + 1), dtype=np.int32)
        begin = time.perf_counter()
        params, state, loss = step(params, state, tokens)
        value = float(loss)
        jax.block_until_ready(params)
        elapsed = time.perf_counter() - begin
        first = first or time.perf_counter() - started
        print(json.dumps({"ms": elapsed * 1e3}), flush=True)
    assert math.isfinite(value)
    print(
        json.dumps(
            {
                "library": f"JAX {jax.__version__}",
                "firstMs": first * 1e3,
                "peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                "loss": value,
            }
        )
    )


main()
