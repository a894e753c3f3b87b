// Writes the table of docs/methods/positions.md from the layouts and their properties.
import { writeFileSync } from "node:fs";
import { positionsPage } from "./positionsPage.ts";

writeFileSync(new URL("../docs/methods/positions.md", import.meta.url), await positionsPage());
