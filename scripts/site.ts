// The documentation site: pages and API by TypeDoc, in English and with Chinese words and start page below zh/. What links to nothing is an error.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Application, Converter, type DocumentReflection } from "typedoc";

const root = fileURLToPath(new URL("..", import.meta.url));
const otherLanguage = "rotor:other-language";

interface Language {
  readonly readme: string;
  /** The start page of the other language, as a page of this one. */
  readonly other: string;
  readonly otherName: string;
}

const languages = {
  en: { readme: "README.md", other: "README.zh.md", otherName: "中文" },
  zh: { readme: "README.zh.md", other: "README.md", otherName: "English" },
} as const satisfies Record<string, Language>;

/** Where a page stands in the navigation, by the folder that it comes from. */
const folders: readonly (readonly [pattern: RegExp, folder: string])[] = [
  [/^docs\/methods\//, "Methods/"],
  [/^docs\//, "Guides/"],
  [/^experiments\//, "Experiments/"],
  [/^(bench|conformance|CHANGELOG|CONTRIBUTING|SECURITY)/, "Project/"],
];

/** A page's heading, as far as the navigation has room for it. */
function pageName(file: string): string {
  const [, title = file] = /^# (.+)$/m.exec(readFileSync(path.join(root, file), "utf8")) ?? [];
  const folder = folders.find(([pattern]) => pattern.test(file))?.[1] ?? "";
  const [short] = title.split(folder === "Experiments/" ? /[:,]/ : ":") as [string];
  return `${folder}${short.replaceAll(/[`/]/g, "")}`;
}

async function buildLanguage(lang: keyof typeof languages, out: string): Promise<void> {
  const { readme, other, otherName } = languages[lang];
  const settings = JSON.parse(readFileSync(path.join(root, "typedoc.json"), "utf8"));
  const { $schema: _, projectDocuments, ...options } = settings;
  const app = await Application.bootstrap({
    ...options,
    lang,
    out,
    readme: path.join(root, readme),
    entryPoints: options.entryPoints.map((file: string) => path.join(root, file)),
    projectDocuments: [other, ...projectDocuments].map((file) => path.join(root, file)),
    tsconfig: path.join(root, "tsconfig.json"),
    navigationLinks: { [otherName]: otherLanguage },
  });
  app.converter.on(Converter.EVENT_CREATE_DOCUMENT, (_context: unknown, page: DocumentReflection) => {
    const file = path.relative(root, page.project.files.getReflectionPath(page) ?? "");
    page.name = file === other ? otherName : pageName(file);
  });
  const project = await app.convert();
  if (project === undefined) throw new Error("the documentation can't be built");
  app.validate(project);
  await app.generateOutputs(project);
  if (app.logger.hasErrors() || app.logger.hasWarnings()) throw new Error("the documentation has warnings");
}

const htmlFiles = (folder: string) =>
  (readdirSync(folder, { recursive: true }) as string[])
    .filter((file) => file.endsWith(".html"))
    .map((file) => file.replaceAll(path.sep, "/"));

/** Points the link to the other language at the same page there, or at its start. */
function linkLanguages(out: string): void {
  const start = "zh/index.html";
  const chinese = existsSync(path.join(out, start)) ? start : `documents/${languages.en.otherName}.html`;
  for (const file of htmlFiles(out)) {
    const isChinese = file.startsWith("zh/");
    const same = isChinese ? file.slice(3) : `zh/${file}`;
    const target = existsSync(path.join(out, same)) ? same : isChinese ? "index.html" : chinese;
    const text = readFileSync(path.join(out, file), "utf8");
    const link = path.posix.relative(path.posix.dirname(file), target);
    writeFileSync(path.join(out, file), text.replaceAll(otherLanguage, link));
  }
}

/** `page: link` of every link within a site that leads nowhere. */
export function deadLinks(out: string): string[] {
  const anchors = new Map(
    htmlFiles(out).map((file) => {
      const text = readFileSync(path.join(out, file), "utf8");
      return [
        file,
        { text, ids: new Set(Array.from(text.matchAll(/ (?:id|name)="([^"]+)"/g), ([, id]) => id!)) },
      ];
    }),
  );
  const dead: string[] = [];
  for (const [file, { text }] of anchors) {
    for (const [, link] of text.matchAll(/ (?:href|src)="([^"]*)"/g)) {
      if (/^([a-z]+:|\/\/|$)/.test(link!)) continue;
      const [to, anchor] = link!.replaceAll("&amp;", "&").split("#") as [string, string?];
      const target = to === "" ? file : path.posix.join(path.posix.dirname(file), decodeURI(to));
      const page = anchors.get(target);
      const isThere = page !== undefined || existsSync(path.join(out, target));
      const hasAnchor = !anchor || page === undefined || page.ids.has(decodeURIComponent(anchor));
      if (!isThere || !hasAnchor) dead.push(`${file}: ${link}`);
    }
  }
  return [...new Set(dead)];
}

/** Builds the site anew. */
export async function buildSite(out: string, only?: keyof typeof languages): Promise<void> {
  rmSync(out, { recursive: true, force: true });
  await buildLanguage("en", out);
  if (only === undefined) await buildLanguage("zh", path.join(out, "zh"));
  linkLanguages(out);
}
