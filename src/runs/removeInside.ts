import { lstatSync, realpathSync, rmSync } from "node:fs";
import path from "node:path";
import { RunStoreError } from "../errors.ts";

/** A part that is the same name on every system, and means neither a folder itself nor the one above. */
function isPlainPart(part: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
  return part !== "" && part !== "." && part !== ".." && !/[\\\u0000-\u001f\u007f]/.test(part);
}

function realPath(place: string): string | null {
  try {
    return realpathSync(place);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return null;
    throw new RunStoreError(`${place}: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * The path of a name below a folder, which may not exist yet.
 *
 * @param root - may itself be reached by symbolic links
 * @param name - parts with slashes between
 * @throws RunStoreError if the name, or a symbolic link on the way, leads elsewhere
 */
export function insidePath(root: string, name: string): string {
  const parts = name.split("/");
  if (!parts.every(isPlainPart))
    throw new RunStoreError(`name ${JSON.stringify(name)}: expected a plain name below ${root}`);
  const realRoot = realPath(root);
  const target = path.join(root, ...parts);
  if (realRoot === null) return target;
  for (let depth = 1; depth <= parts.length; depth++) {
    const place = path.join(root, ...parts.slice(0, depth));
    let isLink: boolean;
    try {
      isLink = lstatSync(place).isSymbolicLink();
    } catch {
      break;
    }
    // Also of a link that leads nowhere.
    if (isLink || realPath(place) !== path.join(realRoot, ...parts.slice(0, depth)))
      throw new RunStoreError(
        `${place}: leads to ${realPath(place) ?? "nowhere"}: expected no symbolic link below ${root}`,
      );
  }
  return target;
}

/**
 * Deletes a file, or a folder with all that is in it. Whatever Rotor deletes by a name that was stored goes through this function: the
 * name may have been written by another program, or on another machine.
 *
 * Symbolic links are neither followed nor deleted: those within a folder go with it, and what they lead to stays.
 *
 * @param root - nothing outside of it is touched
 * @param name - parts with slashes between; what isn't there is no error
 * @throws RunStoreError if the name, or a symbolic link on the way, leads elsewhere; nothing is deleted then
 */
export function removeInside(root: string, name: string): void {
  const target = insidePath(root, name);
  try {
    rmSync(target, { recursive: true, force: true });
  } catch (error) {
    throw new RunStoreError(`${target}: can't be deleted: ${(error as Error).message}`, { cause: error });
  }
}
