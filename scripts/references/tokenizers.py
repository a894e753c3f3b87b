"""Writes src/data/bpe.reference.json: ids that Hugging Face's tokenizers gives with a vocabulary that Rotor trained.

Run: python scripts/references/tokenizers.py  (tokenizers 0.23.3; Node 24 as `node`)
"""

import json
import os
import subprocess
import sys

# This file has the name of the package it needs.
sys.path = [p for p in sys.path if os.path.abspath(p) != os.path.dirname(os.path.abspath(__file__))]
import tokenizers  # noqa: E402

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
CORPUS = [
    "Call me Ishmael. Some years ago—never mind how long precisely—having little or no money in my purse, and nothing "
    "particular to interest me on shore, I thought I would sail about a little and see the watery part of the world.",
    "It's the captain's; they'll see what we've said. Don't!  Two  spaces,\ttabs\n\nand lines: 1851, 3.14.",
    "der Wal, größer als je; le cœur léger; кит и море; 鲸鱼在海里游。 🐋🐋",
]
TEXTS = CORPUS + [
    "",
    " ",
    "   leading and trailing   ",
    "\n\n\n",
    "unseen wörds: naïve façade, Straße, ½ + ² = №",
    "emoji 👩‍👩‍👧 family, flags 🇩🇪, e\u0301 combining",
    "12345 1,000.50 x86_64 a'b 'tis I'D",
    "mixed　ideographic space\u00a0and\u2003em space\u200b",
    "العربية والبحر 한국어 हिन्दी",
]

script = f"""
import {{ trainBpe }} from "./src/data/bpe.ts";
console.log(JSON.stringify(trainBpe({json.dumps(CORPUS)}, 400)));
"""
tokenizer = json.loads(
    subprocess.run(["node", "--input-type=module", "-e", script], cwd=ROOT, check=True, capture_output=True, text=True).stdout
)
reference = tokenizers.Tokenizer.from_str(json.dumps(tokenizer))
output = {
    "generator": "scripts/references/tokenizers.py",
    "versions": {"tokenizers": tokenizers.__version__},
    "corpus": CORPUS,
    "vocabSize": 400,
    "cases": [{"text": text, "ids": reference.encode(text).ids} for text in TEXTS],
}
with open(os.path.join(ROOT, "src/data/bpe.reference.json"), "w") as f:
    json.dump(output, f, ensure_ascii=False, separators=(",", ":"))
    f.write("\n")
