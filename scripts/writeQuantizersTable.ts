// Writes the table of docs/methods/vector-quantization.md from the quantizers' rows.
import { readFileSync, writeFileSync } from "node:fs";
import { withQuantizersTable } from "./quantizersTable.ts";

const page = new URL("../docs/methods/vector-quantization.md", import.meta.url);
writeFileSync(page, withQuantizersTable(readFileSync(page, "utf8")));
