import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ConfigError } from "../errors.ts";

/** Whether this runs from its sources, in a clone. */
export const isClone = import.meta.url.endsWith(".ts");

/** The built page: beside the compiled command in the package; in a clone, where `scripts/buildPage.ts` puts it. */
export const pageFolder = fileURLToPath(new URL(isClone ? "../../ui/dist" : "../page", import.meta.url));

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

export interface PageFile {
  readonly type: string;
  readonly data: Buffer;
}

/** The files of the page, read once: nothing else of the disk is served under their names. */
export class PageFiles {
  readonly #files = new Map<string, PageFile>();

  /** @throws ConfigError if the page isn't built */
  constructor(folder = pageFolder) {
    if (!existsSync(path.join(folder, "index.html")))
      throw new ConfigError(`page ${folder}: isn't built; expected index.html`);
    for (const name of readdirSync(folder)) {
      const type = types[path.extname(name)];
      if (type !== undefined)
        this.#files.set(`/${name}`, { type, data: readFileSync(path.join(folder, name)) });
    }
  }

  /** The file of a path of the address, or null. */
  read(pathname: string): PageFile | null {
    return this.#files.get(pathname === "/" ? "/index.html" : pathname) ?? null;
  }
}
