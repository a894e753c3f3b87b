"""Writes src/checkpoint/safetensorsHalf.reference.json: float16 and bfloat16 tensors in a file of the safetensors library, and as float32.

Run: python scripts/references/safetensorsHalf.py  (torch 2.15.0, safetensors 0.8.0)
"""

import base64
import json
import os
import sys

sys.path = [p for p in sys.path if os.path.abspath(p) != os.path.dirname(os.path.abspath(__file__))]
import safetensors  # noqa: E402
import torch  # noqa: E402
from safetensors.torch import save  # noqa: E402

# Every exponent with three fractions and both signs, zeros, subnormals, infinities; an odd number of them, so that the next tensor isn't aligned.
bits16 = [s << 15 | e << 10 | f for s in (0, 1) for e in range(31) for f in (0, 1, 0x2AB)] + [0x7C00, 0xFC00, 0x03FF]
bits_b16 = [s << 15 | e << 7 | f for s in (0, 1) for e in range(0, 255, 8) for f in (0, 1, 0x55)] + [0x7F80, 0xFF80, 0x007F]
as_int16 = lambda bits: torch.tensor([b - 65536 if b >= 32768 else b for b in bits], dtype=torch.int16)  # noqa: E731
tensors = {
    "a": as_int16(bits16).view(torch.float16),
    "b": as_int16(bits_b16).view(torch.bfloat16).reshape(3, -1),
    "c": torch.tensor([1.5]),
}
assert tensors["a"].numel() % 2 == 1
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../src/checkpoint/safetensorsHalf.reference.json")
with open(path, "w") as f:
    json.dump(
        {
            "generator": "scripts/references/safetensorsHalf.py",
            "versions": {"safetensors": safetensors.__version__, "torch": torch.__version__.split("+")[0]},
            "float32": {
                name: [v.item() & 0xFFFFFFFF for v in value.float().flatten().view(torch.int32)]
                for name, value in tensors.items()
            },
            "shapes": {name: list(value.shape) for name, value in tensors.items()},
            "file": base64.b64encode(save(tensors)).decode(),
        },
        f,
        separators=(",", ":"),
    )
    f.write("\n")
