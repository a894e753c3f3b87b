"""Checks with PEFT what `rotor export --to peft` writes, of every architecture.

Run: PATH=node_modules/.bin:$PATH python scripts/references/loraExport.py  (peft 0.21.2, transformers 5.24.0, torch 2.15.0)
A model of every architecture of src/exchange/testing/models is trained for some steps with LoRA of all matrices that can go out, two of them with
rsLoRA of two as well. PEFT loads the adapter on the folder that training began with, and on what `rotor export --to huggingface` makes of it; its logits must be those of
Rotor's merged export, and differ from the model's. Then a run that begins with a run, and one with averaged matrices.
"""

import os
import shutil
import subprocess
import sys
import tempfile

here = os.path.dirname(os.path.abspath(__file__))
sys.path = [p for p in sys.path if os.path.abspath(p) != here]
import peft  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from peft import AutoPeftModelForCausalLM, PeftModel  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402

MAIN = os.path.join(here, "../../src/cli/main.ts")
MODELS = os.path.abspath(os.path.join(here, "../../src/exchange/testing/models"))
# Queries, keys and values of these are one matrix.
FUSED = {"gpt2", "gpt_neox"}
# MLPs without a gate.
UNGATED = {"nanochat", "arcee"}
TRAINING = ["--set", "data.source=text.txt", "--set", "training.steps=4", "--set", "training.batchSize=2", "--set", "training.length=16"]
TRAINING += ["--set", "training.threads=1", "--set", "training.sampleTokens=0", "--set", "training.evalBatches=1", "--set", "optimizer.learningRate=0.02"]
IDS = torch.tensor([[5, 17, 3, 42, 8, 11, 29, 2, 63, 7, 19, 31]])


def rotor(*args):
    result = subprocess.run(["node", MAIN, *args], capture_output=True, text=True)
    assert result.returncode == 0, (args, result.stderr)
    return result.stderr


def load(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def logits(model):
    with torch.no_grad():
        return model(IDS, use_cache=False).logits[0]


def distance(a, b):
    return ((a - b).abs().max() / b.abs().max()).item()


def check(run, base, what):
    rotor("export", run, "--to", "peft", "-o", f"{run}-adapter")
    rotor("export", run, "--to", "huggingface", "-o", f"{run}-merged")
    files = sorted(os.listdir(f"{run}-adapter"))
    assert files == ["adapter_config.json", "adapter_model.safetensors"], files
    merged = logits(load(f"{run}-merged"))
    adapted = PeftModel.from_pretrained(load(base), f"{run}-adapter").eval()
    found = distance(logits(adapted), merged)
    moved = distance(logits(load(base)), merged)
    print(f"{run} ({what}): PEFT differs from the merged export by {found:.1e}, the model without the adapter by {moved:.1e}")
    assert found < 1e-5 < 1e-3 < moved, run
    return merged


def main():
    print("peft", peft.__version__, "transformers", transformers.__version__, "torch", torch.__version__)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        with open("text.txt", "w") as f:
            f.write("The ship left the harbour at night, and the crew saw a whale in the storm. " * 100)
        for name in sorted(os.listdir(MODELS)):
            # One of each architecture.
            if "-" in name or not os.path.isdir(os.path.join(MODELS, name)):
                continue
            source = shutil.copytree(os.path.join(MODELS, name), os.path.join(folder, name))
            shutil.copy(os.path.join(MODELS, "tokenizer.json"), source)
            rotor("import", source, "--name", f"{name}-model")
            rotor("export", f"{name}-model", "--to", "huggingface", "-o", f"{name}-again")
            gate = [] if name in UNGATED | FUSED else ["gate"]
            attention = ["wo"] if name in FUSED else ["wq", "wk", "wv", "wo"]
            adapters = {"all": ([*attention, "up", *gate, "down"], [])}
            if name in ("qwen3", "gpt2"):
                adapters["two"] = (["wo", "up"], ["--set", "lora.rsLora=true"])
            for label, (targets, options) in adapters.items():
                run = f"{name}-{label}"
                train = ["train", "--from", source, "--lora", "3", "--set", "lora.alpha=6", *options, *TRAINING]
                rotor(*train, "--set", f"lora.targets=[{','.join(targets)}]", "--name", run)
                merged = check(run, source, ", ".join(targets))
                again = PeftModel.from_pretrained(load(f"{name}-again"), f"{run}-adapter").eval()
                assert distance(logits(again), merged) < 1e-5
                # The configuration says which model the adapter is of.
                alone = AutoPeftModelForCausalLM.from_pretrained(f"{run}-adapter", dtype=torch.float32, attn_implementation="eager").eval()
                assert distance(logits(alone), merged) < 1e-5
        rotor("train", "--from", "llama-all", "--lora", "2", *TRAINING, "--name", "second")
        check("second", "llama-all-merged", "of a run")
        averaged = ["--set", "optimizer.kind=schedule-free-adamw"]
        rotor("train", "--from", "llama", "--lora", "2", *averaged, *TRAINING, "--name", "averaged")
        check("averaged", "llama", "averages of an optimizer")


main()
