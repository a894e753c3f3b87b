"""Writes src/checkpoint/safetensorsHeader.reference.json: which headers the safetensors library accepts.

Run: python scripts/references/safetensorsHeaders.py  (safetensors 0.8.0)
"""

import json
import os
import struct
import sys

# This folder holds a script of the name of the package.
sys.path.pop(0)
import safetensors  # noqa: E402

A = '"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
B = '"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}'
# The text of the header and the bytes that follow it.
CASES = [
    ("{}", 0),
    ("{}", 4),
    ("", 0),
    ("[]", 0),
    ("null", 0),
    ("{" + A + "}", 4),
    ("{" + A + "}", 3),
    ("{" + A + "}", 5),
    ("{" + A + "}    ", 4),
    ("   {" + A + "}", 4),
    ("\n{" + A + "}", 4),
    ("{" + A + "}x", 4),
    ("{" + A + "}\0", 4),
    ("{" + A + ",}", 4),
    ("{" + A + "," + B + "}", 8),
    ("{" + B + "," + A + "}", 8),
    ("{" + A + "," + A + "}", 4),
    ("{" + A + ',"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}', 8),
    ("{" + B + ',"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4),
    ('{"__metadata__":null,' + A + "}", 4),
    ('{"__metadata__":{},' + A + "}", 4),
    ("{" + A + ',"__metadata__":{"k":"v"}}', 4),
    ('{"__metadata__":{"k":1},' + A + "}", 4),
    ('{"__metadata__":{"k":null},' + A + "}", 4),
    ('{"__metadata__":{"k":{}},' + A + "}", 4),
    ('{"__metadata__":"text",' + A + "}", 4),
    ('{"__metadata__":[],' + A + "}", 4),
    ('{"__metadata__":{"k":"v"},"__metadata__":{"k":"w"},' + A + "}", 4),
    ('{"__metadata__":{"k":"v"},"__metadata__":null,' + A + "}", 4),
    ('{"__metadata__":null,"__metadata__":null,' + A + "}", 4),
    ('{"__metadata__":{"k":"v","k":"w"},' + A + "}", 4),
    ('{"\\u005f_metadata__":{"k":"v"},' + A + "}", 4),
    ('{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4),
    ('{"a":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}}', 4),
    ('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"data_offsets":[0,4]}}', 4),
    ('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"more":1}}', 4),
    ('{"a":{"dtype":"F32","shape":[1]}}', 4),
    ('{"a":{"shape":[1],"data_offsets":[0,4]}}', 4),
    ('{"a":{"dtype":"F32","data_offsets":[0,4]}}', 4),
    ('{"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}}', 4),
    ('{"a":{"dtype":"f32","shape":[1],"data_offsets":[0,4]}}', 4),
    ('{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}', 4),
    ('{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}', 0),
    ('{"a":{"dtype":"F32","shape":[0,5],"data_offsets":[0,0]},"b":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}', 0),
    ('{"a":{"dtype":"F32","shape":[2,-1],"data_offsets":[0,4]}}', 4),
    ('{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}', 4),
    ('{"a":{"dtype":"F32","shape":[1e0],"data_offsets":[0,4]}}', 4),
    ('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0.0,4]}}', 4),
    ('{"a":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}}', 4),
    ('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}}', 4),
    ('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}', 4),
    ('{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}', 4),
    ('{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}', 8),
    ('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', 4),
    ("{" + A + ',"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}', 6),
    ("{" + A + ',"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}', 12),
    ("{" + A + ',"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4),
    ('{"":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4),
    ('{"a":null}', 0),
    ('{"a":[]}', 0),
    ('{"a":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]}}', 3),
    ('{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}', 0),
    ('{"a":{"dtype":"F32","shape":[9007199254740993],"data_offsets":[0,4]}}', 4),
]
DTYPES = ["F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL", "C64", "F8_E4M3", "F8_E5M2"]
SIZES = {"64": 8, "32": 4, "16": 2, "I8": 1, "U8": 1, "BOOL": 1, "C64": 8, "F8_E4M3": 1, "F8_E5M2": 1}


def size(dtype):
    return SIZES.get(dtype) or SIZES[dtype[-2:]]


CASES += [(f'{{"a":{{"dtype":"{d}","shape":[1],"data_offsets":[0,{size(d)}]}}}}', size(d)) for d in DTYPES]


def verdict(text, count):
    header = text.encode()
    try:
        safetensors.deserialize(struct.pack("<Q", len(header)) + header + bytes(count))
        return None
    except Exception as error:
        return str(error)


output = {
    "generator": "scripts/references/safetensorsHeaders.py",
    "versions": {"safetensors": safetensors.__version__},
    # error: null where the library accepts.
    "cases": [{"header": text, "bytes": count, "error": verdict(text, count)} for text, count in CASES],
}
path = os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "../../src/checkpoint/safetensorsHeader.reference.json"
)
with open(path, "w") as file:
    json.dump(output, file, indent=1)
    file.write("\n")
