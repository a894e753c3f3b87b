import assert from "node:assert/strict";
import { test } from "node:test";
import { numpy as np, random, tree, valueAndGrad } from "@jax-js/jax";
import { ShapeError } from "../errors.ts";
import { type GradientOptions, rotationWarning, simVq } from "./index.ts";
import { arrayOf, normals } from "./testing/values.ts";

const [numVectors, dim, numCodes] = [16, 32, 64];

/**
 * A bare encoder, its outputs, and W by plain gradient descent from outputs of size `start`, with a target for the decoder's
 * input. Gives the largest error and the warning before the first step.
 */
function descend(options: GradientOptions, start: number, steps = 5) {
  const quantizer = simVq({ numCodes, dim, ...options });
  const { params, state } = quantizer.init(random.key(1));
  const target = normals([numVectors, dim], 5);
  let variables = {
    transform: params.transform as np.Array,
    z: arrayOf(
      normals([numVectors, dim], 6).map((v) => start * v),
      [numVectors, dim],
    ),
  };
  const indices = quantizer.encode(tree.ref(params), tree.ref(state), variables.z.ref);
  const q = quantizer.decode(tree.ref(params), tree.ref(state), indices);
  const warning = rotationWarning(variables.z, q);
  q.dispose();
  let largest = 0;
  const loss = ({ z, transform }: { z: np.Array; transform: np.Array }) => {
    const out = quantizer.apply({ transform }, tree.ref(state), z);
    tree.dispose([out.indices, out.batch]);
    const reconstruction = np.mean(np.square(out.quantized.sub(arrayOf(target, [numVectors, dim]))));
    return [reconstruction.add(out.loss), out.error];
  };
  for (let step = 0; step < steps; step++) {
    const differentiate = valueAndGrad(loss, { hasAux: true }) as (
      v: typeof variables,
    ) => [[np.Array, np.Array], typeof variables];
    const [[total, error], gradients] = differentiate(tree.ref(variables));
    total.dispose();
    largest = Math.max(largest, error.item());
    // A step of 4 on a mean over 512 numbers.
    variables = tree.map((v: np.Array, g: np.Array) => v.sub(g.mul(4)), variables, gradients);
  }
  tree.dispose([variables, state]);
  return { largest, warning };
}

test("the warning is given where gradients are lengthened, and names the factor", () => {
  const [short, usual] = [
    descend({ gradient: "rotation" }, 1e-3, 1),
    descend({ gradient: "rotation" }, 1, 1),
  ];
  assert.match(short.warning!, /^rotation trick: codes are [\d.]+ times as long as the vectors/);
  assert.equal(usual.warning, null);
  // Codes of norm about 1/√3 against vectors of norm 10⁻³·√32.
  const factor = Number(/[\d.]+/.exec(short.warning!.slice(16))![0]);
  assert.ok(factor > 50 && factor < 200, `${factor}`);
  const [a, b] = [np.zeros([2, 3]), np.zeros([3, 2])];
  assert.throws(() => rotationWarning(a, b), ShapeError);
  assert.equal(rotationWarning(a, a), null);
});

test("SimVQ with the rotation trick: short vectors make the error jump; maxRatio and longer vectors don't", () => {
  const rotation = descend({ gradient: "rotation" }, 1e-3).largest;
  const straight = descend({}, 1e-3).largest;
  const capped = descend({ gradient: "rotation", maxRatio: 1 }, 1e-3).largest;
  const usual = descend({ gradient: "rotation" }, 0.3).largest;
  assert.ok(rotation > 10 * straight);
  assert.ok(capped < 2 * straight);
  assert.ok(usual < rotation / 10);
});
