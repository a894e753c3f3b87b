"""Writes src/position/models/positionRotary.reference.json: queries turned by the rotary modules of Transformers' models.

Run: python scripts/references/positionRotary.py  (transformers 5.24.0, torch 2.15.0)

For every row a head `sin(0.37·i)`, `i = 0 … headDim − 1`, at two positions, turned by the module and the function of the model's own code, and
the position ids of vision encoders: of a few grids in full, and of 200 random ones as checksums (SHA-256 of little-endian float64
[tokens, axes], the first 12 hexadecimal digits) or, where they aren't whole numbers, at three places. Where the class of a model can't be built, sizes of released files take the place of
its own, as the row says.
"""

import hashlib
import importlib
import inspect
import json
import os
import random
import sys
from types import SimpleNamespace

sys.path.pop(0)

import torch  # noqa: E402
import transformers  # noqa: E402
from transformers import CONFIG_MAPPING  # noqa: E402
from transformers.vision_utils import get_vision_position_ids  # noqa: E402

TARGET = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../src/position/models/positionRotary.reference.json")
GRIDS = [[1, 4, 8], [2, 8, 4], [3, 4, 4]]


def module_of(model):
    return importlib.import_module(f"transformers.models.{model}.modeling_{model}")


def config_of(model, name):
    return getattr(importlib.import_module(f"transformers.models.{model}.configuration_{model}"), name)


def head(size):
    return torch.arange(size).double().mul(0.37).sin().float()


def digits(tensor):
    return [float(f"{v:.7g}") for v in tensor.flatten().tolist()]


def decoder(model, config, rotary, apply, positions, layer=None, head_dim=None):
    """Positions [axes] by two; the query as [1, heads = 1, L = 2, head_dim]."""
    module = module_of(model)
    size = head_dim or config.head_dim
    made = getattr(module, rotary)(config)
    ids = torch.tensor(positions).T.unsqueeze(1)
    x = head(size).expand(1, 1, len(positions), size).contiguous()
    extra = {} if layer is None else {"layer_type": layer}
    cos, sin = made(x, ids, **extra)
    function = getattr(module, apply)
    turned = function(x, x, cos, sin)[0] if "cos" in inspect.signature(function).parameters else None
    return {"positions": positions, "rotated": digits(turned[0, 0])}


def vision(model, config, rotary, apply, positions, head_dim, shape="NHD"):
    module = module_of(model)
    made = getattr(module, rotary)(config)
    ids = torch.tensor(positions)
    x = head(head_dim).expand(len(positions), 1, head_dim).contiguous()
    cos, sin = made(x, ids)
    function = getattr(module, apply)
    if shape == "HND":
        x = x.transpose(0, 1).unsqueeze(0)
    turned = function(x, x, cos, sin)[0]
    return {"positions": positions, "rotated": digits(turned)}


TIMES = [[3, 5, 7], [11, 2, 40]]
PLANE = [[5, 7], [2, 40]]


def decoders():
    base = lambda name: CONFIG_MAPPING[name]()
    result = {}
    simple = {
        "qwen2_vl": ("Qwen2VLRotaryEmbedding", 128), "qwen2_5_vl": ("Qwen2_5_VLRotaryEmbedding", 128),
        "qwen3_vl": ("Qwen3VLTextRotaryEmbedding", 128), "qwen3_vl_moe": ("Qwen3VLMoeTextRotaryEmbedding", 128),
        "qwen3_5": ("Qwen3_5TextRotaryEmbedding", 256), "qwen3_5_moe": ("Qwen3_5MoeTextRotaryEmbedding", 256),
        "qwen4_exp": ("Qwen4ExpTextRotaryEmbedding", 256), "paddleocr_vl": ("PaddleOCRRotaryEmbedding", 128),
        "cosmos3_edge": ("Cosmos3EdgeTextRotaryEmbedding", 128), "ernie4_5_vl_moe": ("Ernie4_5_VLMoeTextRotaryEmbedding", 128),
        "hy_v4_vl": ("HYV4VLRotaryEmbedding", 64), "glm_ocr": ("GlmOcrTextRotaryEmbedding", 64),
    }
    for name, (rotary, size) in simple.items():
        result[name] = decoder(name, base(name).text_config, rotary, "apply_rotary_pos_emb", TIMES, head_dim=size)
    result["minicpmv4_7"] = decoder("qwen3_5", base("minicpmv4_7").text_config, "Qwen3_5TextRotaryEmbedding", "apply_rotary_pos_emb", TIMES, head_dim=256)
    result["cosmos3_omni"] = decoder("qwen3_vl", base("cosmos3_omni").text_config, "Qwen3VLTextRotaryEmbedding", "apply_rotary_pos_emb", TIMES, head_dim=128)
    thinker = base("qwen2_5_omni").thinker_config.text_config
    result["qwen2_5_omni"] = decoder("qwen2_5_omni", thinker, "Qwen2_5OmniRotaryEmbedding", "apply_rotary_pos_emb", TIMES, head_dim=128)
    thinker = base("qwen3_omni_moe").thinker_config.text_config
    thinker.head_dim = 128
    result["qwen3_omni_moe"] = decoder("qwen3_omni_moe", thinker, "Qwen3OmniMoeThinkerTextRotaryEmbedding", "apply_rotary_pos_emb", [[3.5, 5, 7], [11.25, 2, 40]], head_dim=128)
    for name, rotary in (("glm4v", "Glm4vTextRotaryEmbedding"), ("glm4v_moe", "Glm4vMoeTextRotaryEmbedding"), ("glm_image", "GlmImageTextRotaryEmbedding")):
        config = base(name).text_config
        config.head_dim = 128
        config.rope_parameters["partial_rotary_factor"] = 0.5
        result[name] = decoder(name, config, rotary, "apply_rotary_pos_emb", TIMES, head_dim=128)
        if name == "glm4v":
            result["glm46v"] = result[name]
    config = base("cohere_compass").text_config
    config.layer_types = ["sliding_attention"]
    config.rope_parameters = {"sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}, "full_attention": None}
    result["cohere_compass"] = decoder("cohere_compass", config, "CohereCompassRotaryEmbedding", "apply_rotary_pos_emb", TIMES, layer="sliding_attention", head_dim=128)
    config = base("hunyuan_vl").text_config
    config.head_dim = 128
    config.rope_parameters = {"rope_type": "dynamic", "alpha": 1000.0, "rope_theta": 10000.0, "mrope_section": [16, 16, 16, 16]}
    result["hunyuan_vl"] = decoder("hunyuan_vl", config, "HunYuanVLRotaryEmbedding", "apply_rotary_pos_emb", [[21, 5, 7, 1], [40, 2, 13, 3]], head_dim=128)
    config = base("neomme")
    for layer in ("full_attention", "sliding_attention"):
        result[f"neomme {layer}"] = decoder("neomme", config, "NeoMMERotaryEmbedding", "apply_rotary_pos_emb", PLANE, layer=layer, head_dim=64)
    return result


def encoders():
    result = {}
    axial = {
        "qwen2_vl_vision": ("qwen2_vl", "Qwen2VLVisionConfig", "Qwen2VLVisionRotaryEmbedding", 80),
        "qwen2_5_vl_vision": ("qwen2_5_vl", "Qwen2_5_VLVisionConfig", "Qwen2_5_VLVisionRotaryEmbedding", 224),
        "qwen2_5_omni_vision_encoder": ("qwen2_5_omni", "Qwen2_5OmniVisionEncoderConfig", "Qwen2_5OmniVisionRotaryEmbedding", 224),
        "qwen3_vl_vision": ("qwen3_vl", "Qwen3VLVisionConfig", "Qwen3VLVisionRotaryEmbedding", 72),
        "qwen3_vl_moe_vision": ("qwen3_vl_moe", "Qwen3VLMoeVisionConfig", "Qwen3VLMoeVisionRotaryEmbedding", 72),
        "qwen3_omni_moe_vision_encoder": ("qwen3_omni_moe", "Qwen3OmniMoeVisionEncoderConfig", "Qwen3OmniMoeVisionRotaryEmbedding", 72),
        "qwen3_5_vision": ("qwen3_5", "Qwen3_5VisionConfig", "Qwen3_5VisionRotaryEmbedding", 72),
        "qwen3_5_moe_vision": ("qwen3_5_moe", "Qwen3_5MoeVisionConfig", "Qwen3_5MoeVisionRotaryEmbedding", 72),
        "qwen4_exp_vision": ("qwen4_exp", "Qwen4ExpVisionConfig", "Qwen4ExpVisionRotaryEmbedding", 72),
        "glm4v_vision": ("glm4v", "Glm4vVisionConfig", "Glm4vVisionRotaryEmbedding", 128),
        "glm4v_moe_vision": ("glm4v_moe", "Glm4vMoeVisionConfig", "Glm4vMoeVisionRotaryEmbedding", 128),
        "glm_ocr_vision": ("glm_ocr", "GlmOcrVisionConfig", "GlmOcrVisionRotaryEmbedding", 64),
        "glm5_next_vision": ("glm5_next", "Glm5NextVisionConfig", "Glm5NextVisionRotaryEmbedding", 64),
        "ernie4_5_vl_moe_vision": ("ernie4_5_vl_moe", "Ernie4_5_VLMoeVisionConfig", "Ernie4_5_VLMoeVisionRotaryEmbedding", 80),
        "paddleocr_vl_vision": ("paddleocr_vl", "PaddleOCRVisionConfig", "PaddleOCRVisionRotaryEmbedding", 72),
        "cohere_compass_vision": ("cohere_compass", "CohereCompassVisionConfig", "CohereCompassVisionRotaryEmbedding", 72),
        "exaone4_5_vision": ("exaone4_5", "Exaone4_5_VisionConfig", "Exaone4_5_VisionRotaryEmbedding", 224),
        "dots3_note_vision_encoder": ("dots3_note", "Dots3NoteVisionConfig", "Dots3NoteVisionRotaryEmbedding", 64),
        "lfm3_vl_vision": ("lfm3_vl", "Lfm3VlVisionConfig", "Lfm3VlVisionRotaryEmbedding", 64),
        "muse_glimmer_vision": ("muse_glimmer", "MuseGlimmerVisionConfig", "MuseGlimmerVisionRotaryEmbedding", 96),
        "muse_spark_vision": ("muse_spark", "MuseSparkVisionConfig", "MuseSparkVisionRotaryEmbedding", 96),
        "video_llama_3_vision": ("video_llama_3", "VideoLlama3VisionConfig", "VideoLlama3VisionRotaryEmbedding", 64),
        "mlcd_vision_model": ("mlcd", "MLCDVisionConfig", "MLCDRotaryEmbedding", 104),
        "kimi_k25_vision": ("kimi_k25", "Kimi_K25VisionConfig", "Kimi_K25VisionRotaryEmbedding", 72),
        "inkling2_vision": ("inkling2", "Inkling2VisionConfig", "Inkling2VisionRotaryEmbedding", 64),
        "step3p5_vision": ("step3p7", "Step3p7VisionConfig", "Step3p7VisionRotaryEmbedding", 96),
    }
    for row, (model, config, rotary, size) in axial.items():
        result[row] = vision(model, config_of(model, config)(), rotary, "apply_rotary_pos_emb_vision", PLANE, size)
    result["minimax_m3_vl_vision"] = vision("minimax_m3_vl", config_of("minimax_m3_vl", "MiniMaxM3VLVisionConfig")(), "MiniMaxM3VLVisionRotaryEmbedding", "apply_rotary_pos_emb_vision", TIMES, 80)

    module = module_of("pixtral")
    cos, sin = module.PixtralVisionRotaryEmbedding(config_of("pixtral", "PixtralVisionConfig")())(head(64), torch.tensor(PLANE))
    x = head(64).expand(1, 2, 64)
    result["pixtral"] = {"positions": PLANE, "rotated": digits(module.apply_rotary_pos_emb(x, x, cos, sin, unsqueeze_dim=0)[0])}

    module = module_of("gemma4")
    ids = torch.tensor(PLANE).unsqueeze(0)
    cos, sin = module.Gemma4VisionRotaryEmbedding(config_of("gemma4", "Gemma4VisionConfig")())(head(64), ids)
    result["gemma4_vision"] = {"positions": PLANE, "rotated": digits(module.apply_multidimensional_rope(head(64).expand(1, 2, 1, 64), cos, sin, ids))}

    for row, model, config, rotary, size in (
        ("sam2_video", "sam2_video", "Sam2VideoConfig", "Sam2VideoVisionRotaryEmbedding", 256),
        ("sam3_tracker_video", "sam3_tracker_video", "Sam3TrackerVideoConfig", "Sam3TrackerVideoVisionRotaryEmbedding", 256),
        ("edgetam_video", "edgetam_video", "EdgeTamVideoConfig", "EdgeTamVideoVisionRotaryEmbedding", 256),
        ("sam3_vit_model", "sam3", "Sam3ViTConfig", "Sam3ViTRotaryEmbedding", 64),
    ):
        module = module_of(model)
        cos, sin = getattr(module, rotary)(config_of(model, config)())(head(size), torch.tensor(PLANE))
        function = module.apply_rotary_pos_emb_2d_self_attn if model == "edgetam_video" else module.apply_rotary_pos_emb_2d
        x = head(size).expand(1, 1, 2, size)
        result[row] = {"positions": PLANE, "rotated": digits(function(x, x, cos, sin)[0])}

    module = module_of("llama4")
    config = config_of("llama4", "Llama4VisionConfig")()
    table = module.Llama4VisionRotaryEmbedding(config).freqs_ci
    side = config.image_size // config.patch_size
    x = head(48).expand(1, table.shape[0], 1, 48).contiguous()
    turned = module.vision_apply_rotary_emb(x, x, table)[0]
    places = [3 * side + 9, 20 * side + 1, side * side]
    result["llama4_vision_model"] = {"positions": [[10, 4], [2, 21], [0, 0]], "rotated": digits(turned[0, places, 0])}
    result["llama4_vision_model"]["grid"] = [side, side]
    result["llama4_vision_model"]["places"] = places

    module = module_of("vjepa2")
    config = config_of("vjepa2", "VJEPA2Config")()
    attention = module.VJEPA2RopeAttention(config)
    ids = torch.tensor(TIMES)
    x = head(64).expand(1, 1, 2, 64)
    result["vjepa2"] = {"positions": TIMES, "rotated": digits(attention.apply_rotary_embeddings(x, (ids[:, 0], ids[:, 1], ids[:, 2])))}

    module = module_of("efficientloftr")
    config = config_of("efficientloftr", "EfficientLoFTRConfig")()
    embedding = module.EfficientLoFTRRotaryEmbedding(config)
    size = 32
    cos, sin = embedding(torch.zeros(1, 1, size, size))
    x = head(256).expand(1, cos.shape[1], cos.shape[2], 256)
    turned = x * cos + module.rotate_half(x) * sin
    result["efficientloftr"] = {"positions": [[3, 6], [7, 2]], "rotated": digits(torch.stack([turned[0, 2, 5], turned[0, 6, 1]]))}

    for row, model, config, cls in (
        ("dinov3_vit", "dinov3_vit", "DINOv3ViTConfig", "DINOv3ViTRopePositionEmbedding"),
        ("sapiens2", "sapiens2", "Sapiens2Config", "Sapiens2RopePositionEmbedding"),
        ("eomt_dinov3", "eomt_dinov3", "EomtDinov3Config", "EomtDinov3RotaryEmbedding"),
    ):
        module = module_of(model)
        embedding = getattr(module, cls)(config_of(model, config)()).eval()
        cos, sin = embedding(torch.zeros(1, 3, 3 * 16, 5 * 16))
        x = head(64).expand(1, 1, 15, 64)
        turned = (x * cos) + (module.rotate_half(x) * sin)
        result[row] = {"grid": [3, 5], "places": [0, 7, 14], "rotated": digits(turned[0, 0, [0, 7, 14]])}
    return result


def grids():
    """Position ids of encoders by the function that they share."""
    result = {}
    for merge in (1, 2):
        result[f"h, w by {merge}"] = get_vision_position_ids(torch.tensor(GRIDS), merge).flatten().tolist()
        result[f"t, h, w by {merge}"] = get_vision_position_ids(torch.tensor(GRIDS), merge, include_temporal=True).flatten().tolist()
    module = module_of("sam3")
    config = config_of("sam3", "Sam3ViTConfig")()
    positions = find(module, "precompute_positions").precompute_positions
    result["sam3 24x24"] = positions(config, config.window_size).flatten().tolist()[:100]
    result["sam3 72x72"] = positions(config, 0).flatten().tolist()[:300]
    return {"grids": GRIDS, **result}


def digest(ids):
    return hashlib.sha256(ids.double().contiguous().numpy().astype("<f8").tobytes()).hexdigest()[:12]


def random_grids():
    """The functions that make ids of vision encoders, on 200 random lists of grids each."""
    rng = random.Random("rotor vision")
    many = range(200)
    result = {"shared": [], "dinov3_vit": [], "sapiens2": [], "eomt_dinov3": [], "sam3_vit_model": [], "vjepa2": []}
    for _ in many:
        merge = rng.choice([1, 2, 2, 3])
        grids = [[rng.choice([1, 1, rng.randint(2, 6)]), merge * rng.randint(1, 9), merge * rng.randint(1, 9)] for _ in range(rng.randint(1, 4))]
        ids = get_vision_position_ids(torch.tensor(grids), merge, include_temporal=True)
        result["shared"].append({"grids": grids, "merge": merge, "sha256": digest(ids)})
    for row in ("dinov3_vit", "sapiens2", "eomt_dinov3"):
        function = module_of(row).get_patches_center_coordinates
        for _ in many:
            height, width = rng.randint(1, 40), rng.randint(1, 40)
            angles = 2 * torch.pi * function(height, width, torch.float64, torch.device("cpu"))
            places = [0, rng.randrange(height * width), height * width - 1]
            result[row].append({"grid": [height, width], "places": places, "positions": angles[places].flatten().tolist()})
    positions = find(module_of("sam3"), "precompute_positions").precompute_positions
    for _ in many:
        side = rng.randint(1, 80)
        config = SimpleNamespace(image_size=14 * side, patch_size=14, window_size=24)
        result["sam3_vit_model"].append({"grid": [side, side], "sha256": digest(positions(config, 0))})
    attention = find(module_of("vjepa2"), "get_position_ids")
    for _ in many:
        me, frames = attention.__new__(attention), rng.randint(1, 6)
        side = rng.randint(1, 12)
        object.__setattr__(me, "grid_size", side)
        ids = me.get_position_ids(torch.zeros(1, frames * side * side, 1))
        result["vjepa2"].append({"grid": [frames, side, side], "sha256": digest(torch.stack(ids, -1))})
    return result


def find(module, method):
    return next(c for c in vars(module).values() if inspect.isclass(c) and c.__module__ == module.__name__ and method in vars(c))


with open(TARGET, "w") as file:
    json.dump({"transformers": transformers.__version__, "decoders": decoders(), "encoders": encoders(), "ids": grids(), "random": random_grids()}, file, separators=(",", ":"))
    file.write("\n")
