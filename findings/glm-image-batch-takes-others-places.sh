#!/usr/bin/env bash
# GLM-Image in Transformers: in a batch, a row without images takes the generation positions of another row.
#
# Guess: every row of a batch generates at its own positions.
# Really: the table of positions for generation has a row only for samples with images. A batch of [text only, one image] gets a table of one row, the
#   second sample's, which is used (broadcast) for both; of three samples with two images the table has two rows for three.
# Seen: transformers 5.24.0, torch 2.15.0: 2 samples of 6 and 10 tokens, table [1, 3, 1]: both generate at 8, the text sample should go on at 6.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet transformers==5.24.0 torch==2.15.0
"$folder/venv/bin/python" - <<'PY'
import torch
import transformers
from transformers import GlmImageConfig
from transformers.models.glm_image.modeling_glm_image import GlmImageModel

config = GlmImageConfig()
model = GlmImageModel.__new__(GlmImageModel)
object.__setattr__(model, "config", config)
start, end = config.image_start_token_id, config.image_end_token_id
row = [1, 2, start] + [3] * 4 + [end, 1, 1]
text = [0] * 4 + [1] * 6
mask = torch.tensor([[0] * 4 + [1] * 6, [1] * 10])
_, deltas = model.get_rope_index(torch.tensor([text, row]), torch.tensor([[1, 2, 2]]), images_per_sample=torch.tensor([0, 1]), attention_mask=mask)
object.__setattr__(model, "rope_deltas", deltas)


class Cache:
    def get_seq_length(self, *_):
        return 10


made = model.compute_3d_position_ids(input_ids=None, image_grid_thw=None, images_per_sample=None, inputs_embeds=torch.zeros(2, 1, 4), attention_mask=None, cache=Cache())
print(f"transformers {transformers.__version__}, torch {torch.__version__}")
print("guess: positions of the next token for both rows: [3, 2, 1], the row of six text tokens at 6")
print(f"really: {list(made.shape)}, at {sorted(set(made.flatten().tolist()))}")
raise SystemExit(0 if made.shape[1] == 1 else "changed: each row has its own positions")
PY
