import { shellWord } from "../../src/cli/shellWord.ts";
import { DataError } from "../../src/errors.ts";
import type { SweepSource } from "../../src/scaling/index.ts";
import { settingsInName } from "../../src/sweepFiles/nameSettings.ts";

/** A table of runs: a text of the server, or a file of the reader's. */
export interface TableFile {
  readonly name: string;
  readonly content: string | Blob;
}

/** Beginnings of files that the command reads and a browser can't. */
const commandOnly: readonly (readonly [beginning: string, what: string])[] = [
  ["SQLite format 3\0", "a SQLite store"],
  [":W&B", "a record of W&B"],
  ["\x28\xb5\x2f\xfd", "compressed with zstd"],
];

const command = (name: string) => `rotor fit ${shellWord(name)}`;

async function bytesOf({ name, content }: TableFile): Promise<string | Uint8Array> {
  if (typeof content === "string") return content;
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(await content.arrayBuffer());
  } catch (error) {
    throw new DataError(`${name}: the browser can't read it; a folder is read by ${command(name)}`, {
      cause: error,
    });
  }
  const begins = (text: string) => [...text].every((letter, i) => bytes[i] === letter.charCodeAt(0));
  for (const [beginning, what] of commandOnly)
    if (begins(beginning)) throw new DataError(`${name}: is ${what}, which is read by ${command(name)}`);
  if (/(^|\.)tfevents(\.|$)/.test(name))
    throw new DataError(`${name}: holds TensorBoard's events, which are read by ${command(name)}`);
  if (!begins("\x1f\x8b")) return bytes;
  try {
    const plain = new Blob([bytes as BlobPart]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(plain).arrayBuffer());
  } catch (error) {
    // Unlike Node, browsers take a second part for damage (Chromium 141).
    throw new DataError(
      `${name}: its compressed data are damaged, cut off or of several parts; several parts are read by ${command(name)}`,
      { cause: error },
    );
  }
}

/**
 * Tables as `rotor fit` opens them: decompressed, with the settings that their names hold.
 *
 * @throws DataError for what a browser can't read; it names the command that can
 */
export function openTables(files: readonly TableFile[]): Promise<SweepSource[]> {
  return Promise.all(
    files.map(async (file) => {
      const constants = typeof file.content === "string" ? {} : settingsInName(file.name);
      const content = await bytesOf(file);
      return { name: file.name, content, ...(Object.keys(constants).length > 0 && { constants }) };
    }),
  );
}
