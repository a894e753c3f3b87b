import { fileURLToPath } from "node:url";
import { isClone } from "./pageFiles.ts";

/** The command as a file: what the page starts is the command that a person would start. */
export const commandFile = fileURLToPath(
  new URL(isClone ? "../cli/main.ts" : "../cli/main.js", import.meta.url),
);
