import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import path from "node:path";
import { makeTemporaryFolder } from "./makeFolder.ts";

/** Names of machines are no business of whoever sees a file. */
const hostTag = () => createHash("sha256").update(hostname()).digest("hex").slice(0, 8);

/** Says in the name of a temporary file or folder whose it is, so that it can be removed when that process has been killed. */
export const ownerTag = (): string => `${process.pid}.${hostTag()}`;

/** The process of this machine that a temporary name belongs to; null for names of other machines, and of others. */
export function ownerOf(name: string): number | null {
  const match = /(?:^|[.-])([1-9]\d{0,8})\.([0-9a-f]{8})(?:[.-]|$)/.exec(name);
  return match !== null && match[2] === hostTag() ? Number(match[1]) : null;
}

/** Beginning of the names of Rotor's folders in the system's folder for temporary files. */
export const scratchPrefix = "rotor-";

/** A folder for temporary files that goes with the block it is used in. */
export function scratchFolder(): { readonly path: string } & Disposable {
  const folder = makeTemporaryFolder(path.join(tmpdir(), `${scratchPrefix}${ownerTag()}-`));
  return {
    path: folder,
    [Symbol.dispose]() {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
