import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

export const escapeHtml = (text: string) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

/** A page with plots. */
export interface ReportPage {
  readonly title: string;
  /** HTML above the text. */
  readonly body: string;
  /** What the command prints. */
  readonly text: string;
  /** For the script, in the element `data` as JSON. */
  readonly data: unknown;
  /** JavaScript; the global `echarts` is there. */
  readonly script: string;
}

/** Tables keep their columns and scroll; sentences wrap, on a phone too. */
const inWords = (text: string) =>
  text
    .split("\n\n")
    .map((block) =>
      /\S {2,}\S/.test(block)
        ? `<pre>${escapeHtml(block)}</pre>`
        : `<p>${escapeHtml(block).replaceAll("\n", "<br>")}</p>`,
    )
    .join("\n");

/** A page that needs nothing else: it holds its data and the plots' library, and loads nothing. */
export function reportPage({ title, body, text, data, script }: ReportPage): string {
  const library = readFileSync(createRequire(import.meta.url).resolve("echarts/dist/echarts.min"), "utf8");
  // "<" could end the script element or begin a comment in it.
  const json = JSON.stringify(data).replaceAll("<", "\\u003c");
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 62em; padding: 0 1em; color: #222; background: #fff }
.plot { height: 30em }
pre { overflow-x: auto; background: #f5f5f5; padding: 1em }
p { overflow-wrap: anywhere }
input { font: inherit; width: 8em }
@media (max-width: 40em) { body { margin: 1em auto } .plot { height: 22em } }
</style>
<h1>${escapeHtml(title)}</h1>
${body}
<h2>In words</h2>
${inWords(text)}
<script>${library.replaceAll("</script", "<\\/script")}</script>
<script id="data" type="application/json">${json}</script>
<script>${script}</script>
</html>
`;
}
