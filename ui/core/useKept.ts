import { useEffect, useState } from "preact/hooks";
import { keepForShare, keptForShare } from "./api.ts";

/** A state that a page which is shared begins with. @param key - unlike those of the page's other states */
export function useKept<T>(key: string, initial: T): [T, (value: T) => void] {
  const [value, setValue] = useState<T>(() => keptForShare<T>(key) ?? initial);
  // At every turn: a change of place forgets what was kept.
  useEffect(() => keepForShare(key, value));
  return [value, setValue];
}
