"""Times training steps of the autoencoder of bench/vqStep.ts in PyTorch, with quantizers of vector-quantize-pytorch.

The same maps as src/nn/convolutionalEncoder.ts: convolutions of size and stride 2, a residual block (3 x 3, then 1 x 1) in each stage,
Adam, float32. Steps of all variants in turns. Prints a line per variant.
"""

import argparse
import statistics
import time

import torch
import vector_quantize_pytorch
from torch import nn
from torch.nn import functional as F
from vector_quantize_pytorch import SimVQ, VectorQuantize


def parse():
    parser = argparse.ArgumentParser()
    for name, default in [("codes", 8192), ("dim", 16), ("batch", 64), ("rounds", 15), ("threads", 2)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--channels", type=int, nargs=2, default=[32, 64])
    return parser.parse_args()


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.convolution = nn.Conv2d(channels, channels, 3, padding=1)
        self.output = nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        return x + self.output(F.relu(self.convolution(F.relu(x))))


class Autoencoder(nn.Module):
    def __init__(self, dim, widths, quantizer):
        super().__init__()
        first, second = widths
        self.encoder = nn.Sequential(
            nn.Conv2d(1, first, 2, stride=2),
            Residual(first),
            nn.Conv2d(first, second, 2, stride=2),
            Residual(second),
            nn.ReLU(),
            nn.Conv2d(second, dim, 1),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(dim, second, 1),
            Residual(second),
            nn.ReLU(),
            nn.ConvTranspose2d(second, first, 2, stride=2),
            Residual(first),
            nn.ReLU(),
            nn.ConvTranspose2d(first, 1, 2, stride=2),
        )
        self.quantizer = quantizer

    def forward(self, x):
        z = self.encoder(x)
        loss = 0.0
        if self.quantizer is not None:
            vectors = z.flatten(2).transpose(1, 2)
            q, _, loss = self.quantizer(vectors)
            z = q.transpose(1, 2).reshape(z.shape)
        return 10 * F.mse_loss(self.decoder(z), x) + loss


def main():
    args = parse()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    common = {"dim": args.dim, "codebook_size": args.codes, "rotation_trick": False}
    quantizers = {
        "none": None,
        "vq": VectorQuantize(**common, learnable_codebook=True, ema_update=False, commitment_weight=1.0),
        "vq-ema": VectorQuantize(**common, decay=0.99, commitment_weight=0.25),
        "rotation": VectorQuantize(**{**common, "rotation_trick": True}, decay=0.99, commitment_weight=0.25),
        "simvq": SimVQ(**common),
    }
    steps = {}
    for name, quantizer in quantizers.items():
        model = Autoencoder(args.dim, args.channels, quantizer).train()
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

        def step(model=model, optimizer=optimizer):
            x = torch.rand(args.batch, 1, 28, 28)
            begin = time.perf_counter()
            optimizer.zero_grad()
            loss = model(x)
            loss.backward()
            optimizer.step()
            loss.item()
            return 1000 * (time.perf_counter() - begin)

        steps[name] = step
    times = {name: [] for name in steps}
    for turn in range(-3, args.rounds):
        for name, step in steps.items():
            taken = step()
            if turn >= 0:
                times[name].append(taken)
    print(f"PyTorch {torch.__version__}, vector-quantize-pytorch {version()}")
    for name, own in times.items():
        ratio = statistics.median(a / b for a, b in zip(own, times["none"]))
        print(f"{name:10}{statistics.median(own):6.0f} ms a step  {ratio:.2f}x")


def version():
    from importlib.metadata import version as of

    return of(vector_quantize_pytorch.__name__.replace("_", "-"))


main()
