import { z } from "zod";
import { RunStoreError } from "../errors.ts";

/** Names that Windows gives to devices, in every folder. */
const device = /^(con|prn|aux|nul|com\d|lpt\d)$/i;

/** Whether a text can be the id of a run, a sweep or a trial: letters, digits, `-` and `_`, so that it is a plain name of a folder everywhere. */
export function isIdentifier(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/.test(text) && !device.test(text);
}

/** An id as it is read from a store, a file or another machine. */
export const identifierSchema = z.string().refine(isIdentifier, {
  error: "expected up to 128 letters, digits, - and _",
});

/**
 * @param what - names the id in the message
 * @throws RunStoreError if the text can't be an id
 */
export function checkIdentifier(text: string, what: string): string {
  if (isIdentifier(text)) return text;
  throw new RunStoreError(`${what} ${JSON.stringify(text)}: expected up to 128 letters, digits, - and _`);
}
