// Writes the report of the public surface: npm run api
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { apiReport } from "./apiReport.ts";

const folder = fileURLToPath(new URL("../api", import.meta.url));
mkdirSync(folder, { recursive: true });
const texts = apiReport();
for (const file of readdirSync(folder)) if (!texts.has(file)) rmSync(path.join(folder, file));
for (const [file, text] of texts) writeFileSync(path.join(folder, file), text);
