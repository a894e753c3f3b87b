"""Writes src/numbers/numbers.reference.json: values of special functions and quantiles by SciPy, and words of xoshiro128++.

The generator is written out here once more, from its paper, on plain integers.

Run with: scipy 1.17 (the versions used are in the file)
"""

import json
import os

import scipy
from scipy import special, stats

M32, M64 = 2**32 - 1, 2**64 - 1


def words(seed, count):
    state = seed & M64
    s = []
    for _ in range(4):
        state = (state + 0x9E3779B97F4A7C15) & M64
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & M64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & M64
        s.append((z ^ (z >> 31)) >> 32)

    def rotate(x, k):
        return ((x << k) | (x >> (32 - k))) & M32

    result = []
    for _ in range(count):
        result.append((rotate((s[0] + s[3]) & M32, 7) + s[0]) & M32)
        t = (s[1] << 9) & M32
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotate(s[3], 11)
    return result


xs = [i / 16 for i in range(-112, 113)] + [1e-300, 1e-8, -1e-8, 2.4999, 2.5001, 5.99, 6.01, 30]
cases = [
    (p, f)
    for p in (0.5001, 0.6, 0.75, 0.9, 0.95, 0.975, 0.995, 0.9995, 0.999999, 0.4, 0.05, 0.001)
    for f in (0.5, 1, 1.5, 2, 3, 4.5, 7, 10, 29, 100, 1234, 1e6)
]
seeds = [0, 1, 2**32, 2**53 - 1, -1, 12345]
reference = {
    "versions": {"scipy": scipy.__version__},
    "erf": [[x, float(special.erf(x))] for x in xs],
    "studentQuantile": [[p, f, float(stats.t.ppf(p, f))] for p, f in cases],
    "words": [[seed, words(seed, 6)] for seed in seeds],
}
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../src/numbers/numbers.reference.json")
with open(path, "w") as file:
    json.dump(reference, file)
    file.write("\n")
