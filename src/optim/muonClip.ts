import { tree } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import {
  choice,
  flag,
  nonNegative,
  type OptionTable,
  positive,
  share,
  withDefaults,
} from "../options/index.ts";
import { chain, type GradientTransformation, type Tree } from "./gradientTransformation.ts";
import { hiddenMatrices } from "./hiddenMatrices.ts";
import { type MuonOptions, muon, muonTable, orthogonalDirection } from "./muon.ts";
import { muonScales } from "./muonScale.ts";
import { optimizerMethod } from "./optimizerMethod.ts";
import { qkClip } from "./qkClip.ts";
import { treePaths } from "./transforms.ts";
import { spectralSize } from "./updateSize.ts";

export interface ClipQueryKeyOptions {
  /** `τ`: logits above it are brought down to it. Default 100 (Kimi K2). */
  readonly threshold?: number;
  /** Share of the factor that goes to the queries, from 0 to 1. Default 0.5 (Kimi K2). */
  readonly alpha?: number;
}

const source = "Kimi K2, 2507.20534";
const clipTable = { threshold: positive(100, source), alpha: share(0.5, source) } satisfies OptionTable;

/** Pairs of `wq` and `wk` of one attention, by layer: block 2 before block 10. */
function queryKeyPairs(paths: readonly string[]): [wq: string, wk: string][] {
  return paths
    .filter((path) => /(^|\.)wq$/.test(path) && paths.includes(path.replace(/wq$/, "wk")))
    .sort((a, b) => a.localeCompare(b, "en", { numeric: true }))
    .map((path) => [path, path.replace(/wq$/, "wk")]);
}

/**
 * The last stage of an optimizer: updates after which `qkClip` of each attention's `wq` and `wk` has been done. It needs the largest logits
 * of the forward pass, `observed.maxLogits`, `float32[layers, N]`, a row per attention in the order of the layers.
 *
 * @throws ConfigError (from `update`) without them, or if their rows aren't those of the attentions; nothing is consumed then
 *
 * Source: Kimi Team, Kimi K2, arXiv 2507.20534, algorithm 1.
 *
 * @example
 * ```ts
 * const { update, init } = clipQueryKey({ threshold: 100 });
 * const params = { wq: np.array([[2]]), wk: np.array([[8]]) };
 * const zero = { wq: np.array([[0]]), wk: np.array([[0]]) };
 * // One layer with one head, whose largest logit was 400: both weights are halved.
 * const maxLogits = np.array([[400]]);
 * const [updates] = update(zero, init(tree.ref(params)), tree.ref(params), { maxLogits });
 * const { wq, wk } = applyUpdates(params, updates);
 * wq; // => [[1.000]]
 * wk; // => [[4.000]]
 * ```
 */
export function clipQueryKey(options: ClipQueryKeyOptions = {}): GradientTransformation {
  const { threshold, alpha } = withDefaults(clipTable, options);
  return {
    init(params) {
      tree.dispose(params);
      return {};
    },
    update(updates, state, params, observed) {
      const maxLogits = observed?.maxLogits;
      const weights = new Map(treePaths(params).map(({ path, array }) => [path, array]));
      const pairs = queryKeyPairs([...weights.keys()]);
      if (pairs.length === 0) {
        tree.dispose(params);
        return [updates, state];
      }
      if (maxLogits === undefined || maxLogits.shape.length !== 2 || maxLogits.shape[0] !== pairs.length) {
        const found = maxLogits === undefined ? "nothing" : `float32[${maxLogits.shape.join()}]`;
        throw new ConfigError(
          `clipQueryKey: got ${found} for observed.maxLogits; expected float32[${pairs.length}, heads], the largest logits of each attention`,
        );
      }
      const numHeads = maxLogits.shape[1]!;
      const entries = treePaths(updates);
      const changed = new Map(entries.map(({ path, array }) => [path, array]));
      pairs.forEach(([q, k], layer) => {
        const [wq, wk] = [weights.get(q)!, weights.get(k)!];
        const numKvHeads = (wk.shape[1]! * numHeads) / wq.shape[1]!;
        const clipped = qkClip(
          { wq: wq.ref.add(changed.get(q)!), wk: wk.ref.add(changed.get(k)!) },
          maxLogits.ref.slice(layer),
          { numHeads, numKvHeads, threshold, alpha },
        );
        changed.set(q, clipped.wq.sub(wq.ref));
        changed.set(k, clipped.wk.sub(wk.ref));
      });
      const leaves = entries.map(({ path }) => changed.get(path)!);
      const result: Tree = tree.unflatten(tree.structure(updates), leaves);
      tree.dispose(params);
      return [result, state];
    },
  };
}

export interface MuonClipOptions
  extends Omit<MuonOptions, "rule" | "matrixAxes" | "split">,
    ClipQueryKeyOptions {}

const muonclipTable = {
  ...muonTable,
  weightDecay: nonNegative(0.1, source),
  nesterov: flag(false, source),
  scale: choice(muonScales, "match-adamw-rms", source),
  ...clipTable,
} satisfies OptionTable;

/**
 * MuonClip: Muon without Nesterov, in the size of AdamW's updates, AdamW for what isn't a hidden matrix, and then {@link clipQueryKey}. Its
 * `update` takes a fourth argument, `{ maxLogits }`, from `transformerMaxLogits` or the same forward pass.
 *
 * The logits must be linear in both weights: QK-norm makes the clipping useless.
 *
 * Source: Kimi Team, Kimi K2, arXiv 2507.20534, algorithm 1. Learning rate: Muon's.
 *
 * @example
 * ```ts
 * const { update, init } = muonClip({ learningRate: 0.02 });
 * const params = { wq: np.eye(2), wk: np.eye(2) };
 * const gradients = { wq: np.eye(2), wk: np.eye(2) };
 * const maxLogits = np.array([[50]]); // below the threshold of 100
 * const [updates] = update(gradients, init(tree.ref(params)), params, { maxLogits });
 * Object.keys(updates); // => ["wq", "wk"]
 * ```
 */
export function muonClip(options: MuonClipOptions = {}): GradientTransformation {
  const { threshold, alpha, weightDecay, nesterov, scale } = withDefaults(muonclipTable, options);
  const { threshold: _, alpha: _1, ...own } = options;
  return chain(muon({ ...own, weightDecay, nesterov, scale }), clipQueryKey({ threshold, alpha }));
}

export const muonclipMethod = optimizerMethod({
  options: muonclipTable,
  make: muonClip,
  rule: hiddenMatrices("muon"),
  updateSize: ({ scale }) => spectralSize(scale),
  state: { momentum: "m" },
  observes: "maxLogits",
  direction: (options, state) => ({
    ...orthogonalDirection(options, state),
    notes: [...orthogonalDirection(options, state).notes, "QK-clip is no part of φ"],
  }),
  update:
    "`0.2·√max(fanIn, fanOut)·msign(m) + λw` for matrices, AdamW for the rest; then QK-clip of `wq` and `wk` where logits pass τ",
});
