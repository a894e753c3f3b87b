"""Writes tables of texts with the programs that people write them with, into src/data/testing/tables, and expected.json beside: their texts.

Run: python scripts/references/dataTables.py  (pyarrow 26.0.1, pandas 3.1.1, datasets 5.2.0, zstandard 0.25.0)
"""

import gzip
import json
import os
import shutil
import tempfile

import datasets
import pandas
import pyarrow
import pyarrow.parquet as pq
import zstandard
from datasets.data_files import DataFilesDict, get_data_patterns

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../src/data/testing/tables")
HARD = ["plain", "", "größer 鲸 👍🏽", "two\nlines", 'a "quoted", and a comma', "tab\there\r\nand CRLF", "\u0085\ufeff\u2028 odd"]
TEXTS = [f"{HARD[i % len(HARD)]} number {i}" if i >= len(HARD) else HARD[i] for i in range(40)]

LAYOUTS = [
    ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet", "data/validation-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"],
    ["data/train-00000-of-00001-0123456789abcdef.parquet", "data/test-00000-of-00001-0123456789abcdef.parquet"],
    ["data/train_sft-00000-of-00001.parquet", "data/test_sft-00000-of-00001.parquet"],
    ["train.jsonl", "dev.jsonl", "test.jsonl"],
    ["train.jsonl.zst", "val.jsonl.zst"],
    ["training/a.jsonl", "training/b.jsonl", "valid/c.jsonl"],
    ["squad_train.csv", "squad-dev.csv"],
    ["part-train-0.jsonl", "part-train-1.jsonl", "part-eval-0.jsonl"],
    ["train_0.jsonl", "train_1.jsonl", "validation_0.jsonl"],
    ["a.jsonl", "b.jsonl"],
    ["train.jsonl"],
    ["train.txt", "test.txt"],
    ["latest.jsonl", "trainer.jsonl"],
]


def splits(names):
    """Files of each split, as datasets finds them."""
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
            open(os.path.join(folder, name), "w").close()
        found = DataFilesDict.from_patterns(get_data_patterns(folder), base_path=folder)
        return {str(split): [os.path.relpath(file, os.path.realpath(folder)) for file in files] for split, files in found.items()}


def table(texts, **more):
    return pyarrow.table({"id": list(range(len(texts))), "text": texts} | more)


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    os.makedirs(OUT)
    os.chdir(OUT)
    expected = {}

    def parquet(name, data, **options):
        pq.write_table(data, name, **options)
        expected[name] = data["text"].to_pylist()

    for codec in ["none", "snappy", "gzip", "zstd", "brotli"]:
        parquet(f"{codec}.parquet", table(TEXTS), compression=codec)
    parquet("groups.parquet", table(TEXTS), compression="none", row_group_size=7, data_page_size=64, use_dictionary=False, write_page_checksum=True)
    # Some pages of the dictionary, then plain ones: the dictionary is full.
    parquet("dictionary.parquet", table([TEXTS[i % 9] for i in range(200)]), dictionary_pagesize_limit=64, data_page_size=128, write_batch_size=16)
    parquet("pages2.parquet", table(TEXTS), data_page_version="2.0", compression="zstd", data_page_size=64, write_batch_size=8)
    parquet("delta.parquet", table(TEXTS), use_dictionary=False, column_encoding={"text": "DELTA_BYTE_ARRAY", "id": "PLAIN"}, data_page_version="2.0")
    parquet("delta-length.parquet", table(TEXTS), use_dictionary=False, column_encoding={"text": "DELTA_LENGTH_BYTE_ARRAY", "id": "PLAIN"})
    large = pyarrow.table({"text": pyarrow.array(TEXTS, pyarrow.large_string())})
    parquet("large.parquet", large)
    parquet("view.parquet", pyarrow.table({"text": pyarrow.array(TEXTS, pyarrow.string_view())}))
    required = pyarrow.schema([pyarrow.field("text", pyarrow.string(), nullable=False)])
    parquet("required.parquet", pyarrow.table({"text": TEXTS}, schema=required))
    parquet("empty.parquet", table([]).cast(pyarrow.schema([("id", pyarrow.int64()), ("text", pyarrow.string())])))
    messages = [[{"role": "user", "content": text}, {"role": "assistant", "content": text[::-1]}] for text in TEXTS]
    parquet("nested.parquet", table(TEXTS, messages=messages), row_group_size=11)
    json.dump(messages, open("messages.json", "w"))
    pandas.DataFrame({"text": TEXTS, "label": pandas.Categorical([text[:3] for text in TEXTS])}).to_parquet("pandas.parquet")
    expected["pandas.parquet"] = TEXTS
    datasets.Dataset.from_dict({"id": list(range(40)), "text": TEXTS}).to_parquet("datasets.parquet", batch_size=9)
    expected["datasets.parquet"] = TEXTS

    # What is to be refused.
    pq.write_table(table(TEXTS), "lz4.parquet", compression="lz4")
    pq.write_table(table(["a", "b", None, "d"]), "null.parquet")
    pq.write_table(pyarrow.table({"text": pyarrow.array([b"fine", b"\xff\xfe"], pyarrow.binary())}), "bytes.parquet")

    datasets.Dataset.from_dict({"text": TEXTS}).to_json("datasets.jsonl")
    lines = open("datasets.jsonl", "rb").read()
    expected["datasets.jsonl"] = TEXTS
    with open("lines.jsonl.gz", "wb") as f:
        f.write(gzip.compress(lines, mtime=0))
    # Two members, one after the other, as `cat a.gz b.gz` makes; two frames likewise.
    half = lines.index(b"\n", len(lines) // 2) + 1
    with open("members.jsonl.gz", "wb") as f:
        f.write(gzip.compress(lines[:half], mtime=0) + gzip.compress(lines[half:], mtime=0))
    with open("lines.jsonl.zst", "wb") as f:
        f.write(zstandard.ZstdCompressor(write_content_size=False).compress(lines))
    with open("frames.jsonl.zst", "wb") as f:
        # With a frame to be skipped before and behind, as pzstd and the seekable format have.
        skipped = (0x184D2A50).to_bytes(4, "little") + (5).to_bytes(4, "little") + b"12345"
        f.write(skipped + zstandard.compress(lines[:half]) + zstandard.compress(lines[half:]) + skipped)
    for name in ["lines.jsonl.gz", "members.jsonl.gz", "lines.jsonl.zst", "frames.jsonl.zst"]:
        expected[name] = TEXTS

    frame = pandas.DataFrame({"id": range(40), "text": TEXTS, "more": "x"})
    frame.to_csv("pandas.csv", index=False)
    frame.to_csv("windows.csv", index=False, lineterminator="\r\n", encoding="utf-8-sig")
    frame.to_csv("quoted.csv", index=False, quoting=1)
    frame.to_csv("tabs.tsv", index=False, sep="\t")
    frame.to_csv("pandas.csv.gz", index=False, compression={"method": "gzip", "mtime": 0})
    # As CSV is read by pandas: a carriage return in quotation marks stays.
    for name in ["pandas.csv", "windows.csv", "quoted.csv", "tabs.tsv", "pandas.csv.gz"]:
        sep = "\t" if name.endswith("tsv") else ","
        back = pandas.read_csv(name, sep=sep, keep_default_na=False)["text"].tolist()
        assert back == TEXTS, name
        expected[name] = TEXTS

    json.dump(
        {
            "generator": "scripts/references/dataTables.py",
            "versions": {"pyarrow": pyarrow.__version__, "pandas": pandas.__version__, "datasets": datasets.__version__, "zstandard": zstandard.__version__},
            "texts": expected,
            "layouts": [{"files": names, "splits": splits(names)} for names in LAYOUTS],
        },
        open("expected.json", "w"),
        ensure_ascii=False,
    )


main()
