// Writes docs/commands.md from the commands' rows.
import { writeFileSync } from "node:fs";
import { commandsPage } from "./commandsPage.ts";

writeFileSync(new URL("../docs/commands.md", import.meta.url), commandsPage());
