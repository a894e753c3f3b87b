// Where the tokens of texts and images lie: in layouts with known properties, in a published model, and in the scores of attention.
//
// node examples/positions.ts
import { numpy as np } from "@jax-js/jax";
import {
  applyRotary,
  checkProperty,
  formatDocument,
  layoutPositions,
  layouts,
  modelPositions,
  parseDocument,
  positionOf,
  rotaryTables,
} from "rotor";

// Two words, an image of 4 × 6 patches that are merged to 2 × 3 tokens, one word.
const document = parseDocument("text:2 image:4x6/2 text:1");

console.log("token by token, on the axes of each layout:");
for (const name of ["flat", "tie-v2", "mrope"] as const) {
  const positions = layoutPositions(layouts[name], document);
  const vectors = Array.from({ length: 9 }, (_, token) => `(${positionOf(positions, token).join(" ")})`);
  console.log(`  ${name}: ${vectors.join(" ")}`);
}

// A published model by the name that Transformers gives it, and what its decoder adds to the numbers of tokens that it makes.
const { positions, delta } = modelPositions("qwen3_vl", document);
console.log(`qwen3_vl: the last word at ${positionOf(positions, 8).join(" ")}, delta ${delta}`);

// Reading an image backwards should be reading it forwards, mirrored. The smallest document where that fails:
for (const name of ["tie-v2", "mrope"] as const) {
  const found = await checkProperty(layouts[name], "symmetry");
  const says = found.verdict === "broken" ? `broken by ${formatDocument(found.document)}` : found.verdict;
  console.log(`symmetry of ${name}: ${says}`);
}

// Rotary embeddings turn heads by these positions; a score then depends on differences of positions alone.
const head = np.array([[[[1, 2, 3, 4]], [[4, 3, 2, 1]]]]); // [batch 1, 2 places, 1 head, 4 components]
const score = (places: readonly number[]) => {
  const turned = applyRotary(head.ref, rotaryTables(places, 4));
  const [query, key] = np.split(turned, 2, 1) as [np.Array, np.Array];
  return query.mul(key).sum().item() as number;
};
const [near, far] = [score([0, 5]), score([1000, 1005])];
console.log(`score of places 0 and 5: ${near.toFixed(3)}; of 1000 and 1005: ${far.toFixed(3)}`);
if (Math.abs(near - far) > 1e-3) process.exitCode = 1;
