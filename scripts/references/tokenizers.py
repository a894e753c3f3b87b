"""Writes src/data/bpeTokenizer.reference.json: ids that Hugging Face's tokenizers gives with a vocabulary that Rotor trained, with one of its own
trainer, and with variants of that file, most of which give other ids.

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
    # White space of Unicode that JavaScript's \\s doesn't know, and the other way round.
    "next\u0085line \u0085 \ufeffmark \ufeff\ufeff\u2028para\u2029graph\u180evowel",
    "CRLF\r\nand\r\n\r\n  more\r",
    # Letters and numbers of Unicode 17, which JavaScript knows and these regular expressions don't, and neighbours that both know.
    "".join(
        f"a{chr(c)}1{chr(c)} "
        for first, last in [
            (0x88F, 0x88F), (0xC5C, 0xC5C), (0xCDC, 0xCDC), (0xA7CE, 0xA7CF), (0xA7D2, 0xA7D2), (0xA7D4, 0xA7D4), (0xA7F1, 0xA7F1),
            (0x10940, 0x10959), (0x10EC5, 0x10EC7), (0x11DB0, 0x11DDB), (0x11DE0, 0x11DE9), (0x16EA0, 0x16EB8), (0x16EBB, 0x16ED3),
            (0x16FF2, 0x16FF3), (0x16FF4, 0x16FF6), (0x187F8, 0x187FF), (0x18D09, 0x18D1E), (0x18D80, 0x18DF2), (0x1E6C0, 0x1E6DE),
            (0x1E6E0, 0x1E6E2), (0x1E6E4, 0x1E6E5), (0x1E6E7, 0x1E6ED), (0x1E6F0, 0x1E6F4), (0x1E6FE, 0x1E6FF),
            (0x2B73A, 0x2B73F), (0x2CEA2, 0x2CEAD), (0x323B0, 0x33479),
        ]
        for c in sorted({first - 1, first, last, last + 1})
    ),
    # The name of a special token.
    "<|endoftext|>one<|endoftext|> two <|endoftext|><|endoftext|",
]

script = f"""
import {{ trainBpe }} from "./src/data/trainBpe.ts";
console.log(JSON.stringify(trainBpe({json.dumps(CORPUS)}, 400)));
"""
own = json.loads(
    subprocess.run(["node", "--input-type=module", "-e", script], cwd=ROOT, check=True, capture_output=True, text=True).stdout
)


def cases(file):
    reference = tokenizers.Tokenizer.from_str(json.dumps(file))
    return [{"text": text, "ids": reference.encode(text).ids} for text in TEXTS]


def trained(special):
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = tokenizers.processors.ByteLevel(trim_offsets=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=special,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return json.loads(tokenizer.to_str())


first = trained(["<|endoftext|>"])
# Byte 0 has id 188 here, and nothing ends a document.
plain = trained([])
plain["decoder"] = None
several = trained(["<pad>", "<|endoftext|>", "<|endo"])
# Merges that join a letter or a digit with the first byte of what follows: ids tell whether the two are one word.
crossing = json.loads(json.dumps(own))
NAME = {id: name for name, id in own["model"]["vocab"].items()}
PAIRS = [[NAME[ord(a)], NAME[byte]] for a in "a1" for byte in (0xE0, 0xE1, 0xEA, 0xF0)]
crossing["model"]["merges"] = PAIRS
crossing["model"]["vocab"] = {name: id for id, name in enumerate([NAME[i] for i in range(256)] + ["".join(pair) for pair in PAIRS])}
crossing["model"]["vocab"]["<|endoftext|>"] = crossing["added_tokens"][0]["id"] = 256 + len(PAIRS)
ADDED = first["added_tokens"][0]
GPT4 = r"(?i:'[sdmt]|'ll|'ve|'re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
# Path of a field, and what it becomes: None stands for JSON's null.
VARIANTS = [
    (["normalizer"], {"type": "Lowercase"}),
    (["normalizer"], {"type": "NFKC"}),
    (["normalizer"], {"type": "Prepend", "prepend": "_"}),
    (["pre_tokenizer", "add_prefix_space"], True),
    (["pre_tokenizer", "use_regex"], False),
    (["pre_tokenizer", "trim_offsets"], False),
    (["pre_tokenizer"], None),
    (["pre_tokenizer"], {"type": "Whitespace"}),
    (
        ["pre_tokenizer"],
        {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": GPT4}, "behavior": "Isolated", "invert": False},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
            ],
        },
    ),
    (
        ["pre_tokenizer"],
        {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Digits", "individual_digits": True},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
            ],
        },
    ),
    (["post_processor"], None),
    (
        ["post_processor"],
        {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [ADDED["id"]], "tokens": ["<|endoftext|>"]}},
        },
    ),
    (["truncation"], {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0}),
    (
        ["padding"],
        {
            "strategy": {"Fixed": 64},
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": 0,
            "pad_type_id": 0,
            "pad_token": "<|endoftext|>",
        },
    ),
    (["added_tokens", 0, "lstrip"], True),
    (["added_tokens", 0, "rstrip"], True),
    (["added_tokens", 0, "single_word"], True),
    (["added_tokens", 0, "normalized"], True),
    (["added_tokens"], [ADDED, {**ADDED, "id": 320, "content": "captain", "special": False}]),
    (["model", "dropout"], 0.5),
    (["model", "ignore_merges"], True),
    (["model", "byte_fallback"], True),
    (["model", "unk_token"], "<|endoftext|>"),
    (["model", "fuse_unk"], True),
    (["model", "end_of_word_suffix"], "</w>"),
    (["model", "continuing_subword_prefix"], ""),
    (["model", "merges"], list(reversed(first["model"]["merges"]))),
    (["model", "merges"], first["model"]["merges"][1:]),
]


def variant(path, value):
    file = json.loads(json.dumps(first))
    place = file
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    try:
        found = cases(file)
    except Exception as error:  # tokenizers refuses the file itself
        found = str(error)
    return {"path": path, "value": value, "cases": found}


output = {
    "generator": "scripts/references/tokenizers.py",
    "versions": {"tokenizers": tokenizers.__version__},
    "corpus": CORPUS,
    "vocabSize": 400,
    "cases": cases(own),
    "foreign": [{"file": file, "cases": cases(file)} for file in (first, several, plain, crossing)],
    "variants": [variant(path, value) for path, value in VARIANTS],
}
with open(os.path.join(ROOT, "src/data/bpeTokenizer.reference.json"), "w") as f:
    json.dump(output, f, ensure_ascii=False, separators=(",", ":"))
    f.write("\n")
