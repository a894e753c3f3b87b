"""Checks what `rotor export --to gguf` writes with llama.cpp, and writes src/exchange/gguf/gguf.reference.json: what was seen.

Run: PATH=node_modules/.bin:$PATH python scripts/references/gguf.py  (llama-cpp-python 0.3.36, gguf 0.19.0, transformers 5.24.0, torch 2.15.0)

Models of src/exchange/testing/models, with the keys of src/exchange/gguf/testing/models.json changed as llama.cpp needs them, are imported and
exported; others are trained here for some steps. Of each float32 file llama.cpp must give the ids of a hard text that Rotor gives, and continue
greedily with the 64 tokens of Rotor. The sum of each imported model's file is kept, so that tests without llama.cpp know the files that it read.
Blocks of q8_0 and q4_0 are those of the gguf package.
"""

import base64
import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile

here = os.path.dirname(os.path.abspath(__file__))
sys.path = [p for p in sys.path if os.path.abspath(p) != here]
import gguf  # noqa: E402
import llama_cpp  # noqa: E402
import numpy  # noqa: E402
import torch  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402

ROOT = os.path.join(here, "../..")
MAIN = os.path.join(ROOT, "src/cli/main.ts")
MODELS = os.path.join(ROOT, "src/exchange/testing/models")
CHANGES = os.path.join(ROOT, "src/exchange/gguf/testing/models.json")
OUT = os.path.join(ROOT, "src/exchange/gguf/gguf.reference.json")
HARD = "don't I'LL 12345 3.14  two   spaces\n\n\r\n\ttab 中文字 é naïve\u0085next\ufeff 👍🏽 it's"
TYPES = ["float32", "float16", "q8_0", "q4_0"]
BASE = {"numLayers": 2, "modelDim": 64, "numHeads": 4, "maxLength": 128}
TRAINED = {
    "qwen3": {"mlp": "swiglu", "numKvHeads": 2, "ropeScaling": {"kind": "yarn", "factor": 2, "originalMaxLength": 64}},
    "bytes": {"mlp": "swiglu", "tiedHead": True},
    "smollm3": {"mlp": "swiglu", "qkNorm": False, "numLayers": 4, "nopeLayers": [3]},
    "gpt2": {"mlp": "gelu-tanh", "norm": "layernorm", "qkNorm": False, "position": "learned", "tiedHead": True, "attentionBias": "all", "mlpBias": True},
}


def rotor(*args):
    result = subprocess.run(["node", MAIN, *args], capture_output=True, text=True)
    assert result.returncode == 0, (args, result.stderr)
    return result.stdout


def load(file):
    return llama_cpp.Llama(file, n_ctx=160, n_batch=160, n_threads=1, verbose=False)


def ids_of(model, text):
    return model.tokenize(text.encode(), add_bos=False, special=False)


def greedy(model, prompt, count):
    """Ids and the least distance of a likeliest token from the next one."""
    model.reset()
    model.eval(prompt)
    made, margin = [], float("inf")
    for _ in range(count):
        logits = numpy.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(model.ctx, -1), (model.n_vocab(),))
        second, best = numpy.sort(logits)[-2:]
        margin = min(margin, float(best - second))
        made.append(int(logits.argmax()))
        model.eval(made[-1:])
    return made, margin


def blocks():
    """Values of several sizes, with zeros, signed ones, and ties of rounding."""
    values = [numpy.sin(numpy.arange(64, dtype=numpy.float64) * 12.9898 + k) * 10.0 ** (k - 3) for k in range(8)]
    values += [numpy.zeros(32), numpy.full(32, -1.5), numpy.arange(32) - 15.5, numpy.array([127.0, *(numpy.arange(31) - 15.5)]), numpy.array([-8.0, *((numpy.arange(31) - 15) / 2)])]
    flat = numpy.concatenate([numpy.ravel(v) for v in values]).astype(numpy.float32)
    encoded = {name: gguf.quants.quantize(flat, gguf.GGMLQuantizationType[kind]) for name, kind in [("float16", "F16"), ("q8_0", "Q8_0"), ("q4_0", "Q4_0")]}
    text = {name: base64.b64encode(numpy.ascontiguousarray(a).tobytes()).decode() for name, a in encoded.items()}
    return {"values": base64.b64encode(flat.tobytes()).decode(), **text}


def main():
    imported, trained = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name, changes in json.load(open(CHANGES)).items():
            source = os.path.join("source", name)
            shutil.copytree(os.path.join(MODELS, name), source)
            shutil.copy(os.path.join(MODELS, "tokenizer.json"), source)
            config = json.load(open(f"{source}/config.json")) | changes
            json.dump(config, open(f"{source}/config.json", "w"))
            rotor("import", source)
            seen = {}
            for kind in TYPES:
                file = f"{name}-{kind}.gguf"
                rotor("export", name, "--to", "gguf", "--dtype", kind, "-o", file)
                model = load(file)
                seen[kind] = {"sha256": hashlib.sha256(open(file, "rb").read()).hexdigest()}
                # The independent reader of the format's own package.
                assert len(gguf.GGUFReader(file).tensors) > 0
                ids = json.load(open(os.path.join(MODELS, name, "expected.json")))["tokens"]
                made, margin = greedy(model, ids, 64)
                if kind == "float32":
                    assert ids_of(model, HARD) == json.loads(rotor("tokenizer", "encode", name, HARD, "--json"))["ids"], name
                    original = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32, attn_implementation="eager").eval()
                    with torch.no_grad():
                        expected = original.generate(torch.tensor([ids]), max_new_tokens=64, do_sample=False, eos_token_id=None, pad_token_id=0)[0][len(ids) :].tolist()
                    assert made == expected, (name, margin, [i for i in range(64) if made[i] != expected[i]])
                    seen[kind] |= {"greedyTokens": len(made), "smallestMargin": round(margin, 6)}
            imported[name] = seen
            print(name, seen["float32"])
        with open("text.txt", "w") as f:
            f.write("The whale swam by the ship, and the captain saw it's fin. " * 400)
        for name, options in TRAINED.items():
            config = {
                "name": name,
                "model": BASE | options,
                "data": {"source": "text.txt", "tokenizer": "bytes" if name == "bytes" else {"bpe": 300}},
                "optimizer": {"kind": "adamw", "learningRate": 0.003},
                "training": {"steps": 60, "batchSize": 4, "length": 32, "evalBatches": 1, "sampleTokens": 0, "threads": 1},
            }
            json.dump(config, open("config.json", "w"))
            rotor("train", "config.json")
            prompt = "The ship and the"
            text = rotor("sample", name, "--prompt", prompt, "--tokens", "64", "--temperature", "0", "--raw")[:-1]
            seen = {"text": text}
            for kind in TYPES:
                file = f"trained-{name}-{kind}.gguf"
                rotor("export", name, "--to", "gguf", "--dtype", kind, "-o", file)
                model = load(file)
                ids = ids_of(model, prompt)
                made, margin = greedy(model, ids, 64)
                own = model.detokenize(ids + made).decode(errors="replace")
                if kind == "float32":
                    assert ids_of(model, HARD) == json.loads(rotor("tokenizer", "encode", name, HARD, "--json"))["ids"], name
                    assert own == text, (name, own, text)
                seen[kind] = {"bytes": os.path.getsize(file), "sameText": own == text, "smallestMargin": round(margin, 6)}
            trained[name] = seen
            print(name, seen)
    versions = {name: importlib.metadata.version(name).split("+")[0] for name in ["llama-cpp-python", "gguf", "transformers", "torch", "numpy"]}
    with open(OUT, "w") as f:
        json.dump({"generator": "scripts/references/gguf.py", "versions": versions, "imported": imported, "trained": trained, "blocks": blocks()}, f, indent=1)
        f.write("\n")


main()
