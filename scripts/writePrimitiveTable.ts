// Writes docs/primitives.md from the compiler's own rules.
import { writeFileSync } from "node:fs";
import { primitiveTable } from "./primitiveTable.ts";

writeFileSync(new URL("../docs/primitives.md", import.meta.url), primitiveTable());
