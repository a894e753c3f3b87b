#!/usr/bin/env bash
# Qwen2-VL in Transformers 5: text behind a video lies among the times of the video, and the first generated token jumps.
#
# Guess: as in the paper (and Transformers 4), text goes on after the largest coordinate of the video, and generation goes on where the prompt's text ends.
# Really: text goes on at start + max(height, width), whatever the number of frames; `rope_deltas` is still read off the largest coordinate. With 8 frames
#   of 2 × 2 tokens the end marker lies at 3 while the last frame lies at 8, and the first generated token lies at 9, not behind the last token of the prompt.
# Seen: transformers 5.24.0, torch 2.15.0: prompt 0 | video t 1…8 | text 3 4, first generated token at 9; also in Qwen2.5-VL, PaddleOCR-VL, Ernie 4.5 VL.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet transformers==5.24.0 torch==2.15.0
"$folder/venv/bin/python" - <<'PY'
import torch
import transformers
from transformers import Qwen2VLConfig
from transformers.models.qwen2_vl.modeling_qwen2_vl import Qwen2VLModel

model = Qwen2VLModel.__new__(Qwen2VLModel)
object.__setattr__(model, "config", Qwen2VLConfig())
types = torch.tensor([[0] + [2] * 32 + [0, 0]])
positions, delta = model.get_rope_index(torch.ones_like(types), types, video_grid_thw=torch.tensor([[8, 4, 4]]))
time = positions[0, 0].tolist()
text, last_frame, made = time[-2:], max(time[1:-2]), types.shape[1] + int(delta)
print(f"transformers {transformers.__version__}, torch {torch.__version__}")
print("guess: text behind the video lies after its last frame, generation right behind the text")
print(f"last frame at {last_frame}, text behind it at {text}, first generated token at {made}")
raise SystemExit(0 if text[0] < last_frame and made != text[-1] + 1 else "changed: time no longer runs backwards")
PY
