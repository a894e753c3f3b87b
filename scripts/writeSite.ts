// Builds the documentation site: npm run docs
import { fileURLToPath } from "node:url";
import { buildSite, deadLinks } from "./site.ts";

const out = fileURLToPath(new URL("../site", import.meta.url));
await buildSite(out);
const dead = deadLinks(out);
for (const link of dead) console.error(`dead link: ${link}`);
if (dead.length > 0) process.exit(1);
console.log(`site/index.html, site/zh/index.html`);
