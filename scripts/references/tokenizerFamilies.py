"""Writes src/data/tokenizerFamilies.reference.json: tokenizer.json files as families of models have them, and the ids of hard texts.

Run: python scripts/references/tokenizerFamilies.py  (tokenizers 0.23.1)
Vocabularies are learned from a small text, so that files are small; normalizers, pre-tokenizers, post-processors and decoders are those of the
families named.
"""

import json
import os
import sys

sys.path = [p for p in sys.path if os.path.abspath(p) != os.path.dirname(os.path.abspath(__file__))]
import tokenizers  # noqa: E402
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers  # noqa: E402

CORPUS = ["the whale and the sea, don't they'll we've 1234 it's a ship of the sea. café naïve 中文字 def f(x):\n    return x\r\n"] * 4
TEXTS = {
    "words": "the whale and the ship, of the sea.",
    "digits": "1 12 123 1234 12345 3.14159 1,000,000 x1y22 ١٢٣",
    "contractions": "don't DON'T they'll WE'VE it's I'm he'd 'tis rock'n'roll",
    "line ends": "a\r\nb\n\nc\r\n\r\n  d\n \n e\t\tf \n",
    "runs of spaces": "a  b   c    d     \n        return x   ",
    "leading spaces": "  the sea",
    "CJK": "中文字符の漢字カタカナ 한국어 。「」",
    "next line": "a\u0085b \u0085 c\u0085\u0085d",
    "byte-order mark": "\ufeffthe\ufeff sea \ufeff",
    "other spaces": "a\u00a0b\u2003c\u200bd\u3000e\u2028f\u000bg",
    "accents": "cafe\u0301 café naïve Å \u212b ﬁ ½",
    "emoji": "👍🏽 👨‍👩‍👧 🇩🇪 ☃️",
    "code": "if (x_1 != y){ return -1; } // don't\n\t#include <a.h>",
    "specials": "a<|endoftext|>b <|endoftext|> c<s>d</s>",
    "control": "a\u0000b\u001fc\u007f",
    "capitals": "The WHALE and the ÉCOLE Straße İI",
    "punctuation": "a!b?c…«d»—e¿f`g^h$i+j=k~l|m<n>",
    "widths": "ｆｕｌｌ　ｗｉｄｔｈ ①② \u0301abc a\u0300\u0327b",
    "masks": "the [MASK] sea  <mask>  x<mask>y [SEP] [UNK]",
    "empty": "",
    "space": " ",
}
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")


def train(normalizer, pre, decoder, post=None, size=300, byte_level=True, specials=("<|endoftext|>",), **model):
    t = Tokenizer(models.BPE(**model))
    if normalizer is not None:
        t.normalizer = normalizer
    if pre is not None:
        t.pre_tokenizer = pre
    t.decoder = decoder
    if byte_level:
        trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=list(specials), initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False)
    else:
        trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=[*specials, *(f"<0x{b:02X}>" for b in range(256))], limit_alphabet=60, show_progress=False)
    t.train_from_iterator(CORPUS, trainer)
    if not byte_level:
        # Bytes of unknown characters are plain tokens of the model, not special ones.
        data = json.loads(t.to_str())
        data["added_tokens"] = [a for a in data["added_tokens"] if not a["content"].startswith("<0x")]
        t = Tokenizer.from_str(json.dumps(data))
    if post is not None:
        t.post_processor = post(t)
    return t


bytes_only = lambda **k: pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False, **k)  # noqa: E731
split = lambda pattern: pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), behavior="isolated"), bytes_only()])  # noqa: E731
bos = lambda t: processors.TemplateProcessing(single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", t.token_to_id("<|endoftext|>"))])  # noqa: E731
piece = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])


def neox():
    t = train(normalizers.NFC(), pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel())
    t.add_tokens([AddedToken(" " * n, normalized=True) for n in range(6, 1, -1)])
    t.add_special_tokens(["<|padding|>"])
    return t


def learned(model, trainer, normalizer, pre, decoder, post=None, added=()):
    """A tokenizer of another model than BPE."""
    t = Tokenizer(model)
    if normalizer is not None:
        t.normalizer = normalizer
    t.pre_tokenizer = pre
    t.decoder = decoder
    t.train_from_iterator(CORPUS, trainer)
    t.add_tokens(list(added))
    if post is not None:
        t.post_processor = post(t)
    return t


def unigram(normalizer, pre, decoder, **parts):
    trainer = trainers.UnigramTrainer(vocab_size=120, special_tokens=["<unk>", "<s>", "</s>"], unk_token="<unk>", show_progress=False)
    return learned(models.Unigram(), trainer, normalizer, pre, decoder, **parts)


def word_piece(normalizer, post, cleanup):
    trainer = trainers.WordPieceTrainer(vocab_size=160, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False)
    return learned(models.WordPiece(unk_token="[UNK]"), trainer, normalizer, pre_tokenizers.BertPreTokenizer(), decoders.WordPiece(cleanup=cleanup), post)


around = lambda a, b: lambda t: processors.TemplateProcessing(single=f"{a} $A {b}", special_tokens=[(x, t.token_to_id(x)) for x in (a, b)])  # noqa: E731
of_bert = lambda t: processors.BertProcessing(("[SEP]", t.token_to_id("[SEP]")), ("[CLS]", t.token_to_id("[CLS]")))  # noqa: E731


FAMILIES = {
    "GPT-2": train(None, pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel(), lambda t: processors.ByteLevel(trim_offsets=False)),
    "GPT-2 with a prefix space": train(None, pre_tokenizers.ByteLevel(add_prefix_space=True), decoders.ByteLevel()),
    "Llama 3": train(None, split(LLAMA3), decoders.ByteLevel(), bos, ignore_merges=True),
    "Qwen2": train(normalizers.NFC(), split(QWEN), decoders.ByteLevel()),
    "SmolLM": train(None, pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]), decoders.ByteLevel()),
    "GPT-NeoX": neox(),
    "Llama 2": train(normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]), None, piece, size=380, byte_level=False, specials=("<unk>", "<s>", "</s>"), unk_token="<unk>", fuse_unk=True, byte_fallback=True),
    "Mistral, Metaspace": train(None, pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False), piece, size=380, byte_level=False, specials=("<unk>", "<s>", "</s>"), unk_token="<unk>", fuse_unk=True, byte_fallback=True),
    "Gemma": train(normalizers.Replace(" ", "▁"), pre_tokenizers.Split(" ", "merged_with_previous"), decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]), size=380, byte_level=False, specials=("<pad>", "<eos>", "<bos>", "<unk>"), unk_token="<unk>", fuse_unk=True, byte_fallback=True),
    "Normalizers in a row": train(normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(), normalizers.Replace(Regex(r"\p{N}"), "0")]), pre_tokenizers.Sequence([pre_tokenizers.Punctuation("contiguous"), bytes_only()]), decoders.ByteLevel()),
    "NFD, punctuation alone": train(normalizers.NFD(), pre_tokenizers.Sequence([pre_tokenizers.Punctuation(), bytes_only()]), decoders.ByteLevel()),
    "Unigram": unigram(normalizers.NFKC(), pre_tokenizers.Metaspace(), decoders.Metaspace(), post=around("<s>", "</s>")),
    "Unigram, a mask that takes spaces before it": unigram(None, pre_tokenizers.Metaspace(prepend_scheme="first"), decoders.Metaspace(prepend_scheme="first"), added=[AddedToken("<mask>", lstrip=True, special=True)]),
    "BERT, uncased": word_piece(normalizers.BertNormalizer(), around("[CLS]", "[SEP]"), True),
    "BERT, cased": word_piece(normalizers.BertNormalizer(lowercase=False, handle_chinese_chars=False), of_bert, False),
}
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../src/data/tokenizerFamilies.reference.json")
with open(path, "w") as f:
    json.dump(
        {
            "generator": "scripts/references/tokenizerFamilies.py",
            "versions": {"tokenizers": tokenizers.__version__},
            "texts": TEXTS,
            "families": [
                {
                    "name": name,
                    "file": json.loads(t.to_str()),
                    "ids": {text: t.encode(value, add_special_tokens=False).ids for text, value in TEXTS.items()},
                    "special": {text: t.encode(value).ids for text, value in TEXTS.items()},
                    "decoded": {text: t.decode(t.encode(value, add_special_tokens=False).ids, skip_special_tokens=True) for text, value in TEXTS.items()},
                }
                for name, t in FAMILIES.items()
            ],
        },
        f,
        ensure_ascii=True,
        separators=(",", ":"),
    )
    f.write("\n")
