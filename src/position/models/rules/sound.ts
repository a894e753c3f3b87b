import type { Placement } from "../../layout.ts";

/** Sound on all axes from a start. */
function soundAt(tokens: number, first: number): Float64Array {
  const values = new Float64Array(tokens * 3);
  for (let n = 0; n < tokens; n++) values.fill(Math.fround(first + n), 3 * n, 3 * n + 3);
  return values;
}

/** Where each chunk of so many positions ends, by the times of the tokens; times that skip a chunk don't leave it out. */
function chunkEnds(times: Float64Array, first: number, size: number): number[] {
  const ends: number[] = [];
  for (let n = 0; n < times.length; n += 3) {
    if (times[n]! - first >= (ends.length + 1) * size) ends.push(n);
  }
  return [...ends, times.length];
}

const largest = (values: ArrayLike<number>) =>
  Array.prototype.reduce.call(values, (a, b) => Math.max(a as number, b as number), -1) as number;

/**
 * Qwen2.5-Omni: two markers at one place, then the frames and the sound of two seconds (50 positions) at a time, frames first, and two
 * markers at one place behind the *last* piece, whatever lies behind it.
 *
 * @param video - positions of the frames from a start
 */
export function placeSoundInChunks(
  audioTokens: number,
  video: (first: number) => Float64Array,
  start: number,
  target: Float64Array,
): Placement {
  const first = start + 1;
  const streams = [video(first), soundAt(audioTokens, first)];
  const ends = streams.map((values) => chunkEnds(values, first, 50));
  target.fill(start, 0, 6);
  let at = 6;
  let last: Float64Array = new Float64Array();
  const begins = [0, 0];
  for (let chunk = 0; chunk < Math.max(ends[0]!.length, ends[1]!.length); chunk++) {
    for (const s of [0, 1] as const) {
      const end = ends[s]![chunk];
      if (end === undefined) continue;
      last = streams[s]!.subarray(begins[s]!, end);
      target.set(last, at);
      at += last.length;
      begins[s] = end;
    }
  }
  const end = largest(last) + 1;
  target.fill(end, at, at + 6);
  return { values: target, next: end + 1 };
}

/**
 * Qwen3-Omni: two markers one after the other, frames and sound merged by their times, frames first where they agree, and two markers
 * behind what is left of the longer stream.
 */
export function placeSoundByTime(
  audioTokens: number,
  video: (first: number) => Float64Array,
  start: number,
  target: Float64Array,
): Placement {
  const { fround } = Math;
  target.fill(start, 0, 3);
  target.fill(fround(start + 1), 3, 6);
  const first = fround(start + 2);
  const streams = [video(first), soundAt(audioTokens, first)] as const;
  let [v, a, at] = [0, 0, 6];
  while (v < streams[0].length && a < streams[1].length) {
    if (streams[0][v]! <= streams[1][a]!) {
      target.set(streams[0].subarray(v, v + 3), at);
      v += 3;
    } else {
      target.set(streams[1].subarray(a, a + 3), at);
      a += 3;
    }
    at += 3;
  }
  const rest = v < streams[0].length ? streams[0].subarray(v) : streams[1].subarray(a);
  target.set(rest, at);
  at += rest.length;
  const end = fround(largest(rest) + 1);
  target.fill(end, at, at + 3);
  target.fill(fround(end + 1), at + 3, at + 6);
  return { values: target, next: fround(fround(end + 1) + 1) };
}
