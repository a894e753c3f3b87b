import assert from "node:assert/strict";
import fc from "fast-check";
import { ConfigError } from "../../src/errors.ts";
import { border } from "../border.ts";

/** A border with each fault that a hunt must find. */
export default border<{ n: number }>({
  oracle: "the number",
  inputs: fc.record({ n: fc.integer({ min: 1, max: 4000 }) }),
  check: ({ n }) => {
    switch (n % 100) {
      case 1:
        return assert.equal(n, 0, "a wrong answer");
      case 2:
        throw new TypeError("no error of Rotor's");
    }
    if (n % 2 === 0) throw new ConfigError("even");
  },
});
