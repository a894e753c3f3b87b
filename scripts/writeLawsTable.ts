// Writes the tables of docs/fit.md from the laws and from the columns that a sweep can have.
import { readFileSync, writeFileSync } from "node:fs";
import { withFieldsTable } from "./fieldsTable.ts";
import { withLawsTable } from "./lawsTable.ts";

const page = new URL("../docs/fit.md", import.meta.url);
writeFileSync(page, withFieldsTable(withLawsTable(readFileSync(page, "utf8"))));
