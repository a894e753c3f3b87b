import fc from "fast-check";
import { border } from "../border.ts";

/** A border whose every input hangs. */
export default border({
  oracle: "none",
  inputs: fc.record({ n: fc.integer() }),
  check: () => {
    for (;;);
  },
});
