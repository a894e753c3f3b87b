"""Times training steps of the benchmark's transformer in PyTorch, eager and compiled.

Same model as src/nn with the benchmark's configuration: pre-norm decoder, RMSNorm, RoPE (half pairing), ReLU squared,
untied head, float32. Each line of the input asks for a step, whose milliseconds are printed; at the end comes the rest.
"""

import argparse
import json
import math
import resource
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn


def parse():
    parser = argparse.ArgumentParser()
    for name, default in [("layers", 4), ("dim", 256), ("heads", 4), ("vocab", 512), ("batch", 8), ("length", 128)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--optimizer", choices=["adamw", "muon"], default="adamw")
    parser.add_argument("--mode", choices=["eager", "compile"], default="eager")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32", help="of products, by autocast")
    return parser.parse_args()


def device_of(name):
    if name == "cpu":
        return torch.device("cpu")
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    sys.exit("PyTorch sees no GPU")


class RMSNorm(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        return F.rms_norm(x, (x.shape[-1],), self.weight, 1e-6)


class Block(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.norm1 = RMSNorm(dim)
        self.norm2 = RMSNorm(dim)
        self.wq = nn.Linear(dim, dim, bias=False)
        self.wk = nn.Linear(dim, dim, bias=False)
        self.wv = nn.Linear(dim, dim, bias=False)
        self.wo = nn.Linear(dim, dim, bias=False)
        self.up = nn.Linear(dim, 4 * dim, bias=False)
        self.down = nn.Linear(4 * dim, dim, bias=False)

    def rotate(self, x, cos, sin):
        a, b = x.chunk(2, dim=-1)
        return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)

    def forward(self, x, cos, sin):
        batch, length, dim = x.shape
        h = self.norm1(x)
        shape = (batch, length, self.heads, dim // self.heads)
        q = self.rotate(self.wq(h).view(shape).transpose(1, 2), cos, sin)
        k = self.rotate(self.wk(h).view(shape).transpose(1, 2), cos, sin)
        v = self.wv(h).view(shape).transpose(1, 2)
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.wo(a.transpose(1, 2).reshape(batch, length, dim))
        return x + self.down(F.relu(self.up(self.norm2(x))).square())


class Transformer(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.embedding = nn.Embedding(args.vocab, args.dim)
        self.blocks = nn.ModuleList(Block(args.dim, args.heads) for _ in range(args.layers))
        self.norm = RMSNorm(args.dim)
        self.head = nn.Linear(args.dim, args.vocab, bias=False)
        head_dim = args.dim // args.heads
        frequencies = 10000.0 ** (-torch.arange(0, head_dim, 2).float() / head_dim)
        angles = torch.arange(args.length).float()[:, None] * frequencies
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())
        for parameter in self.parameters():
            if parameter.ndim == 2:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, tokens):
        x = self.embedding(tokens[:, :-1])
        for block in self.blocks:
            x = block(x, self.cos, self.sin)
        logits = self.head(self.norm(x))
        return F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())


def optimizers(model, name):
    if name == "adamw":
        return [torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)]
    hidden = [p for block in model.blocks for p in block.parameters() if p.ndim == 2]
    chosen = {id(p) for p in hidden}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    return [torch.optim.Muon(hidden, lr=0.02, weight_decay=0.0), torch.optim.AdamW(rest, lr=1e-3, weight_decay=0.1)]


def main():
    args = parse()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    device = device_of(args.device)
    model = Transformer(args).to(device)
    wait = {"cuda": torch.cuda.synchronize, "mps": torch.mps.synchronize}.get(device.type, lambda: None)
    steppers = optimizers(model, args.optimizer)

    def loss_and_gradients(tokens):
        with torch.autocast(device.type, torch.bfloat16, enabled=args.dtype == "bfloat16"):
            loss = model(tokens)
        loss.backward()
        return loss

    run = torch.compile(loss_and_gradients) if args.mode == "compile" else loss_and_gradients
    started = time.perf_counter()
    first = None
    for _ in sys.stdin:
        tokens = torch.randint(0, args.vocab, (args.batch, args.length + 1)).to(device)
        wait()
        begin = time.perf_counter()
        loss = run(tokens)
        for stepper in steppers:
            stepper.step()
            stepper.zero_grad(set_to_none=True)
        wait()
        elapsed = time.perf_counter() - begin
        first = first or time.perf_counter() - started
        print(json.dumps({"ms": elapsed * 1e3}), flush=True)
    assert math.isfinite(loss.item())
    print(
        json.dumps(
            {
                "library": f"PyTorch {torch.__version__} {args.mode}",
                "firstMs": first * 1e3,
                "peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                "loss": loss.item(),
            }
        )
    )


main()
