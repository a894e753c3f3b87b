"""Checks what `rotor export` writes with Transformers, and writes src/exchange/exchangeExport.reference.json: what was seen.

Run: PATH=node_modules/.bin:$PATH python scripts/references/exchangeExport.py  (transformers 5.24.0, torch 2.15.0, tokenizers 0.23.1)
Every model of src/exchange/testing/models is imported and exported again; models of other shapes are trained here for some steps. Each folder
is loaded by AutoModelForCausalLM and AutoTokenizer. Imported models must give the logits of the model that came in, bit by bit; trained ones
must continue greedily with the text that `rotor sample --temperature 0` writes; ids of a hard text must be the same.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile

here = os.path.dirname(os.path.abspath(__file__))
sys.path = [p for p in sys.path if os.path.abspath(p) != here]
import tokenizers  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast  # noqa: E402

MAIN = os.path.join(here, "../../src/cli/main.ts")
MODELS = os.path.join(here, "../../src/exchange/testing/models")
OUT = os.path.join(here, "../../src/exchange/exchangeExport.reference.json")
HARD = "don't I'LL 12345 3.14  two   spaces\n\n\r\n\ttab 中文字 é naïve\u0085next\ufeff 👍🏽 it's"
BASE = {"numLayers": 2, "modelDim": 32, "numHeads": 4, "maxLength": 128}
TRAINED = {
    "qwen3": {"mlp": "swiglu", "numKvHeads": 2, "slidingWindow": 9, "slidingLayers": [1]},
    "llama": {"mlp": "swiglu", "qkNorm": False, "ropeScaling": {"kind": "llama3", "factor": 4, "originalMaxLength": 32}},
    "gpt2": {"mlp": "gelu-tanh", "norm": "layernorm", "qkNorm": False, "position": "learned", "tiedHead": True, "attentionBias": "all", "mlpBias": True},
    "arcee": {"qkNorm": False},
    "nanochat": {"normGain": "none", "embeddingNorm": True, "logitSoftcap": 15, "numKvHeads": 1},
    "olmo2": {"mlp": "swiglu", "qkNormOver": "projection", "normPlacement": "reordered"},
    "smollm3": {"mlp": "swiglu", "qkNorm": False, "tiedHead": True, "nopeLayers": [1]},
    "gpt_neox": {"mlp": "gelu", "norm": "layernorm", "qkNorm": False, "parallelBlock": True, "rotaryDim": 2, "attentionBias": "all", "mlpBias": True},
}
# Presets as they come.
PRESETS = {"tiny": {}, "small": {}}


def rotor(*args):
    result = subprocess.run(["node", MAIN, *args], capture_output=True, text=True)
    assert result.returncode == 0, (args, result.stderr)
    return result.stdout


def load(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def logits(model, ids):
    with torch.no_grad():
        return model(torch.tensor([ids]), use_cache=False).logits[0]


def main():
    seen = {}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name in sorted(os.listdir(MODELS)):
            source = os.path.join(MODELS, name)
            if not os.path.isdir(source):
                continue
            shutil.copytree(source, name)
            shutil.copy(os.path.join(MODELS, "tokenizer.json"), name)
            rotor("import", name)
            rotor("export", name, "--to", "huggingface", "-o", f"{name}-out")
            ids = json.load(open(os.path.join(source, "expected.json")))["tokens"]
            before, after = load(name), load(f"{name}-out")
            assert type(before) is type(after)
            # What AutoTokenizer makes of qwen2 has another split: README.md of the folder says so.
            tokenizer = (PreTrainedTokenizerFast if name == "qwen2" else AutoTokenizer).from_pretrained(f"{name}-out")
            reference = tokenizers.Tokenizer.from_file(os.path.join(MODELS, "tokenizer.json"))
            assert tokenizer(HARD)["input_ids"] == reference.encode(HARD).ids
            difference = (logits(before, ids) - logits(after, ids)).abs().max().item()
            assert difference == 0, (name, difference)
            seen[f"imported {name}"] = {"class": type(after).__name__, "largestDifference": difference}
            print(name, seen[f"imported {name}"])
        with open("text.txt", "w") as f:
            f.write("The whale swam by the ship, and the captain saw it's fin. " * 400)
        presets = [(name, {"preset": name, "model": options}) for name, options in PRESETS.items()]
        for name, options in [(name, {"model": BASE | options}) for name, options in TRAINED.items()] + presets:
            config = options | {
                "name": name,
                "data": {"source": "text.txt", "tokenizer": {"bpe": 300} if name != "gpt2" else "bytes"},
                "optimizer": {"kind": "adamw", "learningRate": 0.003},
                "training": {"steps": 60, "batchSize": 4, "length": 32, "evalBatches": 1, "sampleTokens": 0, "threads": 1},
            }
            with open("config.json", "w") as f:
                json.dump(config, f)
            rotor("train", "config.json")
            rotor("export", name, "--to", "huggingface", "-o", f"trained-{name}")
            model, tokenizer = load(f"trained-{name}"), AutoTokenizer.from_pretrained(f"trained-{name}")
            prompt = "The ship and the"
            text = rotor("sample", name, "--prompt", prompt, "--tokens", "64", "--temperature", "0", "--raw")[:-1]
            ids = tokenizer(prompt, return_tensors="pt")
            made = model.generate(**ids, max_new_tokens=64, do_sample=False)[0]
            assert tokenizer.decode(made, skip_special_tokens=True) == text, (name, text, tokenizer.decode(made))
            seen[f"trained {name}"] = {"class": type(model).__name__, "greedyTokens": len(made) - ids["input_ids"].shape[1], "text": text}
            print(name, seen[f"trained {name}"])
    with open(OUT, "w") as f:
        json.dump(
            {
                "generator": "scripts/references/exchangeExport.py",
                "versions": {"transformers": transformers.__version__, "torch": torch.__version__.split("+")[0], "tokenizers": tokenizers.__version__},
                "seen": seen,
            },
            f,
            indent=1,
        )
        f.write("\n")


main()
