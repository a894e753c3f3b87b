// Writes the tables of docs/training.md from the rows of tasks, presets and optimizers.
import { readFileSync, writeFileSync } from "node:fs";
import { withTrainingTables } from "./trainingTables.ts";

const page = new URL("../docs/training.md", import.meta.url);
writeFileSync(page, withTrainingTables(readFileSync(page, "utf8")));
