"""Writes src/position/models/encoderGrids.reference.json: the ids of vision encoders that make them beside their rotation.

Run: python scripts/references/encoderGrids.py  (transformers 5.24.0, torch 2.15.0, Pillow, torchvision for the classes of image processors)

Checksums of 200 random lists of grids each: SHA-256 of little-endian float64 [tokens, axes], the first 12 hexadecimal digits, in the order of axes
that the model's own code has.
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

import numpy as np  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

TARGET = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../src/position/models/encoderGrids.reference.json")


def module_of(model):
    return importlib.import_module(f"transformers.models.{model}.modeling_{model}")


def config_of(model, name):
    return getattr(importlib.import_module(f"transformers.models.{model}.configuration_{model}"), name)


def digest(ids):
    return hashlib.sha256(ids.double().contiguous().numpy().astype("<f8").tobytes()).hexdigest()[:12]


def find(module, method):
    return next(c for c in vars(module).values() if inspect.isclass(c) and c.__module__ == module.__name__ and method in vars(c))


def own_grids():
    """Ids of encoders that make them beside their rotation, on 200 random grids (of Pixtral and Gemma 4 lists of images) each: [tokens, axes]."""
    rng = random.Random("rotor vision, own")
    many = range(200)
    result = {name: [] for name in ("pixtral", "mlcd_vision_model", "gemma4_vision", "llama4_vision_model", "efficientloftr", "sam2_video", "sam3_tracker_video", "edgetam_video")}

    class Seen(Exception):
        pass

    def caught(module, name, run):
        """The ids that a module is given by the model around it."""
        found = []

        def catch(_, *args):
            found.append(args[1])
            raise Seen

        getattr(module, name).forward = catch.__get__(module)
        try:
            run()
        except Seen:
            pass
        return found[0]

    tiny = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "patch_size": 4}
    pixtral = module_of("pixtral").PixtralVisionModel(config_of("pixtral", "PixtralVisionConfig")(**tiny, image_size=160))
    mlcd = module_of("mlcd").MLCDVisionModel(config_of("mlcd", "MLCDVisionConfig")(**tiny, image_size=40))
    for _ in many:
        sides = [[rng.randint(1, 20), rng.randint(1, 20)] for _ in range(rng.randint(1, 4))]
        pixels = torch.zeros(len(sides), 3, 80, 80)
        sizes = [(4 * h, 4 * w) for h, w in sides]
        ids = caught(pixtral, "patch_positional_embedding", lambda: pixtral(pixels, image_sizes=sizes))
        result["pixtral"].append({"grids": sides, "sha256": digest(ids)})
    mlcd.embeddings.forward = lambda pixels, **_: torch.zeros(1, 1, 16)
    for _ in many:
        height, width = rng.randint(1, 30), rng.randint(1, 30)
        ids = caught(mlcd, "vision_rotary_embedding", lambda: mlcd(torch.zeros(1, 3, 4 * height, 4 * width)))
        result["mlcd_vision_model"].append({"grids": [[height, width]], "sha256": digest(ids)})
    processor = importlib.import_module("transformers.models.gemma4.image_processing_pil_gemma4").Gemma4ImageProcessorPil(do_resize=False, patch_size=4, pooling_kernel_size=1, max_soft_tokens=280)
    for _ in many:
        height, width = rng.randint(1, 16), rng.randint(1, 16)
        image = np.zeros((4 * height, 4 * width, 3), dtype=np.uint8)
        ids = torch.as_tensor(np.asarray(processor([image], input_data_format="channels_last", return_tensors="np")["image_position_ids"]))[0, : height * width]
        result["gemma4_vision"].append({"grids": [[height, width]], "sha256": digest(ids)})
    rotary = module_of("llama4").Llama4VisionRotaryEmbedding
    for _ in many:
        side = rng.randint(1, 40)
        config = SimpleNamespace(image_size=14 * side, patch_size=14, hidden_size=96, num_attention_heads=2, rope_parameters={"rope_theta": 10000})
        # The slowest frequency of each axis tells the place: 24 components an axis.
        angles = rotary._compute_freqs_ci(config)[:, 0].angle().double().reshape(side * side + 1, 2, -1)[:-1, :, -1]
        places = (angles / 10000 ** (-22 / 24)).round()
        result["llama4_vision_model"].append({"grids": [[side, side]], "sha256": digest(places)})
    for _ in many:
        height, width = rng.randint(1, 60), rng.randint(1, 60)
        ids = module_of("efficientloftr").compute_embeddings(torch.ones(1), height, width, 4)[0].reshape(-1, 2)
        result["efficientloftr"].append({"grids": [[height, width]], "sha256": digest(ids)})
    for row in ("sam2_video", "sam3_tracker_video", "edgetam_video"):
        positions = find(module_of(row), "precompute_positions").precompute_positions
        for _ in many:
            # Told as they stand in the configuration: width first.
            sizes = [rng.randint(1, 40), rng.randint(1, 40)]
            config = SimpleNamespace(memory_attention_rope_feat_sizes=sizes, memory_attention_rope_q_sizes=sizes, memory_attention_rope_k_sizes=sizes)
            result[row].append({"grids": [[sizes[1], sizes[0]]], "sha256": digest(positions(config))})
    return result


reference = {"transformers": transformers.__version__, "rows": own_grids()}
with open(TARGET, "w") as file:
    json.dump(reference, file, separators=(",", ":"))
    file.write("\n")
