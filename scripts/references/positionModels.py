"""Writes src/position/models/positionModels.reference.json: what the models of Transformers do with positions, by their own code.

Run: python scripts/references/positionModels.py [python of an environment with Transformers 4.57.1]
     python scripts/references/positionModels.py --check    compares the file with what the code says now, and writes nothing
(transformers 5.24.0, torch 2.15.0, numpy 2.4.6; the second environment gives the rows with @4.57.1)

For every row some 200 batches of one to three random documents: several images, videos with fractional seconds, merge sizes, padding on either
side, three tokens made after the prompt. The models' own methods run (`get_rope_index`, `_prepare_position_ids_for_generation`, the
rotary modules) on their configurations, without weights. Kept are the first few batches in full and a checksum of each: SHA-256 of the ids as
little-endian float64 [batch, length, axes], the first 12 hexadecimal digits.
"""

import hashlib
import importlib
import inspect
import json
import math
import os
import random
import subprocess
import sys
from types import SimpleNamespace

sys.path.pop(0)

import numpy as np  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from transformers import CONFIG_MAPPING  # noqa: E402

TARGET = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../src/position/models/positionModels.reference.json")
BATCHES = 200
FULL = 4
MADE = 3
NEW = transformers.__version__.startswith("5")
TEXT, IMAGE, VIDEO, AUDIO = 1, 901, 902, 903
VISION_START, VISION_END, AUDIO_START, AUDIO_END = 911, 912, 913, 914
IMAGE_START, IMAGE_END, SLICE_START, SLICE_END, NEWLINE, DOCUMENT = 921, 922, 923, 924, 925, 926


# Documents: a list of segments, and the word of each as Rotor reads it.


class Doc:
    """Ids, token types and grids of one document, and its words."""

    def __init__(self):
        self.ids, self.types, self.words = [], [], []
        self.images, self.videos, self.seconds, self.audio = [], [], [], []
        self.sizes, self.video_sizes, self.make = [], [], []

    def text(self, n, last=TEXT, first=TEXT):
        own = [TEXT] * n
        own[-1], own[0] = last, first if n > 1 or first != TEXT else last
        self.ids += own
        self.types += [0] * n
        self.words.append(f"text:{n}")

    def tokens(self, n, token, kind):
        self.ids += [token] * n
        self.types += [kind] * n


def seconds_of(rng):
    return rng.choice([1.0, 0.5, 2.0, 1.5, 1 / 3, 0.04, 0.1, 0.7, round(rng.uniform(0.02, 4), 3)])


def write_seconds(value):
    return repr(value)


def grids_of(rng, merge):
    return merge * rng.randint(1, 5), merge * rng.randint(1, 5)


def mrope_document(rng, merge, temporal, family):
    """Text and grids in turn; grids are behind text, and before text but for the last (not with the markers of Qwen's omni models)."""
    doc = Doc()
    omni = family in ("omni", "omni sound")
    parts = [rng.choice(["image", "video", "text"]) for _ in range(rng.randint(0, 3))]
    if omni and family == "omni":
        parts = [rng.choice(["image", "video", "audio"]) for _ in parts]
    if family == "omni sound":
        parts = [rng.choice(["image", "sound"]) for _ in parts]
    if family == "xdrope":
        parts = ["image" if p == "video" else p for p in parts]
    starts_with_text = omni or family.startswith("4.57.1") or rng.random() < 0.8 or not parts
    if starts_with_text and not parts:
        doc.text(rng.randint(1, 9))
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        least = 2 if omni and number > 0 else 1
        if part == "text":
            doc.text(rng.randint(1, 6))
            continue
        if part == "sound":
            h, w = grids_of(rng, merge)
            frames, second = rng.randint(1, 6), seconds_of(rng)
            audio = rng.randint(1, 40)
            if number > 0 or rng.random() < 0.8:
                doc.text(rng.randint(1, 5), first=VISION_END if number and parts[number - 1] == "image" else TEXT)
            doc.seconds.append(second)
            doc.videos.append([frames, h, w])
            doc.audio.append(audio)
            count = frames * (h // merge) * (w // merge)
            doc.ids += [VISION_START, AUDIO_START] + [VIDEO] * count + [AUDIO] * audio + [AUDIO_END, VISION_END]
            doc.types += [0] * (count + audio + 4)
            doc.words.append(f"video:{frames}x{h}x{w}/{merge}@{write_seconds(second)}+audio:{audio}")
            continue
        previous = parts[number - 1] if number else None
        if number > 0 and previous == "text":
            pass
        if number > 0 or starts_with_text:
            first = TEXT
            if omni and previous in ("image", "video"):
                first = VISION_END
            if omni and previous == "audio":
                first = AUDIO_END
            start = AUDIO_START if part == "audio" else VISION_START
            doc.text(rng.randint(least, 6), last=start, first=first)
        if part == "audio":
            audio = rng.randint(1, 30)
            doc.audio.append(audio)
            doc.tokens(audio, AUDIO, 0)
            doc.words.append(f"text:{audio}")
        elif part == "image":
            h, w = grids_of(rng, merge)
            doc.images.append([1, h, w])
            height, width = h // merge, w // merge
            count = height * (width + 1) + 2 if family == "xdrope" else height * (width + (family == "newline"))
            doc.tokens(count, IMAGE, 1)
            doc.words.append(f"image:{h}x{w}/{merge}")
        else:
            h, w = grids_of(rng, merge)
            frames = rng.randint(1, 6)
            second = float(rng.randint(1, 4)) if family == "4.57.1" and rng.random() < 0.3 else seconds_of(rng)
            doc.videos.append([frames * temporal, h, w])
            doc.seconds.append(second)
            count = (h // merge) * (w // merge + (family == "newline"))
            if family.endswith("apart"):
                for frame in range(frames):
                    if frame > 0:
                        doc.text(rng.randint(1, 4), last=VISION_START)
                    doc.tokens(count, VIDEO, 2)
                    doc.words.append(f"video:1x{h}x{w}/{merge}")
            else:
                doc.tokens(count * frames, VIDEO, 2)
                size = f"{frames * temporal}x{h}x{w}/{merge}" + (f"x{temporal}" if family == "ernie" else "")
                doc.words.append(f"video:{size}@{write_seconds(second)}")
        if omni and last:
            doc.text(rng.randint(1, 5), first={"audio": AUDIO_END}.get(part, VISION_END))
        elif last and rng.random() < 0.7:
            doc.text(rng.randint(1, 5))
    if not doc.ids:
        doc.text(rng.randint(1, 9))
    return doc


def glm_image_document(rng):
    doc = Doc()
    for _ in range(rng.randint(0, 3)):
        doc.text(rng.randint(1, 6), last=IMAGE_START)
        h, w = rng.randint(1, 5), rng.randint(1, 5)
        doc.images.append([1, h, w])
        doc.tokens(h * w, IMAGE, 1)
        doc.words.append(f"image:{h}x{w}")
        doc.text(rng.randint(2, 6), first=IMAGE_END)
    doc.text(rng.randint(1, 6))
    # Rows of a batch without any grid have no row in the table of what is made, and shift those of others: each has one here.
    for _ in range(rng.randint(0 if doc.images else 1, 2)):
        doc.make.append([1, rng.randint(1, 4), rng.randint(1, 4)])
    return doc


def canvas_document(rng, merge):
    doc = Doc()
    for _ in range(rng.randint(0, 3)):
        doc.text(rng.randint(1, 6))
        kind = rng.choice(["image", "slices", "video"])
        h, w = grids_of(rng, merge)
        area = (h // merge) * (w // merge)
        newlines = rng.choice([0, 0, 1, 2])
        behind = f"~{newlines}" if newlines else ""

        def framed(count, start, end, token, kind):
            doc.tokens(1, start, 0)
            doc.tokens(count, token, kind)
            doc.tokens(1, end, 0)

        if kind == "image":
            framed(area, IMAGE_START, IMAGE_END, IMAGE, 1)
            doc.sizes.append([h, w])
            doc.words.append(f"image:{h}x{w}/{merge}{behind}")
        elif kind == "slices":
            framed(area, IMAGE_START, IMAGE_END, IMAGE, 1)
            doc.sizes.append([h, w])
            rows, columns = rng.randint(1, 3), rng.randint(1, 3)
            same = rng.random() < 0.6
            first = grids_of(rng, merge)
            sizes = [first if same else grids_of(rng, merge) for _ in range(rows * columns)]
            for k, (sh, sw) in enumerate(sizes):
                if k and k % columns == 0:
                    doc.tokens(1, NEWLINE, 0)
                framed((sh // merge) * (sw // merge), SLICE_START, SLICE_END, IMAGE, 1)
                doc.sizes.append([sh, sw])
            listed = sizes[:1] if same else sizes
            doc.words.append(f"image:{h}x{w}/{merge}+{rows}x{columns}of{','.join(f'{a}x{b}' for a, b in listed)}{behind}")
        else:
            frames = rng.randint(1, 4)
            for _ in range(frames):
                framed(area, IMAGE_START, IMAGE_END, VIDEO, 2)
                doc.video_sizes.append([h, w])
            doc.words.append(f"video:{frames}x{h}x{w}/{merge}{behind}")
        doc.tokens(newlines, NEWLINE, 0)
    doc.text(rng.randint(1, 6))
    return doc


def page_document(rng, is_page):
    """Two tokens and a page, or text alone."""
    doc = Doc()
    if not is_page:
        doc.text(rng.randint(1, 12))
        return doc
    h, w = rng.randint(1, 6), rng.randint(1, 6)
    doc.images.append([h, w])
    doc.ids = [DOCUMENT, IMAGE] + ([IMAGE] * w + [NEWLINE]) * h
    doc.types = [0, 0] + [1] * (h * (w + 1))
    doc.words = ["text:2", f"image:{h}x{w}"]
    return doc


# Running the models' own methods.


def without_weights(cls, config, **attributes):
    made = cls.__new__(cls)
    for name, value in {"config": config, "training": False, **attributes}.items():
        object.__setattr__(made, name, value)
    return made


def module_of(model):
    return importlib.import_module(f"transformers.models.{model}.modeling_{model}")


def class_with(module, method):
    for cls in vars(module).values():
        if inspect.isclass(cls) and cls.__module__ == module.__name__ and method in vars(cls):
            return cls
    raise LookupError(f"{module.__name__} has no {method}")


def set_if(config, **values):
    for name, value in values.items():
        try:
            setattr(config, name, value)
        except Exception:
            pass


def make_config(model):
    config = CONFIG_MAPPING[model]()
    if model == "hunyuan_vl":
        config.text_config.rope_parameters["mrope_section"] = [16, 16, 16, 16]
    return config


def pad(rows, length, side, value):
    filled = [[value] * (length - len(r)) + r if side == "left" else r + [value] * (length - len(r)) for r in rows]
    return torch.tensor(filled)


def tensor(rows, dtype=None):
    return torch.tensor(rows, dtype=dtype) if rows else None


class FakeCache:
    def __init__(self, length):
        self.length = length

    def get_seq_length(self, *_):
        return self.length


def digest(positions):
    return hashlib.sha256(np.ascontiguousarray(positions, dtype="<f8").tobytes()).hexdigest()[:12]


def run_batch(model, config, docs, side, extra, family):
    """Positions [B, L, A], deltas, positions of what is made [B, n, A]."""
    length = max(len(d.ids) for d in docs) + extra
    ids, types = pad([d.ids for d in docs], length, side, 0), pad([d.types for d in docs], length, side, 0)
    mask = pad([[1] * len(d.ids) for d in docs], length, side, 0)
    join = lambda name: [row for d in docs for row in getattr(d, name)]
    module = module_of(model)
    if family == "page":
        return run_page(model, ids, mask, join("images"))
    inner = class_with(module, "get_vision_position_ids" if NEW and family not in ("omni", "omni sound") else "get_rope_index")
    if family in ("omni", "omni sound"):
        return run_omni(module, config, docs, ids, mask, join, family, length, side)
    me = without_weights(inner, config, rope_deltas=None)
    images, videos = tensor(join("images")), tensor(join("videos"))
    if family == "canvas":
        kwargs = {"target_sizes": tensor(join("sizes")), "target_sizes_videos": tensor(join("video_sizes"))}
    elif family == "glm_image":
        kwargs = {"image_grid_thw": tensor([g for d in docs for g in d.images + d.make]), "images_per_sample": torch.tensor([len(d.images) + len(d.make) for d in docs])}
        if kwargs["image_grid_thw"] is None:
            kwargs = {"image_grid_thw": None}
    else:
        kwargs = {"image_grid_thw": images}
        if family != "xdrope":
            kwargs["video_grid_thw"] = videos
        if family in ("seconds", "4.57.1 seconds"):
            kwargs["second_per_grid_ts"] = tensor(join("seconds"), torch.float32)
    if NEW and family != "glm_image":
        kwargs["mm_token_type_ids"] = types
    positions, deltas = inner.get_rope_index(me, ids, attention_mask=mask, **kwargs)
    made = None
    if NEW:
        made = generated(module, model, config, me, ids, mask, types, deltas, length, docs, family)
    return positions.permute(1, 2, 0).double().numpy(), [float(x) for x in deltas.flatten()], made


def generated(module, model, config, me, ids, mask, types, deltas, length, docs, family):
    """What the model's own code says of tokens after the prompt, one after the other."""
    rows = []
    if family == "glm_image":
        me.rope_deltas = deltas
        for step in range(MADE):
            own = type(me).compute_3d_position_ids(me, input_ids=None, image_grid_thw=None, images_per_sample=None, inputs_embeds=torch.zeros(len(docs), 1, 4), attention_mask=None, cache=FakeCache(length + step))
            rows.append(own if own.shape[-1] else None)
        return [[None if r is None else r[:, b, 0].tolist() for r in rows] for b in range(len(docs))]
    object.__setattr__(me, "rope_deltas", deltas)
    whole = without_weights(class_with(module, "_prepare_position_ids_for_generation"), config, model=me)
    for step in range(MADE):
        own_mask = torch.cat([mask, torch.ones(len(docs), step + 1, dtype=mask.dtype)], dim=1)
        tokens = torch.cat([ids, torch.ones(len(docs), step + 1, dtype=ids.dtype)], dim=1)
        kwargs = {"attention_mask": own_mask, "cache": FakeCache(length + step), "input_ids": tokens, "mm_token_type_ids": torch.zeros_like(tokens)}
        positions = whole._prepare_position_ids_for_generation(tokens, kwargs)
        axes = positions[-1:] if positions.shape[0] == 4 and family == "canvas" else positions
        rows.append(axes[..., -1])
    return [[sorted({float(x) for x in row[:, b].flatten()}) for row in rows] for b in range(len(docs))]


def run_page(model, ids, mask, grids):
    """Its processor makes the positions of a batch that has a page. An encoder: it makes no tokens and reports no delta."""
    processing = importlib.import_module(f"transformers.models.{model}.processing_{model}")
    tokenizer = SimpleNamespace(document_token_id=DOCUMENT, row_token_id=NEWLINE)
    me = without_weights(class_with(processing, "_build_position_ids"), None, tokenizer=tokenizer, image_token_id=IMAGE)
    return me._build_position_ids(ids, mask, torch.tensor(grids)).permute(1, 2, 0).double().numpy(), None, None


def run_omni(module, config, docs, ids, mask, join, family, length, side):
    thinker = config.thinker_config
    set_if(thinker, image_token_id=IMAGE, video_token_id=VIDEO, audio_token_id=AUDIO, vision_start_token_id=VISION_START, audio_start_token_id=AUDIO_START)
    inner = class_with(module, "get_rope_index")
    me = without_weights(inner, thinker, spatial_merge_size=thinker.vision_config.spatial_merge_size)
    # Numbers of sound frames that become so many tokens.
    if "qwen2_5" in module.__name__:
        frames = lambda n: next(f for f in range(1, 8 * n + 9) if ((f - 1) // 2 + 1 - 2) // 2 + 1 == n)
    else:
        frames = lambda n: next(f for f in range(1, 16 * n + 17) if int(module._get_feat_extract_output_lengths(torch.tensor(f))) == n)
    audio = [frames(n) for n in join("audio")]
    positions, deltas = inner.get_rope_index(
        me, ids, tensor(join("images")), tensor(join("videos")), mask, family == "omni sound",
        tensor(audio), tensor(join("seconds"), torch.float32),
    )
    model = SimpleNamespace(rope_deltas=deltas)
    cls = next(c for c in vars(module).values() if inspect.isclass(c) and "ThinkerForConditionalGeneration" in c.__name__)
    whole = without_weights(cls, thinker, model=model)
    rows = []
    for step in range(MADE):
        own_mask = torch.cat([mask, torch.ones(len(docs), step + 1, dtype=mask.dtype)], dim=1)
        tokens = torch.cat([ids, torch.ones(len(docs), step + 1, dtype=ids.dtype)], dim=1)
        out = whole._prepare_position_ids_for_generation(tokens, {"attention_mask": own_mask, "cache": FakeCache(length + step)})
        rows.append(out[0, :, -1])
    made = [[[float(row[b])] for row in rows] for b in range(len(docs))]
    return positions.permute(1, 2, 0).double().numpy(), [float(x) for x in deltas.flatten()], made


FAMILIES = {
    "plain": ["qwen2_vl", "paddleocr_vl"],
    "ernie": ["ernie4_5_vl_moe"],
    "seconds": ["qwen2_5_vl"],
    "apart": ["qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe", "qwen4_exp", "cosmos3_edge", "cosmos3_omni", "cohere_compass", "glm4v", "glm4v_moe", "glm46v", "glm_ocr"],
    "newline": ["hy_v4_vl"],
    "xdrope": ["hunyuan_vl"],
    "canvas": ["minicpmv4_7"],
    "glm_image": ["glm_image"],
    "page": ["neomme"],
    "omni": ["qwen2_5_omni", "qwen3_omni_moe"],
    "omni sound": ["qwen2_5_omni", "qwen3_omni_moe"],
}
OLD_FAMILIES = {"4.57.1": ["qwen2_vl"], "4.57.1 seconds": ["qwen2_5_vl"], "4.57.1 apart": ["qwen3_vl", "qwen3_vl_moe"]}


def batches_of(family):
    """Documents of a family, the same for all its models."""
    rng = random.Random(f"rotor {family}")
    batches = []
    for _ in range(BATCHES):
        merge = 1 if family == "glm_image" else rng.choice([2, 4]) if family == "canvas" else rng.choice([1, 2, 2, 3])
        temporal = rng.choice([1, 2, 2, 3]) if family == "ernie" else 1
        if family == "page":
            pages = [True] + [rng.random() < 0.5 for _ in range(rng.randint(0, 2))]
            rng.shuffle(pages)
            docs = [page_document(rng, is_page) for is_page in pages]
            batches.append((docs, rng.choice(["left", "right"]), rng.choice([0, 0, 1, 5]), merge, temporal))
            continue
        make = lambda: (
            glm_image_document(rng) if family == "glm_image"
            else canvas_document(rng, merge) if family == "canvas"
            else mrope_document(rng, merge, temporal, "4.57.1" if family == "4.57.1 seconds" else family)
        )
        docs = [make() for _ in range(rng.randint(1, 3))]
        batches.append((docs, rng.choice(["left", "right"]), rng.choice([0, 0, 1, 5]), merge, temporal))
    return batches


def survey(families):
    result = {}
    for family, models in families.items():
        batches = batches_of(family)
        entry = {"batches": [{"documents": [" ".join(d.words) for d in docs], "padding": side, "extra": extra} for docs, side, extra, _, _ in batches], "models": {}}
        for item, (docs, *_rest) in zip(entry["batches"], batches):
            if family == "glm_image":
                item["make"] = [[f"{h}x{w}" for _, h, w in d.make] for d in docs]
        for model in models:
            config = make_config(model)
            rows = []
            for docs, side, extra, merge, temporal in batches:
                if family == "canvas":
                    config.downsample_mode = "4x" if merge == 2 else "16x"
                    set_if(config, image_start_id=IMAGE_START, image_end_id=IMAGE_END, slice_start_id=SLICE_START, slice_end_id=SLICE_END, newline_id=NEWLINE)
                elif family == "page":
                    pass
                elif family == "glm_image":
                    set_if(config, image_start_token_id=IMAGE_START, image_end_token_id=IMAGE_END)
                else:
                    vision = config.thinker_config.vision_config if family.startswith("omni") else config.vision_config
                    vision.spatial_merge_size = merge
                    set_if(config, image_token_id=IMAGE, video_token_id=VIDEO, vision_start_token_id=VISION_START)
                    if family == "ernie":
                        vision.temporal_merge_size = temporal
                rows.append(run_batch(model, config, docs, side, extra, family))
            entry["models"][model] = {
                "sha256": " ".join(digest(p) for p, _, _ in rows),
                "deltas": None if rows[0][1] is None else [d for _, d, _ in rows],
                "made": None if rows[0][2] is None else [m for _, _, m in rows] if family == "glm_image" else [[[x if len(x) > 1 else x[0] for x in row] for row in m] for _, _, m in rows],
                "full": [p.flatten().tolist() for p, _, _ in rows[:FULL]],
            }
        result[family] = entry
    return result


def numbers(value):
    """Whole numbers without a point, so that files stay small."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, list):
        return [numbers(v) for v in value]
    if isinstance(value, dict):
        return {k: numbers(v) for k, v in value.items()}
    return value


def main():
    if not NEW:
        print(json.dumps(numbers(survey(OLD_FAMILIES))))
        return
    arguments = sys.argv[1:]
    check = "--check" in arguments
    others = [a for a in arguments if a != "--check"]
    stored = json.load(open(TARGET)) if os.path.exists(TARGET) else {}
    result = {"transformers": transformers.__version__, "torch": torch.__version__, "families": numbers(survey(FAMILIES))}
    if others:
        old = subprocess.run([others[0], os.path.abspath(__file__)], check=True, capture_output=True, text=True).stdout
        result["families457"] = json.loads(old.strip().splitlines()[-1])
    elif "families457" in stored:
        result["families457"] = stored["families457"]
    if check:
        same = json.loads(json.dumps(result)) == {**stored, "torch": result["torch"]}
        print("as in the file" if same else "differs from the file")
        sys.exit(0 if same else 1)
    with open(TARGET, "w") as file:
        json.dump(result, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
