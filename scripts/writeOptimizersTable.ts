// Writes the table of docs/methods/optimizers.md from the optimizers' rows.
import { readFileSync, writeFileSync } from "node:fs";
import { withOptimizersTable } from "./optimizersTable.ts";

const page = new URL("../docs/methods/optimizers.md", import.meta.url);
writeFileSync(page, withOptimizersTable(readFileSync(page, "utf8")));
