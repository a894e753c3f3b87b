import path from "node:path";
import { openTokenDataset, type TokenDataset } from "../data/index.ts";

/** The shipped books as bytes; token files lie where training runs keep theirs. */
export function openBooks(): TokenDataset {
  return openTokenDataset({
    source: "books",
    tokenizer: "bytes",
    validationFraction: 0.05,
    seed: 1,
    cacheDirectory: path.join(process.env.ROTOR_HOME ?? ".rotor", "cache"),
  });
}
