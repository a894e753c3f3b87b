import path from "node:path";
import { openTokenDataset, type TokenDataset } from "../data/index.ts";

/** The shipped books as bytes; token files lie below `home`, where training runs keep theirs. */
export function openBooks(home: string): Promise<TokenDataset> {
  return openTokenDataset({
    source: "books",
    tokenizer: "bytes",
    validationFraction: 0.05,
    seed: 1,
    cacheDirectory: path.join(home, "cache"),
  });
}
