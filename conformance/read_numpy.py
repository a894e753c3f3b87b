"""Reads the vectors with NumPy and tests an implementation with them: here a few lines that turn heads and place M-RoPE.

Run: python conformance/read_numpy.py [folder of the vectors]  (numpy 2.4.6)
"""

import json
import pathlib
import sys

import numpy as np


def turn(head, position, rotary, num_axes):
    """`head` [headDim] at `position` [axes] → [headDim]."""
    pairs = rotary["rotaryDim"] // 2
    second = rotary.get("second", rotary)

    def angles(own):
        axes = np.array([-1 if axis is None else axis for axis in own["axisOfFrequency"]])
        coordinates = np.where(axes < 0, 0.0, np.asarray(position)[axes])
        return coordinates * np.asarray(own["frequencies"])

    first, other = angles(rotary), angles(second)
    j = np.arange(pairs)
    if rotary["pairing"] == "interleaved":
        a, b = 2 * j, 2 * j + 1
    else:
        block = pairs // num_axes if rotary["pairing"] == "half-per-axis" else pairs
        a = 2 * (j - j % block) + j % block
        b = a + block
    turned = head.copy()
    turned[a] = head[a] * np.cos(first) - head[b] * np.sin(first)
    turned[b] = head[b] * np.cos(other) + head[a] * np.sin(other)
    return turned


def mrope(document):
    """Positions [tokens, 3] and delta of Qwen2-VL (`model` "qwen2_vl"): the implementation that is tested."""
    parts, start = [], 0
    for segment in document:
        if segment["kind"] == "text":
            parts.append(np.repeat(start + np.arange(segment["length"])[:, None], 3, axis=1))
            start += segment["length"]
            continue
        merge = segment.get("spatialMergeSize", 1)
        height, width = segment["height"] // merge, segment["width"] // merge
        grid = np.indices((segment.get("frames", 1), height, width)).reshape(3, -1).T
        parts.append(grid + start)
        start += max(height, width)
    positions = np.concatenate(parts)
    return positions, positions.max() + 1 - len(positions)


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent
    angles = turned = placed = 0
    for path in sorted(folder.glob("*.json")):
        for case in json.loads(path.read_text())["cases"]:
            positions = np.array(case["positions"])
            for head, axes in enumerate(case["axisOfFrequency"]):
                turning = np.array([axis is not None for axis in axes])
                own = np.array(case["angles"])[:, head]
                own_axes = np.array([0 if axis is None else axis for axis in axes])
                # Angle over coordinate is the frequency: the same at every token.
                with np.errstate(divide="ignore", invalid="ignore"):
                    ratio = own / positions[:, own_axes]
                ratio = np.where(np.isfinite(ratio), ratio, np.nan)
                spread = np.nanmax(ratio, axis=0) - np.nanmin(ratio, axis=0) if len(ratio) > 1 else np.zeros(len(axes))
                assert np.all(spread[turning] <= 1e-12 * np.nanmax(np.abs(ratio), axis=0)[turning] + 1e-18), path
                assert not own[:, ~turning].any()
                angles += own.size
    for path in sorted((folder / "models").glob("*.json")):
        file = json.loads(path.read_text())
        for rotary in file["rotary"]:
            head = np.sin(0.37 * np.arange(rotary["headDim"]))
            for position, expected in zip(rotary["positions"], rotary["turned"]):
                np.testing.assert_allclose(turn(head, position, rotary, len(file["axes"])), expected, atol=1e-12)
                turned += 1
        if file["model"] != "qwen2_vl":
            continue
        for case in file["cases"]:
            for document, row, delta in zip(case["documents"], case["positions"], case["deltas"]):
                own, own_delta = mrope(document)
                row = np.array(row)
                row = row[-len(own):] if case["padding"] == "left" else row[: len(own)]
                np.testing.assert_array_equal(own, row)
                assert own_delta == delta
                placed += 1
    print(f"{angles} angles, {turned} turned heads, {placed} documents of qwen2_vl: as in the vectors")


if __name__ == "__main__":
    main()
