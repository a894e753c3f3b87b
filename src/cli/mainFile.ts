import { fileURLToPath } from "node:url";

/** The command as a file: in a clone, or in the package. */
export const mainFile = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "main.ts" : "main.js", import.meta.url),
);
