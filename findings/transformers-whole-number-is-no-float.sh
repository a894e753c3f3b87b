#!/usr/bin/env bash
# Transformers: a config.json in which a whole number stands for a fraction can't be loaded: `"final_logit_softcapping": 20` is an error, `20.0` is none.
#
# Guess: JSON has one kind of number; 20 and 20.0 are the same, and JSON.stringify(20.0) of JavaScript, jq and others write 20.
# Really: since version 5 the types of a configuration's fields are checked as Python's: an int is no float. Files that were written elsewhere fail, and
#   only where a value happens to be whole.
# Seen: transformers 5.24.0: Gemma 3 with 20 raises StrictDataclassFieldValidationError, with 20.0 it loads; rms_norm_eps 1 of Llama too.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet transformers==5.24.0
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import transformers
from transformers import AutoConfig

seen = {}
for kind, key, value in (("gemma3_text", "final_logit_softcapping", "20"), ("llama", "rms_norm_eps", "1")):
    for text in (f"{value}.0", value):
        with open("config.json", "w") as f:
            f.write(f'{{"model_type": "{kind}", "{key}": {text}}}')
        try:
            AutoConfig.from_pretrained(".")
            seen[f"{key} {text}"] = "loads"
        except Exception as error:
            seen[f"{key} {text}"] = type(error).__name__
print(f"transformers {transformers.__version__}")
print("guess: all load")
print(f"really: {seen}")
expected = ["loads", "StrictDataclassFieldValidationError"]
raise SystemExit(0 if list(seen.values()) == expected * 2 else "changed")
PY
