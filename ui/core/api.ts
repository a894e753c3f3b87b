import { asJson, computedPlace } from "../../src/ui/sharedDocument.ts";

/** What a page that was shared holds: its place, and the answers that it was made of. */
export interface SharedPage {
  readonly place: string;
  readonly madeAt: string;
  readonly answers: Readonly<Record<string, unknown>>;
  /** Pictures as data addresses, by path. */
  readonly files: Readonly<Record<string, string>>;
}

const dataOf = <T>(id: string): T | null =>
  JSON.parse(document.getElementById(id)?.textContent ?? "null") as T | null;

/** The page that was shared, if this is one: it asks no server. */
export const shared = dataOf<SharedPage>("shared");

const sharedResults = dataOf<Readonly<Record<string, unknown>>>("computed") ?? {};

/** An error that the server tells, or that there is none. */
export class ApiError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** What this page asked for since its place was changed: what a shared one must hold. */
const asked = new Set<string>();
const askedFiles = new Set<string>();

export function forgetAsked(): void {
  asked.clear();
  askedFiles.clear();
  computed.clear();
}

async function answerOf<T>(response: Response): Promise<T> {
  const body = (await response.json().catch(() => null)) as {
    error?: { code: string; message: string };
  } | null;
  if (response.ok) return body as T;
  throw new ApiError(
    body?.error?.code ?? String(response.status),
    body?.error?.message ?? response.statusText,
  );
}

/** @param options - `keep: false` for what a shared page doesn't need, such as later points of a curve that is asked for whole */
export async function getJson<T>(
  path: string,
  { keep = true }: { readonly keep?: boolean } = {},
): Promise<T> {
  if (shared !== null) {
    if (!Object.hasOwn(shared.answers, path)) throw new ApiError("NOT_SHARED", path);
    return shared.answers[path] as T;
  }
  if (keep) asked.add(path);
  let response: Response;
  try {
    response = await fetch(path);
  } catch {
    throw new ApiError("AWAY", "the server doesn't answer");
  }
  return answerOf<T>(response);
}

/** @param signal - takes the question back */
export async function postJson<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (error) {
    if (signal?.aborted === true) throw error;
    throw new ApiError("AWAY", "the server doesn't answer");
  }
  return answerOf<T>(response);
}

/** Address of a picture of the server. */
export function fileAddress(path: string): string {
  if (shared !== null) return shared.files[path] ?? "data:,";
  askedFiles.add(path);
  return path;
}

/** Answers of a page that was shared whose paths begin so. */
export const sharedAnswers = <T>(prefix: string): T[] =>
  shared === null
    ? []
    : Object.entries(shared.answers).flatMap(([path, answer]) =>
        path.startsWith(prefix) ? [answer as T] : [],
      );

/** Results that the page worked out by itself, which a shared one must hold. */
const computed = new Map<string, unknown>();

/** A result of the page itself, which a shared one holds too. */
export function keepComputed(key: string, result: unknown): void {
  if (shared === null) computed.set(key, result);
}

/** Of a page that was shared: what it had kept; else null. */
export const sharedComputed = <T>(key: string): T | null =>
  Object.hasOwn(sharedResults, key) ? (sharedResults[key] as T) : null;

/** A result that takes long: of a shared page, as it was then; else worked out. */
export async function computedOnce<T>(key: string, compute: () => Promise<T>): Promise<T> {
  const known = sharedComputed<T>(key);
  if (known !== null) return known;
  const result = await compute();
  keepComputed(key, result);
  return result;
}

/** This page as a file that needs no server. What it worked out by itself is put in here: it goes nowhere. */
export async function sharePage(place: string): Promise<string> {
  const response = await fetch("/api/share", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ place, answers: [...asked], files: [...askedFiles] }),
  });
  if (!response.ok) await answerOf(response);
  const text = await response.text();
  const results = asJson(Object.fromEntries(computed));
  // The first of these: a name that holds the same comes later, and "<" is never in data.
  return text.replace(
    computedPlace,
    () => `<script id="computed" type="application/json">${results}</script>`,
  );
}
