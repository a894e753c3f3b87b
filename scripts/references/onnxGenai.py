"""Checks what `rotor export --to onnx` writes with onnxruntime-genai, and writes src/exchange/onnx/onnxGenai.reference.json: what was seen.

Run: PATH=node_modules/.bin:$PATH python scripts/references/onnxGenai.py  (onnxruntime-genai 0.18.0, onnxruntime 1.32.0)

Every model of src/exchange/testing/models is imported, exported, and continued greedily by 64 tokens: those of Transformers.
"""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile

here = os.path.dirname(os.path.abspath(__file__))
sys.path = [p for p in sys.path if os.path.abspath(p) != here]
import onnxruntime_genai  # noqa: E402

ROOT = os.path.join(here, "../..")
MAIN = os.path.join(ROOT, "src/cli/main.ts")
MODELS = os.path.join(ROOT, "src/exchange/testing/models")


def rotor(*args):
    result = subprocess.run(["node", MAIN, *args], capture_output=True, text=True)
    assert result.returncode == 0, (args, result.stderr)


def continued(folder, tokens, count):
    model = onnxruntime_genai.Model(folder)
    params = onnxruntime_genai.GeneratorParams(model)
    params.set_search_options(max_length=len(tokens) + count)
    generator = onnxruntime_genai.Generator(model, params)
    generator.append_tokens(tokens)
    made = []
    while len(made) < count and not generator.is_done():
        generator.generate_next_token()
        made.append(int(generator.get_next_tokens()[0]))
    return made


def main():
    seen = {}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name in sorted(n for n in os.listdir(MODELS) if os.path.isdir(os.path.join(MODELS, n))):
            source = os.path.join("source", name)
            shutil.copytree(os.path.join(MODELS, name), source)
            shutil.copy(os.path.join(MODELS, "tokenizer.json"), source)
            rotor("import", source)
            rotor("export", name, "--to", "onnx", "-o", name)
            expected = json.load(open(os.path.join(source, "expected.json")))
            end = json.load(open(f"{name}/genai_config.json"))["model"]["eos_token_id"]
            greedy = expected["greedy"]
            greedy = greedy[: greedy.index(end) + 1] if end in greedy else greedy
            try:
                made = continued(name, expected["tokens"], len(greedy))
                seen[name] = f"{len(made)} tokens" if made == greedy else "differs"
            except RuntimeError as error:
                seen[name] = str(error).split("\n")[0].replace(folder, "")
            print(name, seen[name])
    versions = {name: importlib.metadata.version(name) for name in ["onnxruntime-genai", "onnxruntime"]}
    with open(os.path.join(ROOT, "src/exchange/onnx/onnxGenai.reference.json"), "w") as f:
        json.dump({"generator": "scripts/references/onnxGenai.py", "versions": versions, "seen": seen}, f, indent=1)
        f.write("\n")


main()
