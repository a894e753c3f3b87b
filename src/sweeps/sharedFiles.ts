import { CheckpointError } from "../errors.ts";

/**
 * Files by name, in a place that all machines reach. A file appears whole or not at all.
 *
 * Names have parts with slashes between; implementations throw a CheckpointError that names the place.
 */
export interface SharedFiles {
  /** For people; without credentials. */
  readonly location: string;
  /** Copies a local file. */
  put(name: string, file: string): Promise<void>;
  /** Copies to a local file. */
  get(name: string, file: string): Promise<void>;
  /** All names in a folder, which ends with a slash. */
  list(folder: string): Promise<string[]>;
  delete(name: string): Promise<void>;
}

/** Whether a name may be joined to a folder or a prefix, and stays below it. */
export function isSharedName(name: string): boolean {
  return name.split("/").every(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
    (part) => part !== "" && part !== "." && part !== ".." && !/[\\\u0000-\u001f\u007f]/.test(part),
  );
}

/** @throws CheckpointError if a name leads elsewhere */
export function checkSharedName(name: string, location: string): string {
  if (isSharedName(name)) return name;
  throw new CheckpointError(`shared place ${location}: name ${JSON.stringify(name)}: expected a plain name`);
}
