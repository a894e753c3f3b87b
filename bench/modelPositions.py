"""Times Transformers' own position ids of one document of 100,000 tokens with 200 images: milliseconds of each call, one line a model.

Run: python bench/modelPositions.py MODEL…  (transformers 5.24.0, torch 2.15.0)
"""

import os
import sys
import time

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "../scripts/references"))

import torch  # noqa: E402
from positionModels import Doc, IMAGE, IMAGE_END, IMAGE_START, VIDEO, VISION_END, VISION_START, class_with, make_config, module_of, set_if, tensor, without_weights  # noqa: E402
from transformers.vision_utils import get_vision_position_ids  # noqa: E402

GRIDS, SIDE, TEXT_TOKENS, CALLS = 200, 16, 244, 5


def document(family, merge):
    doc = Doc()
    for number in range(GRIDS):
        side = SIDE * merge
        count = SIDE * (SIDE + 1) + 2 if family == "xdrope" else SIDE * (SIDE + (family == "newline"))
        end = IMAGE_END if family == "glm_image" else VISION_END
        doc.text(TEXT_TOKENS, first=end if number else 1, last=IMAGE_START if family == "glm_image" else VISION_START)
        if family == "canvas":
            doc.tokens(1, IMAGE_START, 0)
            doc.sizes.append([side, side])
        doc.images.append([1, side, side])
        doc.tokens(count, IMAGE, 1)
        if family == "canvas":
            doc.tokens(1, IMAGE_END, 0)
    doc.text(TEXT_TOKENS, first=IMAGE_END if family == "glm_image" else VISION_END)
    return doc


def caller(model):
    """A call without arguments that makes the ids."""
    family = {"hunyuan_vl": "xdrope", "hy_v4_vl": "newline", "minicpmv4_7": "canvas", "glm_image": "glm_image"}.get(model, "omni" if "omni" in model and "qwen" in model else "plain")
    merge = 4 if family == "canvas" else 1 if family == "glm_image" else 2
    if model.endswith("_vision") or "_vision_" in model:
        grids = torch.tensor([[1, 22, 24]] * GRIDS)
        return lambda: get_vision_position_ids(grids, 2)
    doc = document(family, merge)
    ids, types, mask = torch.tensor([doc.ids]), torch.tensor([doc.types]), torch.ones(1, len(doc.ids), dtype=torch.long)
    config, module = make_config(model), module_of(model)
    if family == "omni":
        thinker = config.thinker_config
        set_if(thinker, image_token_id=IMAGE, video_token_id=VIDEO, vision_start_token_id=VISION_START, audio_token_id=903, audio_start_token_id=913)
        inner = class_with(module, "get_rope_index")
        me = without_weights(inner, thinker, spatial_merge_size=2)
        return lambda: inner.get_rope_index(me, ids, tensor(doc.images), None, mask)
    inner = class_with(module, "get_vision_position_ids")
    if family == "glm_image":
        set_if(config, image_start_token_id=IMAGE_START, image_end_token_id=IMAGE_END)
    if family == "canvas":
        set_if(config, image_start_id=IMAGE_START, image_end_id=IMAGE_END)
    me = without_weights(inner, config)
    if family == "canvas":
        kwargs = {"target_sizes": tensor(doc.sizes), "mm_token_type_ids": types}
    elif family == "glm_image":
        kwargs = {"image_grid_thw": tensor(doc.images)}
    else:
        kwargs = {"image_grid_thw": tensor(doc.images), "mm_token_type_ids": types}
    return lambda: inner.get_rope_index(me, ids, attention_mask=mask, **kwargs)


for name in sys.argv[1:]:
    call = caller(name)
    call()
    times = []
    for _ in range(CALLS):
        start = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - start))
    print(name, *times, flush=True)
