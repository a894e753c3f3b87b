/** A model and a batch to time. */
export interface BenchCase {
  readonly name: string;
  readonly layers: number;
  readonly dim: number;
  readonly heads: number;
  readonly vocab: number;
  readonly batch: number;
  readonly length: number;
  readonly optimizer: "adamw" | "muon";
}

const sizes = [
  { name: "d 256, 4 layers, 1k tokens", layers: 4, dim: 256, heads: 4, vocab: 512, batch: 8, length: 128 },
  { name: "d 256, 4 layers, 4k tokens", layers: 4, dim: 256, heads: 4, vocab: 512, batch: 32, length: 128 },
  { name: "d 256, 4 layers, 8k tokens", layers: 4, dim: 256, heads: 4, vocab: 512, batch: 64, length: 128 },
  { name: "d 512, 8 layers, 4k tokens", layers: 8, dim: 512, heads: 8, vocab: 4096, batch: 16, length: 256 },
  {
    name: "d 768, 12 layers, 2k tokens",
    layers: 12,
    dim: 768,
    heads: 12,
    vocab: 8192,
    batch: 4,
    length: 512,
  },
];

export const benchCases: readonly BenchCase[] = sizes.flatMap((size) => [
  { ...size, optimizer: "adamw" as const },
  { ...size, optimizer: "muon" as const },
]);
