import type { OnnxGraph } from "../../compile/index.ts";
import type { ImageAutoencoderConfig } from "../../nn/index.ts";
import { rotaryTables } from "../../position/index.ts";
import type { Layers } from "./layers.ts";

type Convolutional = Extract<ImageAutoencoderConfig["encoder"], { kind: "convolutional" }>;
type Patches = Extract<ImageAutoencoderConfig["encoder"], { kind: "patch" }>;

/** A picture or a grid of vectors, `float32[batch, height, width, channels]`, with the sizes that are known. */
interface Grid {
  readonly value: string;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/** The encoder and the decoder of an autoencoder of images as nodes, by the paths of their parameters. */
export class ImageGraph {
  readonly #graph: OnnxGraph;
  readonly #layers: Layers;
  readonly #config: ImageAutoencoderConfig;

  constructor(graph: OnnxGraph, layers: Layers, config: ImageAutoencoderConfig) {
    this.#graph = graph;
    this.#layers = layers;
    this.#config = config;
  }

  #node(op: string, ...inputs: readonly string[]): string {
    return this.#graph.node(op, inputs);
  }

  #reshaped(x: string, ...shape: readonly number[]): string {
    return this.#node("Reshape", x, this.#graph.ints(shape));
  }

  /** Pixels from 0 to 1 as latent vectors. */
  encode(images: string): string {
    const { encoder, image, latent } = this.#config;
    const centred = this.#node("Sub", this.#layers.scaled(images, 2), this.#graph.float(1));
    const grid = { value: centred, ...image };
    return encoder.kind === "patch"
      ? this.#patches(this.#spaceToDepth(grid, encoder.patchSize), "encoder", encoder, latent.dim)
      : this.#convolutionalEncoder(grid, encoder);
  }

  /** Latent vectors as pixels, near 0 to 1. */
  decode(latents: string): string {
    const { encoder, image, latent } = this.#config;
    const { height, width, dim } = latent;
    const grid = { value: latents, height, width, channels: dim };
    const pixels =
      encoder.kind === "patch"
        ? this.#depthToSpace(
            {
              ...grid,
              value: this.#patches(grid, "decoder", encoder, encoder.patchSize ** 2 * image.channels),
              channels: encoder.patchSize ** 2 * image.channels,
            },
            encoder.patchSize,
          ).value
        : this.#convolutionalDecoder(grid, encoder);
    return this.#layers.scaled(this.#node("Add", pixels, this.#graph.float(1)), 0.5);
  }

  #affine(x: string, path: string): string {
    return this.#layers.linear(x, `${path}.weight`, `${path}.bias`);
  }

  /** Blocks of pixels become channels, as `spaceToDepth` of nn. */
  #spaceToDepth({ value, height, width, channels }: Grid, factor: number): Grid {
    const [rows, columns] = [height / factor, width / factor];
    const parted = this.#reshaped(value, -1, rows, factor, columns, factor, channels);
    const moved = this.#graph.node("Transpose", [parted], { perm: [0, 1, 3, 2, 4, 5] });
    const depth = factor ** 2 * channels;
    return {
      value: this.#reshaped(moved, -1, rows, columns, depth),
      height: rows,
      width: columns,
      channels: depth,
    };
  }

  #depthToSpace({ value, height, width, channels }: Grid, factor: number): Grid {
    const depth = channels / factor ** 2;
    const parted = this.#reshaped(value, -1, height, width, factor, factor, depth);
    const moved = this.#graph.node("Transpose", [parted], { perm: [0, 1, 3, 2, 4, 5] });
    const [rows, columns] = [height * factor, width * factor];
    return {
      value: this.#reshaped(moved, -1, rows, columns, depth),
      height: rows,
      width: columns,
      channels: depth,
    };
  }

  #convolution(x: string, path: string): string {
    const first = this.#graph.node("Transpose", [x], { perm: [0, 3, 1, 2] });
    const inputs = [first, ...["kernel", "bias"].map((name) => this.#layers.parameter(`${path}.${name}`))];
    const convolved = this.#graph.node("Conv", inputs, { auto_pad: "SAME_UPPER" });
    return this.#graph.node("Transpose", [convolved], { perm: [0, 2, 3, 1] });
  }

  #residualBlocks(x: string, path: string, count: number): string {
    let value = x;
    for (let i = 0; i < count; i++) {
      const own = `${path}.blocks.${i}`;
      const inner = this.#convolution(this.#node("Relu", value), `${own}.convolution`);
      value = this.#node("Add", value, this.#affine(this.#node("Relu", inner), `${own}.output`));
    }
    return value;
  }

  #convolutionalEncoder(images: Grid, { channels, numBlocks }: Convolutional): string {
    let grid = images;
    for (const [stage, width] of channels.entries()) {
      const path = `encoder.stages.${stage}`;
      const halved = this.#spaceToDepth(grid, 2);
      const resized = this.#affine(halved.value, `${path}.resize`);
      grid = { ...halved, value: this.#residualBlocks(resized, path, numBlocks), channels: width };
    }
    return this.#affine(this.#node("Relu", grid.value), "encoder.output");
  }

  #convolutionalDecoder(latents: Grid, { channels, numBlocks }: Convolutional): string {
    let grid = { ...latents, value: this.#affine(latents.value, "decoder.input") };
    const widths = [...channels.slice(0, -1).reverse(), this.#config.image.channels];
    for (const [stage, width] of widths.entries()) {
      const path = `decoder.stages.${stage}`;
      const inner = this.#node("Relu", this.#residualBlocks(grid.value, path, numBlocks));
      const value = this.#affine(inner, `${path}.resize`);
      grid = this.#depthToSpace({ ...grid, value, channels: 4 * width }, 2);
    }
    return grid.value;
  }

  /** Linear map, blocks in which every place sees every place, norm, linear map. */
  #patches({ value, height, width }: Grid, path: string, { transformer }: Patches, fanOut: number): string {
    const { modelDim, numLayers } = transformer;
    const places = height * width;
    let x = this.#reshaped(this.#affine(value, `${path}.input`), -1, places, modelDim);
    const turn = this.#rotation(height, width, path, transformer);
    for (let layer = 0; layer < numLayers; layer++) {
      const own = `${path}.blocks.${layer}`;
      const read = this.#layers.norm(x, `${own}.attentionNorm`, transformer);
      x = this.#node("Add", x, this.#attention(read, `${own}.attention`, places, transformer, turn));
      const fed = this.#layers.norm(x, `${own}.mlpNorm`, transformer);
      x = this.#node("Add", x, this.#layers.mlp(fed, `${own}.mlp`, transformer.mlp));
    }
    const out = this.#affine(this.#layers.norm(x, `${path}.norm`, transformer), `${path}.output`);
    return this.#reshaped(out, -1, height, width, fanOut);
  }

  /** What turns heads `[batch, places, N, H]` by their rows and columns. */
  #rotation(height: number, width: number, path: string, config: Patches["transformer"]) {
    const { headDim, numHeads, ropeBase, ropePairing, allocation } = config;
    const values = Float64Array.from({ length: 2 * height * width }, (_, i) =>
      i % 2 === 0 ? Math.floor((i >> 1) / width) : (i >> 1) % width,
    );
    const tables = rotaryTables({ values, numAxes: 2 }, headDim, {
      base: ropeBase,
      pairing: ropePairing,
      allocation,
    });
    const constant = (name: "cos" | "sin") => {
      const { shape } = tables[name];
      const data = Float32Array.from(tables[name].dataSync());
      return { shape, name: this.#graph.constant(`${path} ${name}`, "float32", shape, data) };
    };
    const [cos, sin] = [constant("cos"), constant("sin")];
    // What of a table's axes is a head's, and which of these holds the two members of a pair.
    const split = sin.shape.slice(2);
    const axis = ropePairing === "half" ? 3 : 4;
    return (x: string): string => {
      const pairs = this.#reshaped(x, -1, height * width, numHeads, ...split);
      const swapped = this.#graph.node("Gather", [pairs, this.#graph.ints([1, 0])], { axis });
      const turned = this.#node(
        "Add",
        this.#node("Mul", pairs, cos.name),
        this.#node("Mul", swapped, sin.name),
      );
      return this.#reshaped(turned, -1, height * width, numHeads, headDim);
    };
  }

  #attention(
    x: string,
    path: string,
    places: number,
    config: Patches["transformer"],
    turn: (heads: string) => string,
  ): string {
    const { numHeads, headDim } = config;
    const heads = (name: string) =>
      this.#reshaped(this.#layers.linear(x, `${path}.w${name}`), -1, places, numHeads, headDim);
    const turned = (name: string) =>
      turn(this.#layers.norm(heads(name), `${path}.${name}Norm`, { ...config, norm: "rmsnorm" }));
    const placed = (value: string, perm: readonly number[]) =>
      this.#graph.node("Transpose", [value], { perm });
    const q = placed(this.#layers.scaled(turned("q"), headDim ** -0.5), [0, 2, 1, 3]);
    const scores = this.#node("MatMul", q, placed(turned("k"), [0, 2, 3, 1]));
    const weights = this.#graph.node("Softmax", [scores], { axis: -1 });
    const attended = this.#node("MatMul", weights, placed(heads("v"), [0, 2, 1, 3]));
    const joined = this.#reshaped(placed(attended, [0, 2, 1, 3]), -1, places, numHeads * headDim);
    return this.#layers.linear(joined, `${path}.wo`);
  }
}
