// Writes the tables of docs/methods/positions.md and model-positions.md, with its pictures, from the layouts, the rows and their properties.
import { writeFileSync } from "node:fs";
import { modelPictures, modelPositionsPage } from "./modelPositionsPage.ts";
import { positionsPage } from "./positionsPage.ts";

writeFileSync(new URL("../docs/methods/positions.md", import.meta.url), await positionsPage());
writeFileSync(new URL("../docs/methods/model-positions.md", import.meta.url), await modelPositionsPage());
for (const [name, svg] of await modelPictures()) {
  writeFileSync(new URL(`../docs/pictures/${name}`, import.meta.url), svg);
}
