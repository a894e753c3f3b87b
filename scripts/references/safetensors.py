"""Writes src/checkpoint/safetensors.reference.json: a file made by the safetensors library, as base64.

Run: python scripts/references/safetensors.py  (safetensors 0.8.0, numpy)
With --check FILE it reads a file of Rotor's and prints its tensors as JSON, for a test by hand of the other direction.
"""

import base64
import json
import os
import sys

sys.path = [p for p in sys.path if os.path.abspath(p) != os.path.dirname(os.path.abspath(__file__))]
import numpy as np  # noqa: E402
import safetensors  # noqa: E402
from safetensors.numpy import load_file, save  # noqa: E402

if len(sys.argv) == 3 and sys.argv[1] == "--check":
    tensors = load_file(sys.argv[2])
    print(json.dumps({k: [str(v.dtype), list(v.shape), v.ravel().tolist()[:8]] for k, v in tensors.items()}))
    sys.exit()

tensors = {
    "weights": np.array([[1.5, -2.25, 3e38], [np.float32(1e-45), -0.0, 0.1]], dtype=np.float32),
    "double": np.array([np.pi, -1e300]),
    "counts": np.array([-(2**31), 2**31 - 1], dtype=np.int32),
    "ids": np.array([[0, 2**32 - 1]], dtype=np.uint32),
    "mask": np.array([True, False, True]),
    "scalar": np.array(7.0, dtype=np.float32),
    "empty": np.zeros((0, 4), dtype=np.float32),
}
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../src/checkpoint/safetensors.reference.json")
with open(path, "w") as f:
    json.dump(
        {
            "generator": "scripts/references/safetensors.py",
            "versions": {"safetensors": safetensors.__version__, "numpy": np.__version__},
            "tensors": {
                name: {"dtype": str(value.dtype), "shape": list(value.shape), "values": value.ravel().tolist()}
                for name, value in tensors.items()
            },
            "file": base64.b64encode(save(tensors, metadata={"format": "np"})).decode(),
        },
        f,
        separators=(",", ":"),
    )
    f.write("\n")
