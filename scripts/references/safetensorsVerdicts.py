"""Writes src/checkpoint/safetensorsVerdicts.reference.json: headers and sizes of files, and whether the safetensors library takes them.

Run: python scripts/references/safetensorsVerdicts.py  (safetensors 0.8.0)
"""

import base64
import json
import os
import struct
import sys

sys.path = [p for p in sys.path if os.path.abspath(p) != os.path.dirname(os.path.abspath(__file__))]
import safetensors  # noqa: E402

F32 = '"dtype":"F32"'


def tensor(name, shape="[2]", offsets="[0,8]", dtype=F32, more=""):
    return f'"{name}":{{{dtype},"shape":{shape},"data_offsets":{offsets}{more}}}'


HEADERS = {
    "one tensor": (f"{{{tensor('a')}}}", 8),
    "spaces behind": (f"{{{tensor('a')}}}   ", 8),
    "spaces before": (f"  {{{tensor('a')}}}", 8),
    "line breaks inside": (f"{{\n{tensor('a')}\n}}", 8),
    "nothing": ("{}", 0),
    "nothing but bytes": ("{}", 8),
    "empty header": ("", 0),
    "a list": ("[]", 0),
    "null": ("null", 0),
    "metadata": (f'{{"__metadata__":{{"a":"b"}},{tensor("a")}}}', 8),
    "metadata alone": ('{"__metadata__":{"a":"b"}}', 0),
    "metadata null": (f'{{"__metadata__":null,{tensor("a")}}}', 8),
    "metadata empty": (f'{{"__metadata__":{{}},{tensor("a")}}}', 8),
    "metadata of numbers": (f'{{"__metadata__":{{"a":1}},{tensor("a")}}}', 8),
    "metadata of null": (f'{{"__metadata__":{{"a":null}},{tensor("a")}}}', 8),
    "metadata a list": (f'{{"__metadata__":[],{tensor("a")}}}', 8),
    "metadata a text": (f'{{"__metadata__":"a",{tensor("a")}}}', 8),
    "metadata last": (f'{{{tensor("a")},"__metadata__":{{"a":"b"}}}}', 8),
    "metadata twice": (f'{{"__metadata__":{{"a":"b"}},"__metadata__":{{"a":"b"}},{tensor("a")}}}', 8),
    "metadata twice, escaped": (f'{{"__metadata__":{{}},"__meta\\u0064ata__":{{}},{tensor("a")}}}', 8),
    "metadata twice, null": (f'{{"__metadata__":null,"__metadata__":{{}},{tensor("a")}}}', 8),
    "metadata with a key twice": (f'{{"__metadata__":{{"a":"b","a":"c"}},{tensor("a")}}}', 8),
    "metadata with the name of a file's key": (f'{{"__metadata__":{{"__metadata__":"b"}},{tensor("a")}}}', 8),
    "a name twice": (f"{{{tensor('a')},{tensor('a')}}}", 8),
    "a name twice, other bytes": (f"{{{tensor('a')},{tensor('a', offsets='[8,16]')}}}", 16),
    "a name twice, other bytes, the second alone": (f"{{{tensor('a', offsets='[8,16]')},{tensor('a')}}}", 8),
    "a name twice, escaped": (f"{{{tensor('a')},{tensor(chr(92) + 'u0061')}}}", 8),
    "a field twice": ('{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}', 8),
    "another field": (f"{{{tensor('a', more=',' + chr(34) + 'more' + chr(34) + ':1')}}}", 8),
    "no shape": ('{"a":{"dtype":"F32","data_offsets":[0,8]}}', 8),
    "no dtype": ('{"a":{"shape":[2],"data_offsets":[0,8]}}', 8),
    "an array for a tensor": ('{"a":["F32",[2],[0,8]]}', 8),
    "scalar": (f"{{{tensor('a', '[]', '[0,4]')}}}", 4),
    "no elements": (f"{{{tensor('a', '[0,3]', '[0,0]')}}}", 0),
    "two tensors": (f"{{{tensor('a')},{tensor('b', offsets='[8,16]')}}}", 16),
    "two tensors, backwards": (f"{{{tensor('b', offsets='[8,16]')},{tensor('a')}}}", 16),
    "no elements between": (f"{{{tensor('a')},{tensor('e', '[0]', '[8,8]')},{tensor('b', offsets='[8,16]')}}}", 16),
    "no elements inside another": (f"{{{tensor('a')},{tensor('e', '[0]', '[4,4]')}}}", 8),
    "a gap": (f"{{{tensor('a')},{tensor('b', offsets='[12,20]')}}}", 20),
    "an overlap": (f"{{{tensor('a')},{tensor('b', offsets='[4,12]')}}}", 12),
    "begins late": (f"{{{tensor('a', offsets='[4,12]')}}}", 12),
    "backwards offsets": (f"{{{tensor('a', offsets='[8,0]')}}}", 8),
    "too few bytes": (f"{{{tensor('a')}}}", 4),
    "too many bytes": (f"{{{tensor('a')}}}", 12),
    "shape too large": (f"{{{tensor('a', '[3]')}}}", 8),
    "shape negative": (f"{{{tensor('a', '[-2]')}}}", 8),
    "shape of a fraction": (f"{{{tensor('a', '[2.0]')}}}", 8),
    "shape of an exponent": (f"{{{tensor('a', '[2e0]')}}}", 8),
    "shape of text": (f"{{{tensor('a', '[' + chr(34) + '2' + chr(34) + ']')}}}", 8),
    "shape that overflows": (f"{{{tensor('a', '[4294967296,4294967296,4294967296]', '[0,0]')}}}", 0),
    "shape that overflows, with zero": (f"{{{tensor('a', '[4294967296,4294967296,4294967296,0]', '[0,0]')}}}", 0),
    "shape beyond 64 bits": (f"{{{tensor('a', '[18446744073709551616]', '[0,8]')}}}", 8),
    "offsets of three": (f"{{{tensor('a', offsets='[0,8,8]')}}}", 8),
    "offsets of one": (f"{{{tensor('a', offsets='[0]')}}}", 8),
    "lower case dtype": (f"{{{tensor('a', dtype=chr(34) + 'dtype' + chr(34) + ':' + chr(34) + 'f32' + chr(34))}}}", 8),
    "unknown dtype": (f"{{{tensor('a', dtype=chr(34) + 'dtype' + chr(34) + ':' + chr(34) + 'F31' + chr(34))}}}", 8),
    "empty name": (f"{{{tensor('')}}}", 8),
    "name of a prototype": (f"{{{tensor('__proto__')}}}", 8),
    "name in other letters": (f"{{{tensor('ü.重み')}}}", 8),
    "a lone surrogate": (f"{{{tensor(chr(92) + 'ud800')}}}", 8),
    "a trailing comma": (f"{{{tensor('a')},}}", 8),
    "a comment": (f"{{/* */{tensor('a')}}}", 8),
    "NUL behind": (f"{{{tensor('a')}}}\0", 8),
    "byte-order mark": (f"\ufeff{{{tensor('a')}}}", 8),
    "deep": (f'{{"__metadata__":{{"a":{"[" * 200}{"]" * 200}}},{tensor("a")}}}', 8),
}
for dtype, size in (("BF16", 2), ("F16", 2), ("I64", 8), ("I16", 2), ("U16", 2), ("I8", 1), ("U8", 1), ("U64", 8), ("F8_E4M3", 1), ("C64", 8)):
    HEADERS[f"dtype {dtype}"] = (f'{{"a":{{"dtype":"{dtype}","shape":[2],"data_offsets":[0,{2 * size}]}}}}', 2 * size)


def verdict(file):
    try:
        return {"taken": sorted(name for name, _ in safetensors.deserialize(file))}
    except Exception as error:
        return {"refused": str(error)}


cases = []
for name, (header, size) in HEADERS.items():
    text = header.encode()
    file = struct.pack("<Q", len(text)) + text + bytes(size)
    cases.append({"name": name, "file": base64.b64encode(file).decode(), **verdict(file)})
invalid = b'{"\xff":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
for name, file in {
    "no bytes": b"",
    "seven bytes": bytes(7),
    "header beyond the file": struct.pack("<Q", 100) + b"{}",
    "header of 2^63 bytes": struct.pack("<Q", 2**63) + b"{}",
    "not UTF-8": struct.pack("<Q", len(invalid)) + invalid + bytes(8),
}.items():
    cases.append({"name": name, "file": base64.b64encode(file).decode(), **verdict(file)})

path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../src/checkpoint/safetensorsVerdicts.reference.json")
with open(path, "w") as f:
    json.dump(
        {
            "generator": "scripts/references/safetensorsVerdicts.py",
            "versions": {"safetensors": safetensors.__version__},
            "cases": cases,
        },
        f,
        ensure_ascii=False,
        separators=(",", ":"),
    )
    f.write("\n")
