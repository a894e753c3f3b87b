import { createHash } from "node:crypto";
import { z } from "zod";
import { ConfigError } from "../../errors.ts";
import { firstProblem } from "../../runs/index.ts";
import type { UiContext } from "../context.ts";
import { FileAnswer, route } from "../route.ts";
import { asJson, computedPlace } from "../sharedDocument.ts";

const bodySchema = z.strictObject({
  /** After the `#`. */
  place: z.string().max(10_000),
  /** Addresses that the page asked for, and those of its pictures. */
  answers: z.array(z.string().startsWith("/api/")).max(1000),
  files: z.array(z.string().startsWith("/api/")).max(5000),
});

const hash = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

function pageText({ page }: UiContext, name: string): string {
  const file = page.read(`/${name}`);
  if (file === null) throw new ConfigError(`page: isn't built; ${name} is missing`);
  return file.data.toString("utf8");
}

/** The page with its data in one document, which may load nothing and asks nobody. */
function documentOf(context: UiContext, data: unknown): string {
  const script = pageText(context, "page.js").replaceAll("</script", "<\\/script");
  const style = pageText(context, "page.css").replaceAll("</style", "<\\/style");
  const policy = `default-src 'none'; script-src ${hash(script)}; style-src ${hash(style)}; img-src data: blob:; base-uri 'none'; form-action 'none'`;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Rotor</title>
<link rel="icon" href="data:,">
<style>${style}</style>
<div id="app"></div>
<script id="shared" type="application/json">${asJson(data)}</script>
${computedPlace}
<script type="module">${script}</script>
</html>
`;
}

/** Any page as one file: what it asked for is asked once more, so that a run that goes on is whole. */
export const shareRoute = route({
  method: "POST",
  path: "/api/share",
  async answer(context, { body, ask }) {
    const parsed = bodySchema.safeParse(body);
    if (!parsed.success) throw new ConfigError(`share: ${firstProblem(parsed.error)}`);
    const { place } = parsed.data;
    const answers: Record<string, unknown> = {};
    const files: Record<string, string> = {};
    for (const address of new Set([...parsed.data.answers, ...parsed.data.files])) {
      const answer = await ask(address).catch(() => null);
      if (answer === null) continue;
      if (!(answer instanceof FileAnswer)) answers[address] = answer;
      else if (answer.type === "application/json") answers[address] = JSON.parse(String(answer.data));
      else files[address] = `data:${answer.type};base64,${Buffer.from(answer.data).toString("base64")}`;
    }
    const data = { place, madeAt: new Date().toISOString(), answers, files };
    return new FileAnswer("text/html; charset=utf-8", documentOf(context, data), "page.html");
  },
});
