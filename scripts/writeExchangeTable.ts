// Writes the table of docs/exchange.md from the architectures' rows.
import { readFileSync, writeFileSync } from "node:fs";
import { withExchangeTable } from "./exchangeTable.ts";

const page = new URL("../docs/exchange.md", import.meta.url);
writeFileSync(page, withExchangeTable(readFileSync(page, "utf8")));
