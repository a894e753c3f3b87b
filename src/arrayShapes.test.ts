import assert from "node:assert/strict";
import { test } from "node:test";
import { checkShapes, shownArray } from "./arrayShapes.ts";
import { ShapeError } from "./errors.ts";

const of = (dtype: string, ...shape: number[]) => ({ dtype, shape });

test("a letter is one size in all arrays of a call, numbers and axes in front are as they say", () => {
  assert.equal(shownArray(of("int32", 2, 3)), "int32[2,3]");
  const sizes = checkShapes(
    "f",
    {
      x: [of("float32", 5, 2, 3), "float32[B.., I]"],
      w: [of("float32", 3, 4), "float32[I, O]"],
      targets: [of("int32", 5, 2), "int32[B..]"],
      any: [of("bool", 7, 4), "any[.., O]"],
      scalar: [of("float32"), "float32[]"],
      missing: [undefined, "float32[1, 2, 3]"],
    },
    { O: 4 },
  );
  assert.deepEqual(sizes, { I: 3, O: 4 });
});

test("what doesn't fit is said with what is known", () => {
  const x = of("float32", 2, 3);
  for (const [expected, message] of [
    [{ x: [x, "float32[A, A]"] }, "f: x is float32[2,3], expected float32[A, A]"],
    [{ x: [x, "float32[2, 4]"] }, "f: x is float32[2,3], expected float32[2, 4]"],
    [{ x: [x, "float32[.., A, B, C]"] }, "f: x is float32[2,3], expected float32[.., A, B, C]"],
    [{ x: [x, "int32[A, B]"] }, "f: x is float32[2,3], expected int32[A, B]"],
    [
      { x: [x, "float32[A, B]"], y: [of("float32", 2, 4), "float32[A, B]"] },
      "f: y is float32[2,4], expected float32[A=2, B=3]",
    ],
    [{ x: [x, "float32[F.., B]"], y: [of("int32", 4), "int32[F..]"] }, "f: y is int32[4], expected int32[2]"],
  ] as const)
    assert.throws(() => checkShapes("f", expected), new ShapeError(message));
});

test("a model may be computed in other floats", () => {
  checkShapes("f", { x: [of("float16", 2), "float32[A]"], y: [of("float64", 2), "float32[A]"] });
  assert.throws(() => checkShapes("f", { x: [of("bool", 2), "float32[A]"] }), ShapeError);
});
