#!/usr/bin/env bash
# Transformers: `attn_logit_softcapping` of Gemma 3 is documented and does nothing.
#
# Guess: as with Gemma 2, scores of attention become c·tanh(score/c); the documentation of Gemma3TextConfig says so of this key.
# Really: the attention layer keeps the number and never passes it on. Gemma 3's own checkpoints have null; whoever trains with a cap trains without.
# Seen: transformers 5.24.0, torch 2.15.0, eager attention: a cap of 0.01 changes Gemma 2's logits by up to 6.4, Gemma 3's by exactly 0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet transformers==5.24.0 torch==2.15.0
"$folder/venv/bin/python" - <<'PY'
import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

sizes = {"vocab_size": 50, "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 16, "final_logit_softcapping": None, "pad_token_id": None, "bos_token_id": None, "eos_token_id": None}
tokens = torch.arange(12)[None]


def logits(kind, cap):
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, attn_logit_softcapping=cap, initializer_range=1.0, **sizes)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        return model(tokens).logits


seen = {kind: (logits(kind, None) - logits(kind, 0.01)).abs().max().item() for kind in ("gemma2", "gemma3_text")}
print(f"transformers {transformers.__version__}, torch {torch.__version__}")
print("guess: a cap of 0.01 changes the logits of both")
print(f"really: largest change of a logit {seen}")
raise SystemExit(0 if seen["gemma2"] > 0.1 and seen["gemma3_text"] == 0 else "changed: the cap is used")
PY
