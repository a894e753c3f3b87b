/** A search on a grid of exponents of 2. */
export interface GridSearch {
  /** Where it begins. */
  readonly first: readonly number[];
  /** It ends with so many values at most, whatever is still wanted. */
  readonly maxValues: number;
  /** Measures at `2^exponent`. */
  run(exponent: number): Promise<void>;
  /** Exponents to try next, given those that were tried, ascending; none ends the search. */
  wanted(tried: readonly number[]): readonly number[];
}

/** Runs at the values of a grid that grows where it is asked to, one after the other; gives what was tried, ascending. */
export async function growGrid({ first, maxValues, run, wanted }: GridSearch): Promise<readonly number[]> {
  let tried: readonly number[] = [];
  for (let next = first; next.length > 0; next = tried.length >= maxValues ? [] : wanted(tried)) {
    for (const exponent of next) await run(exponent);
    tried = [...tried, ...next].sort((a, b) => a - b);
  }
  return tried;
}
