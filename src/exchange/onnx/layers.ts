import type { StoredTensor } from "../../checkpoint/index.ts";
import type { OnnxGraph } from "../../compile/index.ts";
import type { MlpKind, TransformerConfig } from "../../nn/index.ts";

/** Parameters by their dotted paths. */
export type GraphParameters = ReadonlyMap<string, Pick<StoredTensor, "shape" | "data">>;

type NormOptions = Pick<TransformerConfig, "norm" | "normGain" | "normEps">;

/** Parts of models as nodes of a graph, over parameters that become constants under their own names. */
export class Layers {
  readonly #graph: OnnxGraph;
  readonly #parameters: GraphParameters;

  constructor(graph: OnnxGraph, parameters: GraphParameters) {
    this.#graph = graph;
    this.#parameters = parameters;
  }

  #node(op: string, ...inputs: readonly string[]): string {
    return this.#graph.node(op, inputs);
  }

  /** A parameter; undefined if the model hasn't it. */
  optional(path: string): string | undefined {
    const stored = this.#parameters.get(path);
    return stored === undefined
      ? undefined
      : this.#graph.constant(path, "float32", stored.shape, stored.data);
  }

  parameter(path: string): string {
    return this.optional(path)!;
  }

  add(x: string, y: string | undefined): string {
    return y === undefined ? x : this.#node("Add", x, y);
  }

  scaled(x: string, by: number): string {
    return by === 1 ? x : this.#node("Mul", x, this.#graph.float(by));
  }

  /** `x @ weight`, with a bias if the model has it. */
  linear(x: string, weight: string, bias?: string): string {
    const product = this.#node("MatMul", x, this.parameter(weight));
    return this.add(product, bias === undefined ? undefined : this.optional(bias));
  }

  /** Over the last axis. */
  norm(x: string, path: string, { norm, normGain, normEps }: NormOptions): string {
    const lastAxis = this.#graph.ints([-1]);
    const mean = (of: string) => this.#node("ReduceMean", of, lastAxis);
    const centred = norm === "layernorm" ? this.#node("Sub", x, mean(x)) : x;
    const square = this.#node("Mul", centred, centred);
    const size = this.#node("Sqrt", this.#node("Add", mean(square), this.#graph.float(normEps)));
    const normal = this.#node("Div", centred, size);
    const gain = this.optional(`${path}.weight`);
    if (gain === undefined) return normal;
    const by = normGain === "zero-centered" ? this.#node("Add", gain, this.#graph.float(1)) : gain;
    return this.add(this.#node("Mul", normal, by), this.optional(`${path}.bias`));
  }

  #gelu(x: string): string {
    const erf = this.#node("Erf", this.scaled(x, Math.SQRT1_2));
    return this.#node("Mul", this.scaled(x, 0.5), this.#node("Add", erf, this.#graph.float(1)));
  }

  #geluTanh(x: string): string {
    const cube = this.#node("Mul", this.#node("Mul", x, x), x);
    const cubic = this.#node("Add", x, this.scaled(cube, 0.044715));
    const tanh = this.#node("Tanh", this.scaled(cubic, Math.sqrt(2 / Math.PI)));
    return this.#node("Mul", this.scaled(x, 0.5), this.#node("Add", tanh, this.#graph.float(1)));
  }

  /** What stands inside an MLP, or multiplies its gated half. */
  activation(x: string, kind: MlpKind): string {
    switch (kind) {
      case "gelu":
      case "geglu":
        return this.#gelu(x);
      case "gelu-tanh":
      case "geglu-tanh":
        return this.#geluTanh(x);
      case "relu2": {
        const positive = this.#node("Relu", x);
        return this.#node("Mul", positive, positive);
      }
      case "swiglu":
        return this.#node("Mul", x, this.#node("Sigmoid", x));
    }
  }

  /** A feed-forward block whose parameters lie under a path. */
  mlp(x: string, path: string, kind: MlpKind): string {
    const own = (name: string) => `${path}.${name}`;
    const up = this.linear(x, own("up"), own("upBias"));
    const isGated = this.#parameters.has(own("gate"));
    const inner = isGated
      ? this.#node("Mul", this.activation(this.linear(x, own("gate"), own("gateBias")), kind), up)
      : this.activation(up, kind);
    return this.linear(inner, own("down"), own("downBias"));
  }
}
