import { type Consumers, isProduct } from "../consumers.ts";
import type { GraphNode, Tensor } from "../graph.ts";
import { sizeOf } from "../view.ts";
import { scalarConstant } from "./patterns.ts";
import type { FactorRewrite, Factors } from "./rewrite.ts";

/**
 * The product that can take a factor of `tensor`: the one that makes it, or one factor of the element-wise product that makes
 * it, if nothing else reads what lies between.
 */
function scalableSource(tensor: Tensor, consumers: Consumers): GraphNode | null {
  const source = consumers.soleSource(tensor);
  if (source === undefined || source.outputs[0]!.type !== "float32") return null;
  if (isProduct(source)) return source;
  if (source.op !== "Mul" || source.inputs.some((input) => scalarConstant(input) !== null)) return null;
  for (const input of source.inputs) {
    const behind = scalableSource(input!, consumers);
    if (behind !== null) return behind;
  }
  return null;
}

const smallestNormal = 2 ** -126;
const largestFloat32 = (2 - 2 ** -23) * 2 ** 127;

/** Whether float32 holds a number with its full precision. */
function isNormal(value: number): boolean {
  const size = Math.abs(value);
  return size >= smallestNormal && size <= largestFloat32;
}

/** Finds the factors that products can take. */
function findFactors(nodes: readonly GraphNode[], consumers: Consumers): Factors {
  const known = new Map<GraphNode, number>();
  const bypassed = new Set<GraphNode>();
  /** Whether all products could take a factor: one beyond float32 would become 0 or infinite, where its parts in turn do not. */
  const scaleAll = (products: readonly GraphNode[], factor: number): boolean => {
    const alphas = new Map<GraphNode, number>();
    // A product of an array with itself takes the factor twice.
    for (const product of products)
      alphas.set(product, (alphas.get(product) ?? known.get(product) ?? 1) * factor);
    if (![...alphas.values()].every((alpha) => alpha === 0 || isNormal(alpha))) return false;
    for (const [product, alpha] of alphas) known.set(product, alpha);
    return true;
  };
  for (const node of nodes) {
    if (node.op !== "Mul") continue;
    const [a, b] = node.inputs as [Tensor, Tensor];
    const factor = scalarConstant(b) ?? scalarConstant(a);
    const operand = scalarConstant(b) === null ? b : a;
    if (factor === null || !Number.isFinite(factor) || operand.constant !== undefined) continue;
    if (sizeOf(operand.shape) !== sizeOf(node.outputs[0]!.shape)) continue;
    const source = scalableSource(operand, consumers);
    if (source !== null) {
      if (scaleAll([source], factor)) bypassed.add(node);
      continue;
    }
    const products = consumers.productsOnly(node.outputs[0]!);
    if (products !== null && scaleAll(products, factor)) bypassed.add(node);
  }
  return { alpha: known, bypassed };
}

/**
 * `c·(A B)` and `(c·A) B` become the product's `alpha`: a pass over the scores of attention less, forward and backward.
 */
export const scale: FactorRewrite = { kind: "factor", find: findFactors };
