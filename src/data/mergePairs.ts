/** A binary heap of numbers; the smallest is taken first. */
class NumberHeap {
  readonly #items: number[] = [];

  push(item: number): void {
    const items = this.#items;
    let i = items.length;
    items.push(item);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (items[parent]! <= item) break;
      items[i] = items[parent]!;
      i = parent;
    }
    items[i] = item;
  }

  pop(): number | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (items.length === 0 || last === undefined) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && items[child + 1]! < items[child]!) child++;
      if (items[child]! >= last) break;
      items[i] = items[child]!;
      i = child;
    }
    items[i] = last;
    return top;
  }
}

/** What joining two ids gives, and how early that was learnt; undefined if they don't join. */
export type MergeOf = (a: number, b: number) => { readonly rank: number; readonly id: number } | undefined;

/** Keys of the heap: rank first, then place. Both are exact in a double: ranks are below 2²⁰, places below 2³². */
const placeLimit = 2 ** 32;

/**
 * Joins neighbours, those learnt first before others and among equals from the left, until none join: `O(n log n)` for `n` ids.
 *
 * @param ids - changed
 */
export function mergePairs(ids: number[], mergeOf: MergeOf): number[] {
  const length = ids.length;
  const next = Int32Array.from({ length }, (_, i) => i + 1);
  const previous = Int32Array.from({ length }, (_, i) => i - 1);
  const heap = new NumberHeap();
  const consider = (left: number) => {
    if (left < 0 || next[left]! >= length) return;
    const merge = mergeOf(ids[left]!, ids[next[left]!]!);
    if (merge !== undefined) heap.push(merge.rank * placeLimit + left);
  };
  for (let i = 0; i < length; i++) consider(i);
  for (let key = heap.pop(); key !== undefined; key = heap.pop()) {
    const left = key % placeLimit;
    const right = next[left]!;
    // Either may have been joined with something else since.
    if (ids[left]! < 0 || right >= length) continue;
    const merge = mergeOf(ids[left]!, ids[right]!);
    if (merge === undefined || merge.rank * placeLimit + left !== key) continue;
    ids[left] = merge.id;
    ids[right] = -1;
    next[left] = next[right]!;
    if (next[left]! < length) previous[next[left]!] = left;
    consider(previous[left]!);
    consider(left);
  }
  return ids.filter((id) => id >= 0);
}
