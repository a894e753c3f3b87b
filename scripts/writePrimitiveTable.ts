// Writes docs/primitives.md from the compiler's own rules and from running cases.
import { writeFileSync } from "node:fs";
import { primitiveTable } from "./primitiveTable.ts";

writeFileSync(new URL("../docs/primitives.md", import.meta.url), await primitiveTable());
