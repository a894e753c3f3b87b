/**
 * Puts documents into rows of `capacity` places: the longest first, each into the row with the least room that has enough for it (best fit
 * decreasing), so that rows are nearly full.
 *
 * @param sizes - places of each document, from 1 to `capacity`
 * @returns documents by row
 */
export function packRows(sizes: ArrayLike<number>, capacity: number): number[][] {
  const order = Array.from({ length: sizes.length }, (_, i) => i).sort(
    (a, b) => sizes[b]! - sizes[a]! || a - b,
  );
  const rows: number[][] = [];
  // Rows by the room that they have left, and in a tree whether there are any: the least room that is enough takes log₂ steps.
  const waiting: number[][] = Array.from({ length: capacity + 1 }, () => []);
  const width = 2 ** Math.ceil(Math.log2(capacity + 1));
  const counts = new Uint32Array(2 * width);
  const change = (room: number, by: 1 | -1) => {
    for (let node = width + room; node > 0; node >>= 1) counts[node] = counts[node]! + by;
  };
  const leastFrom = (size: number): number | null => {
    let node = width + size;
    if (counts[node]! > 0) return size;
    // Up until something lies to the right, then down along the left.
    while (node > 1 && (node % 2 === 1 || counts[node + 1] === 0)) node >>= 1;
    if (node <= 1) return null;
    node++;
    while (node < width) node = counts[2 * node]! > 0 ? 2 * node : 2 * node + 1;
    return node - width;
  };
  for (const document of order) {
    const size = sizes[document]!;
    const room = leastFrom(size);
    const row = room === null ? rows.push([]) - 1 : waiting[room]!.pop()!;
    if (room !== null) change(room, -1);
    rows[row]!.push(document);
    const left = (room ?? capacity) - size;
    if (left > 0) {
      waiting[left]!.push(row);
      change(left, 1);
    }
  }
  return rows;
}
