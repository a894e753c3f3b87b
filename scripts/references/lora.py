"""Writes src/exchange/testing/adapters: random adapters of the models beside, saved by PEFT, with logits, gradients and 20 steps of AdamW.

Run: python scripts/references/lora.py  (peft 0.21.2, transformers 5.24.0, torch 2.15.0)
"""

import json
import os
import shutil
import sys

sys.path = [p for p in sys.path if os.path.abspath(p) != os.path.dirname(os.path.abspath(__file__))]
import peft  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from peft import LoraConfig, get_peft_model  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../src/exchange/testing")
STEPS, BATCH, LENGTH = 20, 2, 16
# name: options
CASES = {
    "llama": {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"]},
    "qwen3": {"r": 3, "lora_alpha": 6, "use_rslora": True, "target_modules": "all-linear"},
    "gpt2": {"r": 2, "lora_alpha": 2, "target_modules": ["c_attn", "c_proj", "c_fc"], "fan_in_fan_out": True},
}


def main():
    out = os.path.join(HERE, "adapters")
    shutil.rmtree(out, ignore_errors=True)
    for i, (name, options) in enumerate(CASES.items()):
        torch.manual_seed(100 + i)
        folder = os.path.join(HERE, "models", name)
        with open(os.path.join(folder, "expected.json")) as f:
            ids = json.load(f)["tokens"]
        base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
        base.name_or_path = base.config._name_or_path = name
        model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", **options))
        for path, value in model.named_parameters():
            if "lora_" in path:
                torch.nn.init.normal_(value, std=0.2)
        model.peft_config["default"].base_model_name_or_path = name
        target = os.path.join(out, name)
        model.save_pretrained(target)
        os.remove(os.path.join(target, "README.md"))
        model.eval()
        tokens = torch.tensor([ids])
        with torch.no_grad():
            logits = model(tokens, use_cache=False).logits[0]
        # No dropout anywhere: evaluation mode trains as well.
        trained = [value for value in model.parameters() if value.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=0.01, weight_decay=0.0)
        losses, gradients = [], {}
        for step in range(STEPS):
            starts = [(7 * step + 3 * row) % (len(ids) - LENGTH) for row in range(BATCH)]
            batch = torch.tensor([ids[s : s + LENGTH + 1] for s in starts])
            optimizer.zero_grad()
            out_logits = model(batch[:, :-1], use_cache=False).logits
            loss = torch.nn.functional.cross_entropy(out_logits.reshape(-1, out_logits.shape[-1]), batch[:, 1:].reshape(-1))
            loss.backward()
            if step == 0:
                for path, value in model.named_parameters():
                    if value.requires_grad:
                        gradients[path.replace(".default", "")] = [float(f"{value.grad.norm().item():.7g}"), *(float(f"{v:.7g}") for v in value.grad.flatten()[:3].tolist())]
            losses.append(float(f"{loss.item():.8g}"))
            optimizer.step()
        with torch.no_grad():
            after = model(tokens, use_cache=False).logits[0]
        places = [0, len(ids) - 1]
        with open(os.path.join(target, "expected.json"), "w") as f:
            json.dump(
                {
                    "generator": "scripts/references/lora.py",
                    "versions": {"peft": peft.__version__, "transformers": transformers.__version__, "torch": torch.__version__.split("+")[0]},
                    "tokens": ids,
                    "places": places,
                    "logits": [[float(f"{v:.7g}") for v in logits[p].tolist()] for p in places],
                    # Norm and first three elements of each gradient of the first batch.
                    "gradients": gradients,
                    "batch": BATCH,
                    "length": LENGTH,
                    "losses": losses,
                    "logitsAfter": [[float(f"{v:.7g}") for v in after[p].tolist()] for p in places],
                },
                f,
                separators=(",", ":"),
            )
            f.write("\n")
        print(name, sorted(os.listdir(target)), losses[0], losses[-1])


main()
