"""Writes src/exchange/testing/models: tiny random models of each architecture, saved by Transformers, with logits and greedy continuations.

Run: python scripts/references/exchangeModels.py  (transformers 5.24.0, torch 2.15.0, tokenizers 0.23.1, safetensors 0.8.0)
Weights are stored as they are named in CASES, and read back before they are run in float32: what is compared is what the files say.
"""

import json
import os
import shutil
import sys

sys.path = [p for p in sys.path if os.path.abspath(p) != os.path.dirname(os.path.abspath(__file__))]
import tokenizers  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers  # noqa: E402
from transformers import AutoConfig, AutoModelForCausalLM  # noqa: E402

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../src/exchange/testing/models")
VOCAB, LENGTH, NEW = 288, 38, 64
COMMON = {"vocab_size": VOCAB, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 160, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None}
THETA = {"rope_type": "default", "rope_theta": 500.0}
# name: model type, options, element type
CASES = {
    "llama": ("llama", COMMON | {"rope_parameters": THETA}, "bfloat16"),
    "llama-biases": ("llama", COMMON | {"head_dim": 16, "attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True, "rope_parameters": {"rope_type": "llama3", "rope_theta": 500.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}}, "float16"),
    "llama-yarn": ("llama", COMMON | {"tie_word_embeddings": True, "rope_parameters": {"rope_type": "yarn", "rope_theta": 500.0, "factor": 4.0, "original_max_position_embeddings": 40, "beta_fast": 16.0, "beta_slow": 2.0}}, "bfloat16"),
    "llama-linear": ("llama", COMMON | {"tie_word_embeddings": True, "rope_parameters": {"rope_type": "linear", "rope_theta": 500.0, "factor": 4.0}}, "bfloat16"),
    "llama-dynamic": ("llama", COMMON | {"tie_word_embeddings": True, "rope_parameters": {"rope_type": "dynamic", "rope_theta": 500.0, "factor": 4.0}}, "bfloat16"),
    "mistral": ("mistral", COMMON | {"tie_word_embeddings": True, "sliding_window": 12, "head_dim": 8, "rope_parameters": THETA}, "bfloat16"),
    "qwen2": ("qwen2", COMMON | {"use_sliding_window": True, "sliding_window": 12, "max_window_layers": 1, "tie_word_embeddings": True, "rope_parameters": THETA}, "bfloat16"),
    "qwen3": ("qwen3", COMMON | {"head_dim": 12, "rope_parameters": THETA}, "float32"),
    "smollm3": ("smollm3", COMMON | {"num_hidden_layers": 3, "no_rope_layer_interval": 2, "rope_parameters": THETA}, "bfloat16"),
    "gpt2": ("gpt2", {"vocab_size": VOCAB, "n_positions": 160, "n_embd": 32, "n_layer": 2, "n_head": 4, "bos_token_id": 0, "eos_token_id": 0}, "float16"),
    "olmo2": ("olmo2", COMMON | {"tie_word_embeddings": True, "rope_parameters": THETA}, "bfloat16"),
    "gemma3_text": ("gemma3_text", COMMON | {"head_dim": 12, "num_hidden_layers": 3, "sliding_window": 12, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"], "query_pre_attn_scalar": 20, "final_logit_softcapping": 20.0, "tie_word_embeddings": False, "rope_parameters": {"full_attention": {"rope_type": "linear", "rope_theta": 2000.0, "factor": 2.0}, "sliding_attention": {"rope_type": "default", "rope_theta": 100.0}}}, "bfloat16"),
    "nanochat": ("nanochat", COMMON | {"rope_parameters": THETA}, "bfloat16"),
    "arcee": ("arcee", COMMON | {"tie_word_embeddings": True, "rope_parameters": THETA}, "bfloat16"),
    "gpt_neox": ("gpt_neox", {k: v for k, v in COMMON.items() if k != "num_key_value_heads"} | {"rope_parameters": THETA | {"partial_rotary_factor": 0.5}}, "bfloat16"),
}
TEXT = """The whale swam; it's 1851 or so. "Don't they'll we've I'm" — naïve café, 12345 and 3.14.
def f(x):\n\treturn x  # two  spaces\r\n中文字 and more words, words, words of the sea, the ship, the sea and the whale of the sea."""


def save_tokenizer(path):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=VOCAB, special_tokens=["<|endoftext|>"], initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False)
    tokenizer.train_from_iterator([TEXT], trainer)
    assert tokenizer.get_vocab_size() <= VOCAB, tokenizer.get_vocab_size()
    tokenizer.save(path)
    return tokenizer


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    os.makedirs(FOLDER)
    tokenizer = save_tokenizer(os.path.join(FOLDER, "tokenizer.json"))
    ids = tokenizer.encode(TEXT).ids[:LENGTH]
    for number, (name, (kind, options, dtype)) in enumerate(CASES.items()):
        folder = os.path.join(FOLDER, name)
        torch.manual_seed(number)
        config = AutoConfig.for_model(kind, **options)
        model = AutoModelForCausalLM.from_config(config)
        with torch.no_grad():
            # As far from each other as in trained models: with 0.02 all logits are alike. Norms and biases differ from 1 and 0.
            for path, value in model.named_parameters():
                value.add_(torch.randn_like(value) * (0.25 if value.ndim == 2 else 0.1))
        model.to(getattr(torch, dtype)).save_pretrained(folder, max_shard_size="40KB" if name == "qwen3" else "5GB")
        for extra in ("generation_config.json",):
            if os.path.exists(os.path.join(folder, extra)):
                os.remove(os.path.join(folder, extra))
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        tokens = torch.tensor([ids])
        with torch.no_grad():
            logits = model(tokens, use_cache=False).logits[0]
            greedy, gaps = list(ids), []
            for _ in range(NEW):
                # No generate(): it stops at the end of the text and takes its own options.
                last = model(torch.tensor([greedy]), use_cache=False).logits[0, -1]
                best = last.topk(2).values
                gaps.append((best[0] - best[1]).item())
                greedy.append(int(last.argmax()))
        with open(os.path.join(folder, "expected.json"), "w") as f:
            json.dump(
                {
                    "generator": "scripts/references/exchangeModels.py",
                    "versions": {"transformers": transformers.__version__, "torch": torch.__version__.split("+")[0], "tokenizers": tokenizers.__version__},
                    "tokens": ids,
                    # Of the first and the last place.
                    "places": [0, LENGTH - 1],
                    "logits": [[float(f"{v:.7g}") for v in logits[place].tolist()] for place in (0, LENGTH - 1)],
                    "greedy": greedy[LENGTH:],
                    "smallestGap": min(gaps),
                },
                f,
                separators=(",", ":"),
            )
            f.write("\n")
        print(name, sorted(os.listdir(folder)), f"gap {min(gaps):.3g}", f"|logits| {logits.abs().max():.3g}", len(set(greedy[LENGTH:])))


main()
