"""Reads the vectors with PyTorch and tests an implementation in float32 with them: here cos and sin tables as models have them, and the frames of
Qwen3-VL.

Run: python conformance/read_pytorch.py [folder of the vectors]  (torch 2.15.0)
"""

import json
import pathlib
import sys

import torch


def tables(rotary, positions):
    """`cos` and `sin` [L, 2, pairs] of both components of each pair."""
    cos, sin = [], []
    for own in (rotary, rotary.get("second", rotary)):
        axes = torch.tensor([0 if axis is None else axis for axis in own["axisOfFrequency"]])
        angles = positions[:, axes] * torch.tensor(own["frequencies"])
        cos.append(angles.cos())
        sin.append(angles.sin())
    return torch.stack(cos, dim=1), torch.stack(sin, dim=1)


def turn(x, cos, sin, rotary, num_axes):
    """`x` [L, headDim] → [L, headDim]."""
    size = rotary["rotaryDim"]
    own, rest = x[:, :size], x[:, size:]
    if rotary["pairing"] == "interleaved":
        pairs = own.unflatten(-1, (size // 2, 2)).transpose(1, 2)
    elif rotary["pairing"] == "half":
        pairs = own.unflatten(-1, (2, size // 2))
    else:
        pairs = own.unflatten(-1, (num_axes, 2, size // 2 // num_axes)).transpose(1, 2).flatten(2)
    swapped = torch.stack([-pairs[:, 1], pairs[:, 0]], dim=1)
    turned = pairs * cos + swapped * sin
    if rotary["pairing"] == "interleaved":
        turned = turned.transpose(1, 2).flatten(1)
    elif rotary["pairing"] == "half":
        turned = turned.flatten(1)
    else:
        turned = turned.unflatten(-1, (num_axes, -1)).transpose(1, 2).flatten(1)
    return torch.cat([turned, rest], dim=-1)


def frames_apart(document):
    """Position ids [3, tokens] and delta of Qwen3-VL: every frame is an image of its own."""
    parts, start = [], 0
    for segment in document:
        if segment["kind"] == "text":
            parts.append((start + torch.arange(segment["length"])).expand(3, -1))
            start += segment["length"]
            continue
        merge = segment.get("spatialMergeSize", 1)
        height, width = segment["height"] // merge, segment["width"] // merge
        for _ in range(segment.get("frames", 1)):
            rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
            parts.append(torch.stack([torch.zeros_like(rows), rows, columns]).flatten(1) + start)
            start += max(height, width)
    ids = torch.cat(parts, dim=1)
    return ids, int(ids.max()) + 1 - ids.shape[1]


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent
    turned = placed = 0
    for path in sorted((folder / "models").glob("*.json")):
        file = json.loads(path.read_text())
        for rotary in file["rotary"]:
            positions = torch.tensor(rotary["positions"], dtype=torch.float32)
            x = (0.37 * torch.arange(rotary["headDim"], dtype=torch.float64)).sin().float().expand(len(positions), -1)
            own = turn(x, *tables(rotary, positions), rotary, len(file["axes"]))
            torch.testing.assert_close(own, torch.tensor(rotary["turned"]), atol=1e-5, rtol=0)
            turned += len(positions)
        if file["model"] != "qwen3_vl":
            continue
        for case in file["cases"]:
            for document, row, delta in zip(case["documents"], case["positions"], case["deltas"]):
                ids, own_delta = frames_apart(document)
                expected = torch.tensor(row).T
                expected = expected[:, -ids.shape[1]:] if case["padding"] == "left" else expected[:, : ids.shape[1]]
                assert torch.equal(ids, expected) and own_delta == delta
                placed += 1
    print(f"{turned} turned heads, {placed} documents of qwen3_vl: as in the vectors")


if __name__ == "__main__":
    main()
