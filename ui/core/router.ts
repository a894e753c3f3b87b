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

export const runHref = (id: string) => `#/run/${encodeURIComponent(id)}`;
export const sweepHref = (id: string) => `#/sweep/${encodeURIComponent(id)}`;
export const compareHref = (ids: readonly string[]) =>
  `#/compare?${ids.map((id) => `run=${encodeURIComponent(id)}`).join("&")}`;
export const measureHref = (id: string) => `#/measure?run=${encodeURIComponent(id)}`;
/** @param places - runs, each with a colon and a step unless its newest checkpoint is meant */
export const playgroundHref = (places: readonly string[]) =>
  `#/playground?${places.map((place) => `at=${encodeURIComponent(place)}`).join("&")}`;
export const codesHref = (place: string) => `#/playground/codes?at=${encodeURIComponent(place)}`;
