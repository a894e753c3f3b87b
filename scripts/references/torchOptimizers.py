"""Writes src/exchange/testing/optimizers: trainings that PyTorch began, with its optimizers' state, and the losses of going on, there and in Rotor.

Run: PATH=node_modules/.bin:$PATH python scripts/references/torchOptimizers.py  (torch 2.15.0, transformers 5.24.0, safetensors 0.8.0)
PyTorch does BEGUN steps and saves model and state by the functions of docs/exchange.md, then does MORE steps. Rotor imports them, does as many,
and exports model and state; PyTorch loads these and does MORE steps again. Batches are those of Rotor's sampler. Muon is also run with
Newton-Schulz iterations in float32 instead of bfloat16.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

here = os.path.dirname(os.path.abspath(__file__))
sys.path = [p for p in sys.path if os.path.abspath(p) != here]
import safetensors  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from transformers import AutoConfig, AutoModelForCausalLM  # noqa: E402

ROOT = os.path.join(here, "../..")
MAIN = os.path.join(ROOT, "src/cli/main.ts")
OUT = os.path.abspath(os.path.join(ROOT, "src/exchange/testing/optimizers"))
TOKENIZER = os.path.abspath(os.path.join(ROOT, "src/exchange/testing/models/tokenizer.json"))
BEGUN, MORE, BATCH, LENGTH = 5, 20, 4, 16
OPTIONS = {"vocab_size": 288, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}
OPTIONS |= {"max_position_embeddings": 64, "tie_word_embeddings": True, "bos_token_id": 0, "eos_token_id": 0, "rope_parameters": {"rope_type": "default", "rope_theta": 500.0}}
WORDS = "the whale and a ship of the sea, captain saw it's storm! In harbour by night 1851 crew\n".split(" ")
SETS = [f"training.batchSize={BATCH}", f"training.length={LENGTH}", "data.source=text.txt", "training.evalBatches=1", "training.sampleTokens=0", "training.threads=1"]

with open(os.path.join(ROOT, "docs/exchange.md")) as f:
    # What the documentation says is what is run.
    exec(next(code for code in re.findall(r"```python\n(.*?)```", f.read(), re.S) if "def save_optimizers" in code))


def text():
    state, words = 1, []
    for _ in range(2000):
        state = (state * 1103515245 + 12345) % 2**31
        words.append(WORDS[(state >> 16) % len(WORDS)])
    return " ".join(words)


def rotor(*args):
    result = subprocess.run(["node", MAIN, *args], capture_output=True, text=True)
    assert result.returncode == 0, (args, result.stderr)
    return result.stdout


def batches(count):
    program = f"""
    import {{ BatchSampler, openTokenDataset }} from "{os.path.abspath(ROOT)}/src/data/index.ts";
    using data = await openTokenDataset({{ source: "text.txt", tokenizer: "{TOKENIZER}", validationFraction: 0.05, seed: 0, cacheDirectory: "cache" }});
    const sampler = new BatchSampler({{ source: data.train, batchSize: {BATCH}, length: {LENGTH}, seed: 0 }});
    console.log(JSON.stringify(Array.from({{ length: {count} }}, (_, step) => [...sampler.batch(step)])));
    """
    result = subprocess.run(["node", "--input-type=module-typescript", "-e", program], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return torch.tensor(json.loads(result.stdout)).reshape(count, BATCH, LENGTH + 1)


def adamw(model):
    return [torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.1)]


def muon(model):
    hidden = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    norms = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": [model.get_input_embeddings().weight], "weight_decay": 0.2}, {"params": norms, "lr": 1e-3, "weight_decay": 0.0}]
    return [torch.optim.Muon(hidden, lr=0.01, weight_decay=0.1), torch.optim.AdamW(groups, lr=3e-3, betas=(0.9, 0.95))]


def steps(model, optimizers, data):
    losses = []
    for batch in data:
        logits = model(batch[:, :-1], use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), batch[:, 1:].reshape(-1))
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        losses.append(float(f"{loss.item():.8g}"))
    return losses


def in_float32(grad, coefficients, count, eps):
    a, b, c = coefficients
    x = grad.T if grad.size(0) > grad.size(1) else grad
    x = x / x.norm().clamp(min=eps)
    for _ in range(count):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if grad.size(0) > grad.size(1) else x


def load(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")




def main():
    shutil.rmtree(OUT, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        with open("text.txt", "w") as f:
            f.write(text())
        data = batches(BEGUN + 2 * MORE)
        for name, make in {"adamw": adamw, "muon": muon}.items():
            torch.manual_seed(7)
            model = AutoModelForCausalLM.from_config(AutoConfig.for_model("qwen3", **OPTIONS), attn_implementation="eager")
            optimizers = make(model)
            steps(model, optimizers, data[:BEGUN])
            model.save_pretrained(name)
            if os.path.exists(f"{name}/generation_config.json"):
                os.remove(f"{name}/generation_config.json")
            save_optimizers(f"{name}/optimizer.safetensors", model, *optimizers)
            shutil.copytree(name, f"{OUT}/{name}")
            shutil.copy(TOKENIZER, name)

            series = {"bfloat16": torch.optim._muon._zeropower_via_newtonschulz, "float32": in_float32}
            forward, back = {}, {}
            rotor("import", name, "--optimizer", f"{name}/optimizer.safetensors")
            more = [part for one in SETS for part in ("--set", one)]
            rotor("train", "--continue", name, "--steps", str(MORE), *more, "--name", f"{name}-more")
            rotor("export", f"{name}-more", "--to", "huggingface", "--optimizer", "-o", f"{name}-back")
            for kind, iteration in series.items():
                torch.optim._muon._zeropower_via_newtonschulz = iteration
                fresh = load(name)
                forward[kind] = steps(fresh, load_optimizers(f"{name}/optimizer.safetensors", fresh).values(), data[BEGUN : BEGUN + MORE])
                if kind == "bfloat16":
                    # A state that was saved and loaded is the one that went on.
                    assert forward[kind] == steps(model, optimizers, data[BEGUN : BEGUN + MORE])
                again = load(f"{name}-back")
                back[kind] = steps(again, load_optimizers(f"{name}-back/optimizer.safetensors", again).values(), data[BEGUN + MORE :])
            torch.optim._muon._zeropower_via_newtonschulz = series["bfloat16"]
            if name == "adamw":
                forward, back = ({"float32": own["float32"]} for own in (forward, back))
            with open(f"{OUT}/{name}/expected.json", "w") as f:
                json.dump(
                    {
                        "generator": "scripts/references/torchOptimizers.py",
                        "versions": {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__, "safetensors": safetensors.__version__},
                        "begun": BEGUN,
                        "batch": BATCH,
                        "length": LENGTH,
                        "batches": data[BEGUN:].reshape(2 * MORE, -1).tolist(),
                        # Losses of going on, in PyTorch from its own state, and from that of Rotor after as many steps.
                        "losses": forward,
                        "lossesBack": back,
                    },
                    f,
                    separators=(",", ":"),
                )
                f.write("\n")
            print(name, sorted(os.listdir(f"{OUT}/{name}")), forward, back)
        with open(f"{OUT}/text.txt", "w") as f:
            f.write(text())


main()
