import { type DType, grad, lax, numpy as np } from "@jax-js/jax";
import { arrayOf, int32, randomArray } from "../arrays.ts";
import { singleRounding, type Tolerance } from "../compareWithJax.ts";
import {
  allDtypes,
  Bool,
  CaseTable,
  Float32,
  Float64,
  floatDtypes,
  Int32,
  numericDtypes,
  pairs,
  sample,
  specialFloats,
  specialValues,
  Uint32,
} from "../primitiveCase.ts";

const table = new CaseTable();

table.binary("add", (x, y) => x.add(y), allDtypes);
table.add(
  "add",
  "differences and negated terms",
  (x: np.Array, y: np.Array, i: np.Array, u: np.Array) => [
    x.ref.sub(y.ref),
    x.ref.neg().add(y.ref),
    x.ref.neg().add(y.ref.neg()),
    x.ref.sub(y.ref.transpose([1, 0])),
    x.ref.sub(x.ref.slice([0, 1])),
    x.sub(y.slice([0, 1])),
    i.ref.sub(int32([], [-2147483648])),
    i.sub(1),
    u.ref.sub(arrayOf(Uint32, [3], [1, 2, 3])),
    u.ref.sub(u),
  ],
  () => [
    randomArray(1, [4, 4]),
    randomArray(2, [4, 4]),
    int32([3], [5, -2147483648, 2147483647]),
    arrayOf(Uint32, [3], [0, 1, 4294967295]),
  ],
);
table.binary("mul", (x, y) => x.mul(y), allDtypes);
table.add(
  "mul",
  "quotients",
  (x: np.Array, y: np.Array) => [
    x.ref.div(y.ref),
    y.ref.transpose().div(x.ref),
    np.reciprocal(y.ref).mul(np.reciprocal(x.ref)),
    x.ref.div(y.ref.slice([0, 1])),
    x.ref.slice([], [0, 1]).div(y.ref),
    x.ref.div(3),
    np.array(1).div(y.ref),
    x.div(y.sum()),
  ],
  () => [randomArray(3, [4, 4], { low: 0.5, high: 2 }), randomArray(4, [4, 4], { low: 0.5, high: 2 })],
  // jax-js multiplies by a rounded reciprocal; a quotient rounded once is up to one and a half units away.
  { relative: 2e-7, absolute: 0 },
);

// jax-js stops at an integer divisor of 0 and at −2³¹ / −1; what the compiler does there is tested apart from the oracle.
const divisors: Partial<Record<DType, readonly number[]>> = {
  [Int32]: [1, -3, 2, 7, 31, 2147483647],
  [Uint32]: [1, 3, 7, 65537, 2147483648, 4294967295],
};
table.binary("idiv", (x, y) => x.div(y), [Int32, Uint32], {
  divides: true,
  pairs: (dtype) => pairs(dtype, specialValues(dtype), divisors[dtype]),
});
table.binary("mod", (x, y) => x.mod(y), [Int32, Uint32], {
  divides: true,
  pairs: (dtype) => pairs(dtype, specialValues(dtype), divisors[dtype]),
});
table.unary("idiv", (x) => np.trunc(x), { [Float32]: specialFloats, [Float64]: specialFloats });
// Dyadic numbers, whose quotients both libraries know exactly; of others jax-js computes x − trunc(x/y)·y with two roundings.
table.binary("mod", (x, y) => np.floor(x.mul(4)).mod(np.floor(y.mul(4)).add(0.5)), floatDtypes, {
  pairs: (dtype) =>
    pairs(dtype, [0, 1, -1, 2.5, -7.25, 100, Number.NaN, Number.POSITIVE_INFINITY], [1, -3, 0.5, Number.NaN]),
});
table.add(
  "idiv",
  "floor division, remainder and divmod of negative numbers",
  (x: np.Array, y: np.Array) => [
    np.floorDivide(x.ref, y.ref),
    np.remainder(x.ref, y.ref),
    ...np.divmod(x, y),
  ],
  () => pairs(Int32, [0, 1, -1, 7, -7, 100, -100], [1, -1, 3, -3, 7]),
);

for (const [name, fn] of [
  ["min", np.minimum],
  ["max", np.maximum],
] as const) {
  table.binary(name, fn, allDtypes);
  table.add(
    name,
    "clip, relu and their gradients",
    (x: np.Array) => [
      np.clip(x.ref, -0.5, 0.5),
      np.maximum(x.ref, 0),
      np.minimum(x.ref, 0),
      grad((y: np.Array) => np.maximum(y.ref, 0).mul(np.minimum(y, 0.25)).sum())(x),
    ],
    () => [arrayOf(Float32, [9], [-2, -1, -0.5, -0.25, 0, 0.25, 0.5, 1, 2])],
  );
}

table.unary("neg", (x) => x.neg(), Object.fromEntries(numericDtypes.map((d) => [d, specialValues(d)])));
table.unary("reciprocal", np.reciprocal, { [Float32]: specialFloats, [Float64]: specialFloats });
const fractions = [...specialFloats, 1.5, -1.5, 2.999, -0.001, 8388609.5, -2147483904];
table.unary("floor", np.floor, { [Float32]: fractions, [Float64]: fractions });
table.unary("ceil", np.ceil, { [Float32]: fractions, [Float64]: fractions });
table.add(
  "stop_gradient",
  "value and gradient",
  (x: np.Array) => [lax.stopGradient(x.ref), grad((y: np.Array) => lax.stopGradient(y.ref).mul(y).sum())(x)],
  () => [randomArray(5, [3, 2])],
);
table.unary(
  "sqrt",
  np.sqrt,
  { [Float32]: specialFloats, [Float64]: specialFloats },
  { tolerance: singleRounding },
);

/**
 * jax-js's functions are polynomials in float32, for float64 too; compared with Math.*, off by at most 5·10⁻⁷ of the value or
 * of 1, whichever is larger, for arguments of moderate size.
 */
const polynomials: Tolerance = { relative: 2e-6, absolute: 5e-7 };
const moderate = [0, 1, -1, 0.5, -2.5, 3, 7.25, 1e-6, -6, 8, Number.NaN];
const infinities = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
const bothFloats = (values: readonly number[]) => ({ [Float32]: values, [Float64]: values });
table.unary("sin", np.sin, bothFloats(moderate), { tolerance: polynomials });
table.unary("cos", np.cos, bothFloats(moderate), { tolerance: polynomials });
// ONNX Runtime has no float64 kernel of Asin, Atan and Erf.
table.unary("asin", np.asin, bothFloats([0, 1, -1, 0.5, -0.25, 1e-6, 0.999, 1.5, Number.NaN]), {
  tolerance: polynomials,
  unsupported: [Float64],
});
table.unary("atan", np.atan, bothFloats([...moderate, 1e30, ...infinities]), {
  tolerance: polynomials,
  unsupported: [Float64],
});
// Relative only, for the smallest results are 10⁻³⁵; far from 0 the argument is reduced in float32.
const exponential: Tolerance = { relative: 5e-6, absolute: 0 };
table.unary(
  "exp",
  np.exp,
  { [Float32]: [...moderate, -80, 80, 200, -200, ...infinities] },
  {
    tolerance: exponential,
  },
);
table.unary("exp", np.exp, { [Float64]: [...moderate, -80, 80, ...infinities] }, { tolerance: exponential });
const normal = specialFloats.filter((v) => v !== 2 ** -149);
table.unary("log", np.log, bothFloats([...normal, 1e-6, 1.0001, 100]), { tolerance: polynomials });
const errorArguments = [...moderate, 0.01, -0.3, 1.7, -4, 9, ...infinities];
table.unary("erf", lax.erf, bothFloats(errorArguments), { tolerance: polynomials, unsupported: [Float64] });
table.unary("erfc", lax.erfc, bothFloats(errorArguments), { tolerance: polynomials });
table.add("erfc", "the tail keeps its digits", lax.erfc, () => [arrayOf(Float32, [5], [1, 2, 3, 4, 6])], {
  relative: 1e-5,
  absolute: 0,
});

for (const op of ["less", "lessEqual", "greater", "greaterEqual"] as const) {
  table.binary("compare", (x, y) => x[op](y), numericDtypes);
}
for (const op of ["equal", "notEqual"] as const) {
  table.binary("compare", (x, y) => x[op](y), allDtypes);
}

for (const dtype of allDtypes) {
  table.add(
    "where",
    `${dtype}, broadcasting of all three operands`,
    (c: np.Array, x: np.Array, y: np.Array) => [
      np.where(c.ref, x.ref, y.ref),
      np.where(c.ref.slice([0, 1]), x.ref, y.ref.slice([], [0, 1])),
      np.where(c.ref.slice([], [0, 1]), x.ref.slice([0, 1]), y.ref),
      np.where(c.ref.transpose(), x.ref, y.ref.transpose([1, 0])),
      np.where(c.ref.slice(1, 1), x.ref, y.ref),
      np.where(c.ref.reshape([1, 3, 1, 3]), x.ref.transpose(), y.ref.sum().astype(dtype)),
      np.where(c.slice(0), x.slice(0), y.slice([], 0)),
    ],
    () => [
      arrayOf(Bool, [3, 3], [1, 0, 0, 1, 1, 0, 1, 0, 1]),
      sample(dtype, [3, 3], 9),
      sample(dtype, [3, 3], 10),
    ],
    // One operand is a sum.
    singleRounding,
  );
  table.add(
    "where",
    `${dtype}, special values and literals`,
    (x: np.Array) => [
      np.where(np.array([true, false, true]).reshape([3, 1]), x.ref, x.ref.slice(0)),
      np.where(x.ref.astype(Bool), 1, 0),
      np.where(x.ref.astype(Bool), x.ref, np.zerosLike(x)),
    ],
    () => [arrayOf(dtype, [specialValues(dtype).length], specialValues(dtype))],
  );
}
table.add(
  "where",
  "empty",
  (c: np.Array, x: np.Array) => np.where(c, x, 1),
  () => [arrayOf(Bool, [0, 2], []), arrayOf(Float32, [0, 2], [])],
);

export const arithmeticCases = table.cases;
