"""Writes src/compile/testing/numberCases.reference.json: what JAX gives for the cases of docs/primitives.md, in float32 and in float64.

Run: python scripts/references/numberCases.py  (jax 0.10.2, NumPy's version is in the file)
The inputs of the float64 column are the float32 ones, widened.
"""

import json
import os

import jax
import numpy
from jax import grad, nn
from jax import numpy as jnp

jax.config.update("jax_enable_x64", True)

nan, inf = float("nan"), float("inf")


def i32(*values):
    return jnp.array(values, jnp.int32)


def bools(*values):
    return jnp.array(values, jnp.bool_)


def cases(dtype):
    def f(*values):
        return jnp.array(numpy.array(values, numpy.float32).astype(dtype))

    return {
        "[3]·0.5 of int32": i32(3) * 0.5,
        "[7]/2 of int32": i32(7) / 2,
        "[3] + 0.5 of int32": i32(3) + 0.5,
        "[true]·0.5 of bool": bools(True) * 0.5,
        "[true]/2 of bool": bools(True) / 2,
        "argmax [1, NaN, 2]": jnp.argmax(f(1, nan, 2)),
        "argmin [1, NaN, 2]": jnp.argmin(f(1, nan, 2)),
        "max [1, NaN, 2]": jnp.max(f(1, nan, 2)),
        "arctan2(−0, −1)": jnp.arctan2(f(-0.0), f(-1))[0],
        "softplus(200)": nn.softplus(f(200))[0],
        "softplus′(200)": grad(lambda x: nn.softplus(x).sum())(f(200))[0],
        "logsumexp [−∞, −∞]": nn.logsumexp(f(-inf, -inf)),
        "oneHot(−1, 3)": nn.one_hot(i32(-1)[0], 3, dtype=dtype),
        "[10, 20, 30] at −1": f(10, 20, 30)[i32(-1)][0],
        "[10, 20, 30] at 5": f(10, 20, 30)[i32(5)][0],
        "∂max [2, 2]": grad(jnp.max)(f(2, 2)),
        "∂maximum(x, 1) at 1": grad(lambda x: jnp.maximum(x, 1).sum())(f(1))[0],
        "∂relu at 0": grad(lambda x: nn.relu(x).sum())(f(0))[0],
        "∂abs at 0": grad(lambda x: jnp.abs(x).sum())(f(0))[0],
        "∂clip(x, 0, 1) at 0": grad(lambda x: jnp.clip(x, 0, 1).sum())(f(0))[0],
        "∂prod [0, 2, 3]": grad(jnp.prod)(f(0, 2, 3)),
        "log 1e−40": jnp.log(f(1e-40))[0],
        "log(1 − 2⁻²⁴)": jnp.log(f(1 - 2**-24))[0],
        "sin 1e5": jnp.sin(f(1e5))[0],
        "sin 1e10": jnp.sin(f(1e10))[0],
        "cos 1e10": jnp.cos(f(1e10))[0],
    }


def plain(array):
    values = numpy.asarray(array)
    return {
        "dtype": str(values.dtype),
        "shape": list(values.shape),
        "data": [str(v) for v in values.reshape(-1).tolist()],
    }


single, double = cases(jnp.float32), cases(jnp.float64)
path = os.path.join(os.path.dirname(__file__), "../../src/compile/testing/numberCases.reference.json")
with open(path, "w", encoding="utf-8") as file:
    json.dump(
        {
            "versions": {"jax": jax.__version__, "numpy": numpy.__version__},
            "cases": {name: {"float32": plain(single[name]), "float64": plain(double[name])} for name in single},
        },
        file,
        ensure_ascii=False,
        indent=1,
    )
    file.write("\n")
