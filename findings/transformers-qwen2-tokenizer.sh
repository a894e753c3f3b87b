#!/usr/bin/env bash
# Transformers: AutoTokenizer of a folder whose config.json says qwen2 splits texts as Qwen2 does, whatever tokenizer.json and tokenizer_config.json say.
#
# Guess: tokenizer.json says how a text becomes ids, and `tokenizer_class` of tokenizer_config.json which class reads it.
# Really: for model_type qwen2 (and some thirty others) the class of the table wins over the one that is declared, and Qwen2Tokenizer takes vocabulary and
#   merges only: the file's normalizer and pre-tokenizer are replaced, without a word. Ids differ from those of the same file in `tokenizers`.
# Seen: transformers 5.24.0, tokenizers 0.23.1: "12 é" (e and a combining accent) is [257, 221, 69, 137, 224] by the file and by AutoTokenizer of llama,
#   [17, 18, 221, 128, 103] by AutoTokenizer of qwen2: digits one by one, and the accent composed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet transformers==5.24.0 tokenizers==0.23.1
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import json
import os

import tokenizers
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer

tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
tokenizer.train_from_iterator(["12 12 12"] * 9, trainers.BpeTrainer(vocab_size=260, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False))
text = "12 e\u0301"
of_file = tokenizer.encode(text).ids
seen = {}
for kind in ("llama", "qwen2"):
    os.mkdir(kind)
    tokenizer.save(f"{kind}/tokenizer.json")
    json.dump({"model_type": kind}, open(f"{kind}/config.json", "w"))
    json.dump({"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|endoftext|>"}, open(f"{kind}/tokenizer_config.json", "w"))
    loaded = AutoTokenizer.from_pretrained(kind)
    seen[kind] = loaded(text)["input_ids"], type(loaded).__name__
print(f"transformers {transformers.__version__}, tokenizers {tokenizers.__version__}")
print(f"guess: {of_file}, as tokenizer.json says, for both")
print(f"really: {seen}")
raise SystemExit(0 if seen["llama"][0] == of_file != seen["qwen2"][0] else "changed: the file is honoured")
PY
