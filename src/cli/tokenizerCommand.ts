import { existsSync } from "node:fs";
import { openCheckpoint } from "../checkpoint/index.ts";
import {
  BpeTokenizer,
  type DocumentOptions,
  decode,
  readTokenizer,
  type Tokenizer,
  trainTokenizer,
  writeFileAtomically,
} from "../data/index.ts";
import { ConfigError } from "../errors.ts";
import { RunStore } from "../runs/index.ts";
import { restoreTokenizer } from "../tasks/index.ts";
import { table } from "./format.ts";
import { out, warn } from "./print.ts";

/** The tokenizer of a file, or of a run's newest checkpoint. @throws ConfigError for runs without */
function tokenizerOf(reference: string, home: string): Tokenizer {
  if (existsSync(reference)) return readTokenizer(reference);
  using store = new RunStore(home, { readOnly: true });
  const run = store.getRun(reference);
  const { tokenizer } = openCheckpoint(store, run, "latest", warn).sidecar;
  if (tokenizer === null) throw new ConfigError(`run ${run.id}: has no tokenizer: it isn't a model of text`);
  return restoreTokenizer(tokenizer);
}

export interface TrainTokenizerFlags extends Omit<DocumentOptions, "source"> {
  readonly size: number;
  readonly out: string;
}

/** `rotor tokenizer train`: a byte-level BPE of texts, as a `tokenizer.json`. */
export async function trainTokenizerCommand(
  sources: readonly string[],
  { size, out: file, ...options }: TrainTokenizerFlags,
): Promise<number> {
  const tokenizer = await trainTokenizer({ source: sources, ...options }, size);
  writeFileAtomically(file, `${JSON.stringify(tokenizer)}\n`);
  const fewer = tokenizer.vocabSize < size ? `, as the texts give no more than that` : "";
  out(`wrote ${file}: ${tokenizer.vocabSize} ids${fewer}`);
  return 0;
}

interface TokenizerFlags {
  readonly json?: boolean;
  readonly home: string;
}

/** Ids that are shown of a vocabulary. */
const shownIds = 8;

/** `rotor tokenizer show`: what a tokenizer is. */
export function showTokenizer(reference: string, { json = false, home }: TokenizerFlags): number {
  const tokenizer = tokenizerOf(reference, home);
  const { id, vocabSize, endOfText } = tokenizer;
  const kind = id === "bytes" ? "bytes" : tokenizer instanceof BpeTokenizer ? "byte-level BPE" : "pipeline";
  if (json) {
    out(JSON.stringify({ id, kind, vocabSize, endOfText }));
    return 0;
  }
  out(`${kind}, ${vocabSize} ids, ${endOfText} ends a document (${id})`);
  // The last ones were learned last: they say most of the texts.
  const ids = Array.from({ length: vocabSize }, (_, own) => own).filter(
    (own) => tokenizer.bytes(own).length > 0,
  );
  const ends = ids.length <= 2 * shownIds ? ids : [...ids.slice(0, shownIds), ...ids.slice(-shownIds)];
  out(table(ends.map((own) => [own, JSON.stringify(decode(tokenizer, [own]))])));
  return 0;
}

/** `rotor tokenizer encode`: ids of a text, and what each stands for. */
export function encodeText(reference: string, text: string, { json = false, home }: TokenizerFlags): number {
  const tokenizer = tokenizerOf(reference, home);
  const ids = tokenizer.encode(text);
  if (json) out(JSON.stringify({ ids, pieces: ids.map((id) => decode(tokenizer, [id])) }));
  else out(ids.map((id) => `${id} ${JSON.stringify(decode(tokenizer, [id]))}`).join("\n"));
  return 0;
}
