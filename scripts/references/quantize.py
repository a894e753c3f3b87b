"""Writes src/quantize/quantize.reference.json: outputs, losses, indices, gradients and states of vector-quantize-pytorch.

Run: python scripts/references/quantize.py  (torch 2.15.0, vector-quantize-pytorch 1.31.0, scikit-image 0.26.0, numpy 2.4.6)
All in float32, as the package computes. Gradients are those of `sum(weight * quantized) + loss`. Codebooks, inputs and weights are
written too. PyTorch's linear weights are [out, in]; they are transposed on the way out.
"""

import json
import os
from importlib.metadata import version

import numpy as np
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from vector_quantize_pytorch import FSQ, LFQ, ResidualSimVQ, ResidualVQ, SimVQ, VectorQuantize
from vector_quantize_pytorch.vector_quantize_pytorch import kmeans

rng = np.random.default_rng(20)
BATCH, LENGTH, DIM, CODES, STEPS = 2, 6, 4, 8, 3


def normal(*shape):
    return torch.tensor(rng.standard_normal(shape).astype(np.float32))


INPUTS = [normal(BATCH, LENGTH, DIM) for _ in range(STEPS)]
WEIGHT = normal(BATCH, LENGTH, DIM)
CODEBOOK = 0.8 * normal(CODES, DIM)
SECOND = 0.5 * normal(CODES, DIM)
TRANSFORM = 0.6 * normal(DIM, DIM)


def plain(value):
    return [float(f"{v:.9g}") for v in value.detach().flatten().tolist()]


def run(module, x, parameters=()):
    """Outputs and gradients of one training step, without an optimizer."""
    module.train()
    x = x.clone().requires_grad_()
    for parameter in parameters:
        parameter.grad = None
    quantized, indices, loss = module(x)
    ((quantized * WEIGHT).sum() + loss.sum()).backward()
    return {
        "quantized": plain(quantized),
        "indices": [int(i) for i in indices.flatten().tolist()],
        "loss": float(loss.sum()),
        "gradient": plain(x.grad),
        "parameterGradients": [plain(parameter.grad) for parameter in parameters],
    }


def set_codebook(codebook, codes):
    if codebook.use_cosine_sim:
        codes = torch.nn.functional.normalize(codes, dim=-1)
    codebook.embed.data.copy_(codes)
    codebook.embed_avg.data.copy_(codes)


def ema(**options):
    vq = VectorQuantize(dim=DIM, codebook_size=CODES, decay=0.8, eps=1e-3, **options)
    set_codebook(vq._codebook, CODEBOOK)
    steps = []
    for x in INPUTS:
        step = run(vq, x)
        step["codebook"] = plain(vq._codebook.embed)
        step["clusterSize"] = plain(vq._codebook.cluster_size)
        step["average"] = plain(vq._codebook.embed_avg)
        steps.append(step)
    return steps


def learnable(**options):
    vq = VectorQuantize(dim=DIM, codebook_size=CODES, learnable_codebook=True, ema_update=False, **options)
    set_codebook(vq._codebook, CODEBOOK)
    return run(vq, INPUTS[0], [vq._codebook.embed])


def sim(cls=SimVQ, **options):
    module = cls(dim=DIM, codebook_size=CODES, **options)
    layers = module.layers if cls is ResidualSimVQ else [module]
    for layer, table in zip(layers, [CODEBOOK, SECOND]):
        layer.frozen_codebook.copy_(table)
        layer.code_transform.weight.data.copy_(TRANSFORM)
    result = run(module, INPUTS[0], [layer.code_transform.weight for layer in layers])
    result["parameterGradients"] = [plain(layer.code_transform.weight.grad.T) for layer in layers]
    return result


def residual(**options):
    module = ResidualVQ(dim=DIM, num_quantizers=2, codebook_size=CODES, decay=0.8, eps=1e-3, **options)
    for layer, codes in zip(module.layers, [CODEBOOK, SECOND]):
        set_codebook(layer._codebook, codes)
    return run(module, INPUTS[0])


def heads():
    vq = VectorQuantize(
        dim=DIM, codebook_size=CODES, codebook_dim=2, heads=2, separate_codebook_per_head=True, decay=0.8, eps=1e-3, rotation_trick=False
    )
    set_codebook(vq._codebook, torch.stack([CODEBOOK[:, :2], SECOND[:, :2]]))
    result = run(vq, INPUTS[0])
    result["codebook"] = plain(vq._codebook.embed)
    return result


class Tuple(torch.nn.Module):
    """FSQ returns no loss."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        quantized, indices = self.module(x)
        return quantized, indices, torch.zeros(())


def fsq(levels):
    return run(Tuple(FSQ(levels)), INPUTS[0])


def clusters(use_cosine_sim):
    samples = torch.cat(INPUTS, dim=1).reshape(1, -1, DIM)
    start = CODEBOOK[None]
    if use_cosine_sim:
        samples, start = (torch.nn.functional.normalize(t, dim=-1) for t in (samples, start))
    means, bins = kmeans(samples, CODES, 10, use_cosine_sim=use_cosine_sim, sample_fn=lambda *_: start)
    return {"codes": plain(means), "counts": plain(bins)}


def pictures():
    first = rng.random((14, 17))
    second = np.clip(first + 0.1 * rng.standard_normal(first.shape), 0, 1)
    return {
        "height": 14,
        "width": 17,
        "first": first.flatten().tolist(),
        "second": second.flatten().tolist(),
        "psnr": float(peak_signal_noise_ratio(first, second, data_range=1)),
        "ssim": float(
            structural_similarity(first, second, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
        ),
    }


def main():
    output = {
        "generator": "scripts/references/quantize.py",
        "versions": {name: version(name) for name in ["torch", "vector-quantize-pytorch", "scikit-image", "numpy"]},
        "shape": [BATCH, LENGTH, DIM],
        "inputs": [plain(x) for x in INPUTS],
        "weight": plain(WEIGHT),
        "codebook": plain(CODEBOOK),
        "second": plain(SECOND),
        "transform": plain(TRANSFORM.T),
        "ema": ema(rotation_trick=False),
        "emaRotation": ema(rotation_trick=True, commitment_weight=0.25),
        "emaCosine": ema(rotation_trick=False, use_cosine_sim=True),
        "learnable": learnable(rotation_trick=False),
        "learnableRotation": learnable(rotation_trick=True),
        # Without noise; with it the package draws its own.
        "diveq": learnable(directional_reparam=True, directional_reparam_variance=0.0, threshold_ema_dead_code=1e-9),
        "simVq": sim(rotation_trick=False),
        "simVqRotation": sim(rotation_trick=True, commitment_weight=0.5),
        "residualSimVq": sim(ResidualSimVQ, num_quantizers=2, rotation_trick=False),
        "residual": residual(rotation_trick=False),
        "residualRotation": residual(rotation_trick=True),
        "product": heads(),
        "fsqEven": fsq([8, 6, 4, 4]),
        "fsqOdd": fsq([7, 5, 3, 3]),
        "lfq": run(LFQ(dim=DIM, commitment_loss_weight=0.25), INPUTS[0]),
        "lfqScaled": run(LFQ(dim=DIM, codebook_scale=0.5, entropy_loss_weight=0.3, diversity_gamma=2.0), 0.02 * INPUTS[0]),
        "kMeans": clusters(False),
        "kMeansCosine": clusters(True),
        "pictures": pictures(),
    }
    path = os.path.join(os.path.dirname(__file__), "../../src/quantize/quantize.reference.json")
    with open(path, "w") as f:
        json.dump(output, f, separators=(",", ":"))
        f.write("\n")


main()
