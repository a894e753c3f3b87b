"""Trains Hugging Face's byte-level BPE on texts, and encodes them with a tokenizer.json, on one thread: a line of JSON with seconds of the
processor.

usage: tokenizer.py TEXTS.json VOCABULARY TOKENIZER.json
"""
import json
import os
import sys
import time
import zlib

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
import tokenizers
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

texts_file, size, tokenizer_file = sys.argv[1:]
with open(texts_file, encoding="utf-8") as file:
    texts = json.load(file)


def seconds(work):
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def train():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=int(size),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|endoftext|>"],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer.get_vocab_size()


# Offsets are left out, as Rotor has none: the faster of its two ways.
def encode():
    return Tokenizer.from_file(tokenizer_file).encode_batch_fast(texts)


training, _ = seconds(train)
encoding, encodings = seconds(encode)
checksum = 0
for one in encodings:
    checksum = zlib.crc32(b"".join(id.to_bytes(4, "little") for id in one.ids), checksum)
print(
    json.dumps(
        {
            "version": tokenizers.__version__,
            "training": training,
            "encoding": encoding,
            "numIds": sum(len(one.ids) for one in encodings),
            "checksum": checksum,
        }
    )
)
