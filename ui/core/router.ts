import { useEffect, useState } from "preact/hooks";

/** Where a person is: a path after the `#`, so that a page which is shared as a file has it too. */
export interface Place {
  readonly path: string;
  readonly query: URLSearchParams;
}

/** The place of a page that is shared; it has no other. */
let fixed: string | null = null;

export function fixPlace(hash: string): void {
  fixed = hash;
}

function placeOf(hash: string): Place {
  const [path = "", query = ""] = hash.replace(/^#/, "").split("?", 2);
  return { path: path === "" ? "/" : path, query: new URLSearchParams(query) };
}

export const currentHash = () => fixed ?? location.hash;

export function usePlace(): Place {
  const [hash, setHash] = useState(currentHash());
  useEffect(() => {
    const change = () => setHash(currentHash());
    addEventListener("hashchange", change);
    return () => removeEventListener("hashchange", change);
  }, []);
  return placeOf(hash);
}

/** The parts that a pattern such as `/run/:run` names, or null. */
export function matchPlace(pattern: string, path: string): Record<string, string> | null {
  const [wanted, given] = [pattern.split("/"), path.split("/")];
  if (wanted.length !== given.length) return null;
  const params: Record<string, string> = {};
  for (const [i, part] of wanted.entries()) {
    if (part.startsWith(":")) params[part.slice(1)] = decodeURIComponent(given[i]!);
    else if (part !== given[i]) return null;
  }
  return params;
}

export const runHref = (id: string) => `#/run/${encodeURIComponent(id)}`;
export const sweepHref = (id: string) => `#/sweep/${encodeURIComponent(id)}`;
export const compareHref = (ids: readonly string[]) =>
  `#/compare?${ids.map((id) => `run=${encodeURIComponent(id)}`).join("&")}`;
