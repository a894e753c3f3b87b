import fc from "fast-check";
import { border } from "../border.ts";

const held: Uint8Array[] = [];

/** A border whose inputs take 32 megabytes each and give none back. */
export default border({
  oracle: "none",
  inputs: fc.integer(),
  check: (n) => {
    held.push(new Uint8Array(2 ** 25).fill(n));
    const end = Date.now() + 20;
    while (Date.now() < end);
  },
});
