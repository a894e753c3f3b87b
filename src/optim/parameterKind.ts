/**
 * What a parameter is:
 * - `"embedding"`: a table whose rows are looked up: one per token, place, bucket of distances, or code of a quantizer;
 * - `"head"`: the output matrix;
 * - `"matrix"`: any other with two axes, a linear map between hidden states;
 * - `"stack"`: more than two axes, as kernels of convolutions and stacked matrices;
 * - `"vector"`: norms, biases and scalars.
 */
export type ParameterKind = "matrix" | "embedding" | "head" | "vector" | "stack";

/**
 * The kind of a parameter by its place in the tree: with two axes, the last name `embedding`, `codebook`, `codes`, `table`, `positions` or
 * `bias` makes it a table and `head` the output matrix; the shape decides the rest. Rules of optimizers, dry runs and decays all ask here.
 *
 * @param path - dotted, `"blocks.0.mlp.up"`
 *
 * @example
 * ```ts
 * parameterKind("blocks.0.mlp.up", [64, 256]); // => "matrix"
 * parameterKind("blocks.0.norm.scale", [64]); // => "vector"
 * ```
 */
export function parameterKind(path: string, shape: readonly number[]): ParameterKind {
  if (shape.length < 2) return "vector";
  if (shape.length > 2) return "stack";
  const name = path.slice(path.lastIndexOf(".") + 1);
  if (name === "head") return name;
  return tables.includes(name) ? "embedding" : "matrix";
}

/** Names of tables whose rows are looked up. */
const tables: readonly string[] = ["embedding", "codebook", "codes", "table", "positions", "bias"];

const reasons: Readonly<Record<ParameterKind, string>> = {
  matrix: "hidden matrix",
  embedding: "embedding table",
  head: "output head",
  vector: "vector",
  stack: "more than two axes",
};

/** The group of each kind; those of `stack` default to those of `vector`. */
export type KindGroups = Readonly<Record<Exclude<ParameterKind, "stack">, string>> & {
  readonly stack?: string;
};

/**
 * A rule for `partition` that chooses by kind.
 *
 * @param kindOf - for trees with other names. Default {@link parameterKind}.
 *
 * @example
 * ```ts
 * const rule = byKind({ matrix: "muon", embedding: "adamw", head: "adamw", vector: "adamw" });
 * rule("blocks.0.mlp.up", [64, 256]); // => { group: "muon", reason: "hidden matrix" }
 * const optimizer = partition(rule, { muon: scaleByMuon(), adamw: scaleByAdam() });
 * ```
 */
export function byKind(
  groups: KindGroups,
  kindOf: (path: string, shape: readonly number[]) => ParameterKind = parameterKind,
): (path: string, shape: readonly number[]) => { group: string; reason: string } {
  return (path, shape) => {
    const kind = kindOf(path, shape);
    return { group: groups[kind] ?? groups.vector, reason: reasons[kind] };
  };
}

/**
 * How the axes of a parameter of this library are read: matrices are `[fan-in, fan-out]`, embeddings `[rows, width]`.
 */
export function describeAxes(path: string, shape: readonly number[]): string {
  const [first, second] = shape.slice(-2);
  switch (parameterKind(path, shape)) {
    case "embedding":
      return `${first} rows × width ${second}`;
    case "matrix":
    case "head":
      return `fan-in ${first} × fan-out ${second}`;
    case "stack":
      return `${shape.slice(0, -2).join(" × ")} of ${first} × ${second}`;
    case "vector":
      return shape.length === 0 ? "scalar" : `${first} elements`;
  }
}
