"""Writes src/position/position.reference.json: position ids, rotary tables, frequencies and biases, by Hugging Face's Transformers.

Run: python scripts/references/position.py [python of an environment with Transformers 4.57.1]
(transformers 5.24.0, torch 2.12.1; the second environment adds the position ids of Transformers 4, whose text goes on after the largest
coordinate of all axes)

HunyuanImage-3.0 isn't in Transformers: its rule is written here anew from its published code (build_2d_rope, 2025-10).
"""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

# This folder holds scripts named after libraries that Transformers imports.
sys.path.pop(0)

import torch  # noqa: E402
import transformers  # noqa: E402

# text:<n> image:<h>x<w> video:<f>x<h>x<w>@<seconds>, sides in patches that are merged 2 by 2; Transformers wants text between grids.
DOCUMENTS = [
    "text:7",
    "text:5 image:8x12 text:3",
    "text:1 image:2x2 text:2 image:12x4 text:4 image:6x6 text:1",
    "image:4x10 text:2",
    "text:4 video:3x4x8@1 text:2",
    "text:2 video:5x4x4@2 text:3 image:6x4 text:2 video:2x6x4@1 text:1",
    "text:3 video:9x4x4@1 text:2",
]
# Transformers 4 cuts seconds to whole numbers, so these are for 5 alone.
FRACTIONAL = [
    "text:3 video:4x4x4@0.5 text:2",
    "text:2 video:7x4x6@0.3 text:2 video:3x4x4@0.1 text:1",
    "text:1 video:11x2x2@0.7 text:1 image:4x4 text:1",
]
MERGE = 2
TOKENS_PER_SECOND = 2


def parse(document):
    for word in document.split():
        kind, _, size = word.partition(":")
        size, _, seconds = size.partition("@")
        yield kind, [int(n) for n in size.split("x")], float(seconds or 1)


def split_frames(document, text_tokens):
    """Qwen3-VL writes text with the time before every frame."""
    words = []
    for kind, size, _ in parse(document):
        if kind == "video":
            for _ in range(size[0]):
                words += [f"text:{text_tokens}", f"video:1x{size[1]}x{size[2]}"]
        else:
            words.append(f"{kind}:{'x'.join(map(str, size))}")
    return " ".join(words)


VISION_START, IMAGE, VIDEO = 900, 901, 902


def inputs(document):
    """Token ids, token types and grids. In Transformers 4 a grid is announced by a token that starts it: the last one of the text before."""
    ids, types, images, videos, seconds = [], [], [], [], []
    for kind, size, second in parse(document):
        if kind == "text":
            ids += [1] * size[0]
            types += [0] * size[0]
            continue
        frames, h, w = [1, *size][-3:]
        count = frames * (h // MERGE) * (w // MERGE)
        if ids:
            ids[-1] = VISION_START
        ids += [IMAGE if kind == "image" else VIDEO] * count
        types += [1 if kind == "image" else 2] * count
        (images if kind == "image" else videos).append([frames, h, w])
        if kind == "video":
            seconds.append(second)
    grid = lambda rows: torch.tensor(rows) if rows else None
    return torch.tensor([ids]), torch.tensor([types], dtype=torch.int32), grid(images), grid(videos), torch.tensor(seconds) if seconds else None


def owner():
    vision = SimpleNamespace(spatial_merge_size=MERGE, tokens_per_second=TOKENS_PER_SECOND)
    return SimpleNamespace(config=SimpleNamespace(vision_config=vision, image_token_id=IMAGE, video_token_id=VIDEO, vision_start_token_id=VISION_START))


def position_ids(model_class, document, with_seconds):
    ids, types, images, videos, seconds = inputs(document)
    self = owner()
    kwargs = {"second_per_grid_ts": seconds} if with_seconds else {}
    if transformers.__version__.startswith("5"):
        self.get_vision_position_ids = lambda *a, **k: model_class.get_vision_position_ids(self, *a, **k)
        kwargs["mm_token_type_ids"] = types
    positions, delta = model_class.get_rope_index(self, ids, image_grid_thw=images, video_grid_thw=videos, attention_mask=torch.ones_like(ids), **kwargs)
    return {"document": document, "positions": positions[:, 0].T.flatten().tolist(), "delta": int(delta[0, 0])}


def rope_indices():
    from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLModel
    from transformers.models.qwen2_vl.modeling_qwen2_vl import Qwen2VLModel
    from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLModel

    new = transformers.__version__.startswith("5")
    # Transformers 4 finds a grid only behind text.
    documents = [d for d in DOCUMENTS if new or not d.startswith("image")]
    return {
        "transformers": transformers.__version__,
        "qwen2-vl": [position_ids(Qwen2VLModel, d, False) for d in documents],
        "qwen2.5-vl": [position_ids(Qwen2_5_VLModel, d, True) for d in documents + (FRACTIONAL if new else [])],
        "qwen3-vl": [position_ids(Qwen3VLModel, split_frames(d, 3), False) for d in documents],
    }


def padded():
    """A batch that is padded left, and one that is padded right."""
    from transformers.models.qwen2_vl.modeling_qwen2_vl import Qwen2VLModel

    rows = [inputs(d) for d in DOCUMENTS[1:4]]
    length = max(ids.shape[1] for ids, *_ in rows) + 2
    self = owner()
    self.get_vision_position_ids = lambda *a, **k: Qwen2VLModel.get_vision_position_ids(self, *a, **k)
    results = {}
    for side in ("left", "right"):
        pad = lambda row, value: torch.nn.functional.pad(row, (length - row.shape[1], 0) if side == "left" else (0, length - row.shape[1]), value=value)
        ids = torch.cat([pad(r[0], 0) for r in rows])
        mask = torch.cat([pad(torch.ones_like(r[0]), 0) for r in rows])
        positions, delta = Qwen2VLModel.get_rope_index(self, ids, torch.cat([pad(r[1], 0) for r in rows]), torch.cat([r[2] for r in rows]), None, mask)
        results[side] = {"positions": positions.permute(1, 2, 0).flatten().tolist(), "deltas": delta.flatten().tolist()}
    return {"documents": DOCUMENTS[1:4], "length": length, **results}


def hunyuan(grids, texts, head_dim):
    """Documents text, grid, text, grid, …, text; the table of angles [L, head_dim / 2]."""
    theta = (1.0 / (10000 ** (torch.arange(0, head_dim, 2).double() / head_dim))).reshape(1, head_dim // 4, 2)
    ys, xs, last = [], [], 0
    for (h, w), text in zip([*grids, (0, 0)], texts):
        ys.append(torch.arange(last, last + text))
        xs.append(torch.arange(last, last + text))
        start = last + text
        y = torch.linspace(start + (w * h - h) / 2, start + (w * h - h) / 2 + h, h + 1)[:h]
        x = torch.linspace(start + (w * h - w) / 2, start + (w * h - w) / 2 + w, w + 1)[:w]
        grid = torch.stack(torch.meshgrid(y, x, indexing="ij")).reshape(2, -1)
        ys.append(grid[0])
        xs.append(grid[1])
        last = start + w * h
    positions = torch.stack([torch.cat(ys).long(), torch.cat(xs).long()], dim=1)
    angles = (positions.unsqueeze(1) * theta).reshape(len(positions), head_dim // 2)
    words = [w for text, (h, w2) in zip(texts, [*grids, (0, 0)]) for w in ([f"text:{text}"] + ([f"image:{h}x{w2}"] if h else []))]
    return {"document": " ".join(words), "headDim": head_dim, "positions": positions.flatten().tolist(), "angles": digits(angles)}


def rotary_tables():
    """What M-RoPE makes of a query: cos and sin by the models' own modules, applied to [1, heads, L, head_dim]."""
    from transformers.models.qwen2_vl.configuration_qwen2_vl import Qwen2VLTextConfig
    from transformers.models.qwen2_vl.modeling_qwen2_vl import Qwen2VLRotaryEmbedding, apply_rotary_pos_emb
    from transformers.models.qwen3_vl.configuration_qwen3_vl import Qwen3VLTextConfig
    from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLTextRotaryEmbedding

    positions = torch.tensor([[0, 0, 0], [1, 1, 1], [2, 2, 2], [2, 2, 3], [2, 3, 2], [2, 3, 3], [7, 40, 11]]).T.unsqueeze(1)
    head_dim, heads = 16, 2
    x = torch.arange(heads * positions.shape[-1] * head_dim).float().reshape(1, heads, -1, head_dim).mul(0.37).sin()
    results = []
    for name, config, module, section in (
        ("sections", Qwen2VLTextConfig, Qwen2VLRotaryEmbedding, [2, 3, 3]),
        ("interleaved-sections", Qwen3VLTextConfig, Qwen3VLTextRotaryEmbedding, [4, 2, 2]),
    ):
        parameters = {"rope_type": "default", "rope_theta": 1000000.0, "mrope_section": section}
        made = config(hidden_size=head_dim * heads, num_attention_heads=heads, num_key_value_heads=heads, head_dim=head_dim, rope_parameters=parameters)
        cos, sin = module(made)(x, positions.clone())
        rotated, _ = apply_rotary_pos_emb(x, x, cos, sin)
        results.append({"kind": name, "sections": section, "base": 1000000, "headDim": head_dim, "heads": heads, "positions": positions[:, 0].T.flatten().tolist(), "x": digits(x.transpose(1, 2)), "rotated": digits(rotated.transpose(1, 2))})
    return results


def axial():
    """Gemma 4's vision encoder: a spectrum per axis, halves of each axis' own slice."""
    from transformers.models.gemma4.configuration_gemma4 import Gemma4VisionConfig
    from transformers.models.gemma4.modeling_gemma4 import Gemma4VisionRotaryEmbedding, apply_multidimensional_rope

    head_dim, heads = 16, 2
    positions = torch.tensor([[0, 0], [0, 1], [3, 1], [2, 40], [17, 5]]).unsqueeze(0)
    config = Gemma4VisionConfig(hidden_size=head_dim * heads, num_attention_heads=heads, head_dim=head_dim, rope_parameters={"rope_type": "axial", "rope_theta": 100.0})
    x = torch.arange(heads * positions.shape[1] * head_dim).float().reshape(1, -1, heads, head_dim).mul(0.37).sin()
    cos, sin = Gemma4VisionRotaryEmbedding(config)(x, positions)
    rotated = apply_multidimensional_rope(x, cos, sin, positions)
    return {"base": 100, "headDim": head_dim, "heads": heads, "positions": positions.flatten().tolist(), "x": digits(x), "rotated": digits(rotated)}


def scalings():
    from transformers import LlamaConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    cases = [
        ({"kind": "linear", "factor": 4.0}, {"rope_type": "linear", "factor": 4.0}, 10000.0, 64, None),
        ({"kind": "dynamic", "factor": 2.0, "maxLength": 2048, "length": 6000}, {"rope_type": "dynamic", "factor": 2.0}, 10000.0, 64, 6000),
        ({"kind": "dynamic", "factor": 2.0, "maxLength": 2048, "length": 100}, {"rope_type": "dynamic", "factor": 2.0}, 10000.0, 64, 100),
        ({"kind": "yarn", "factor": 16.0, "originalMaxLength": 4096}, {"rope_type": "yarn", "factor": 16.0, "original_max_position_embeddings": 4096}, 10000.0, 128, None),
        ({"kind": "yarn", "factor": 4.0, "originalMaxLength": 32768, "truncate": False}, {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768, "truncate": False}, 1000000.0, 128, None),
        ({"kind": "yarn", "factor": 8.0, "originalMaxLength": 1024, "betaFast": 20, "betaSlow": 2, "attentionFactor": 1.5}, {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 1024, "beta_fast": 20, "beta_slow": 2, "attention_factor": 1.5}, 10000.0, 64, None),
        ({"kind": "yarn", "factor": 40.0, "originalMaxLength": 4096, "mscale": 1.0, "mscaleAllDim": 0.707}, {"rope_type": "yarn", "factor": 40.0, "original_max_position_embeddings": 4096, "mscale": 1.0, "mscale_all_dim": 0.707}, 10000.0, 64, None),
        ({"kind": "llama3", "factor": 8.0, "originalMaxLength": 8192}, {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}, 500000.0, 128, None),
        ({"kind": "llama3", "factor": 32.0, "originalMaxLength": 512, "lowFreqFactor": 2, "highFreqFactor": 16}, {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 2.0, "high_freq_factor": 16.0, "original_max_position_embeddings": 512}, 10000.0, 64, None),
    ]
    short, long = [1.0 + 0.05 * j for j in range(32)], [1.0 + 0.5 * j * j for j in range(32)]
    lists = {"shortFactors": short, "longFactors": long}
    hf_lists = {"rope_type": "longrope", "short_factor": short, "long_factor": long}
    # Without a factor Transformers takes max_position_embeddings over the original length: 2048 / 512.
    cases += [
        ({"kind": "longrope", "factor": 4.0, "originalMaxLength": 512, **lists}, {**hf_lists, "original_max_position_embeddings": 512}, 10000.0, 64, None),
        ({"kind": "longrope", "factor": 4.0, "originalMaxLength": 512, "length": 512, **lists}, {**hf_lists, "original_max_position_embeddings": 512}, 10000.0, 64, 512),
        ({"kind": "longrope", "factor": 4.0, "originalMaxLength": 512, "length": 513, **lists}, {**hf_lists, "original_max_position_embeddings": 512}, 10000.0, 64, 513),
        ({"kind": "longrope", "factor": 32.0, "originalMaxLength": 4096, "length": 5000, **lists}, {**hf_lists, "factor": 32.0, "original_max_position_embeddings": 4096}, 500000.0, 64, 5000),
        ({"kind": "longrope", "factor": 0.5, "originalMaxLength": 4096, **lists}, {**hf_lists, "factor": 0.5, "original_max_position_embeddings": 4096}, 10000.0, 64, None),
        ({"kind": "longrope", "factor": 8.0, "originalMaxLength": 512, "attentionFactor": 1.25, **lists}, {**hf_lists, "factor": 8.0, "attention_factor": 1.25, "original_max_position_embeddings": 512}, 10000.0, 64, None),
        ({"kind": "proportional", "partialRotaryFactor": 0.25}, {"rope_type": "proportional", "partial_rotary_factor": 0.25}, 1000000.0, 64, None),
        ({"kind": "proportional", "partialRotaryFactor": 0.7, "factor": 8.0}, {"rope_type": "proportional", "partial_rotary_factor": 0.7, "factor": 8.0}, 10000.0, 64, None),
        ({"kind": "proportional", "partialRotaryFactor": 1.0}, {"rope_type": "proportional", "partial_rotary_factor": 1.0}, 10000.0, 64, None),
    ]
    results = []
    for scaling, parameters, base, dim, length in cases:
        config = LlamaConfig(hidden_size=4 * dim, num_attention_heads=4, max_position_embeddings=2048, rope_parameters={"rope_theta": base, **parameters})
        frequencies, factor = ROPE_INIT_FUNCTIONS[parameters["rope_type"]](config, "cpu", **({} if length is None else {"seq_len": length}))
        results.append({"scaling": scaling, "base": base, "rotaryDim": dim, "frequencies": digits(frequencies), "attentionFactor": float(factor)})
    return results


def biases():
    from transformers.models.bloom.modeling_bloom import build_alibi_tensor
    from transformers.models.t5.modeling_t5 import T5Attention

    alibi = {}
    for heads in (1, 2, 4, 6, 8, 12, 16, 20):
        tensor = build_alibi_tensor(torch.ones(1, 2), heads, torch.float32)
        alibi[heads] = digits(tensor[:, 0, 1])
    distances = torch.arange(-300, 301)
    buckets = [
        {"bidirectional": both, "numBuckets": n, "maxDistance": m, "buckets": T5Attention._relative_position_bucket(distances, bidirectional=both, num_buckets=n, max_distance=m).tolist()}
        for both in (True, False)
        for n, m in ((32, 128), (8, 20), (16, 256), (32, 200))
    ]
    return {"alibiSlopes": alibi, "firstDistance": -300, "t5Buckets": buckets}


def digits(tensor):
    return [float(f"{v:.9g}") for v in tensor.flatten().tolist()]


def main():
    if sys.argv[1:] == ["--rope-indices"]:
        print(json.dumps(rope_indices()))
        return
    other = sys.argv[1] if len(sys.argv) > 1 else None
    old = json.loads(subprocess.run([other, __file__, "--rope-indices"], check=True, capture_output=True, text=True).stdout) if other else None
    path = os.path.join(os.path.dirname(__file__), "../../src/position/position.reference.json")
    if old is None:
        with open(path) as f:
            old = json.load(f)["transformers4"]
    result = {
        "generator": "scripts/references/position.py",
        "torch": torch.__version__,
        "spatialMergeSize": MERGE,
        "tokensPerSecond": TOKENS_PER_SECOND,
        "transformers5": rope_indices(),
        "transformers4": old,
        "padded": padded(),
        "hunyuan": [hunyuan([(4, 6)], [3, 2], 16), hunyuan([(3, 4), (5, 2)], [2, 1, 3], 8), hunyuan([], [6], 8)],
        "rotary": rotary_tables(),
        "axial": axial(),
        "scalings": scalings(),
        **biases(),
    }
    with open(path, "w") as f:
        json.dump(result, f, separators=(",", ":"))
        f.write("\n")


main()
