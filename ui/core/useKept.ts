import { useEffect, useState } from "preact/hooks";
import { keepComputed, sharedComputed } from "./api.ts";

/** A state that a page which is shared begins with. @param key - unlike those of the page's other states */
export function useKept<T>(key: string, initial: T): [T, (value: T) => void] {
  const [value, setValue] = useState<T>(() => sharedComputed<T>(key) ?? initial);
  // At every turn: a change of place forgets what was kept.
  useEffect(() => keepComputed(key, value));
  return [value, setValue];
}
