import { type ImageSegment, type Segment, tokenGrid, type VideoSegment } from "../../document.ts";
import { type Layout, type Placement, placeText } from "../../layout.ts";

const { fround } = Math;

/** `n` places from 0 to `last`, evenly spread in float32 and rounded to whole numbers, halves to even ones, as `torch.linspace(…).round()`. */
function spread(n: number, last: number): number[] {
  if (n === 1) return [0];
  const step = fround(last / (n - 1));
  return Array.from({ length: n }, (_, i) => {
    const exact = i < Math.trunc(n / 2) ? fround(step * i) : fround(last - fround(step * (n - i - 1)));
    const floor = Math.floor(exact);
    const rest = exact - floor;
    return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
  });
}

/** Sizes in tokens. */
interface Canvas {
  readonly thumbnail: readonly [height: number, width: number];
  readonly rows: number;
  readonly columns: number;
  /** Of all slices, row by row. */
  readonly slices: readonly (readonly [height: number, width: number])[];
  /** Line breaks behind. */
  readonly newlines: number;
}

function canvasesOf(segment: ImageSegment | VideoSegment): readonly Canvas[] {
  const { frames, height, width } = tokenGrid(segment);
  const merge = segment.spatialMergeSize ?? 1;
  const { newlines = 0 } = segment;
  if (segment.kind === "image" && segment.slices !== undefined) {
    const { rows, columns, grids } = segment.slices;
    const slices = Array.from({ length: rows * columns }, (_, k) => {
      const [h, w] = grids.length === 1 ? grids[0]! : grids[k]!;
      return [h / merge, w / merge] as const;
    });
    return [{ thumbnail: [height, width], rows, columns, slices, newlines }];
  }
  return Array.from({ length: frames }, (_, k) => ({
    thumbnail: [height, width] as const,
    rows: 0,
    columns: 0,
    slices: [],
    newlines: k === frames - 1 ? newlines : 0,
  }));
}

const area = ([height, width]: readonly [number, number]) => height * width;

function canvasTokens({ thumbnail, rows, slices, newlines }: Canvas): number {
  const inside = slices.reduce((sum, slice) => sum + area(slice) + 2, 0);
  return 2 + area(thumbnail) + inside + Math.max(0, rows - 1) + newlines;
}

/**
 * MiniCPM-V 4.7: a frame is a thumbnail between two markers, then rows of slices between two markers each, rows apart by a line break.
 * Slices make up a canvas of `rows·h × columns·w`, the thumbnail is spread over it; time is where it begins. The marker before has rows and
 * columns of the text before, the one behind the far corner; those of a slice its own corners; line breaks between rows the end of the row.
 * Text goes on at `start + max(canvas) + 1`. Line breaks behind are held to belong to the frame, at its start, and move nothing.
 */
export function canvasLayout(name: string, axes: readonly string[]): Layout {
  const tokensOf = (segment: Segment) =>
    segment.kind === "text"
      ? segment.length
      : canvasesOf(segment).reduce((sum, canvas) => sum + canvasTokens(canvas), 0);
  return {
    name,
    axes,
    finite: true,
    tokensOf,
    takes: ["slices", "newlines"],
    generation: "largest",
    patchesOf(segment) {
      let offset = 0;
      return canvasesOf(segment).flatMap((canvas) => {
        const first = offset + 1;
        offset += canvasTokens(canvas);
        return Array.from({ length: area(canvas.thumbnail) }, (_, n) => first + n);
      });
    },
    place(segment, start, target) {
      if (segment.kind === "text") return placeText(segment.length, start, 3, target);
      let [origin, at] = [start, 0];
      for (const canvas of canvasesOf(segment)) {
        const end = at + 3 * canvasTokens(canvas);
        origin = placeCanvas(canvas, origin, target.subarray(at, end)).next;
        at = end;
      }
      return { values: target, next: origin, largest: origin - 1 };
    },
  };
}

function placeCanvas(
  { thumbnail, rows, columns, slices, newlines }: Canvas,
  origin: number,
  target: Float64Array,
): Placement {
  const [sliceHeight, sliceWidth] = slices[0] ?? thumbnail;
  const height = Math.max(1, rows) * sliceHeight;
  const width = Math.max(1, columns) * sliceWidth;
  let at = 0;
  const put = (h: number, w: number) => {
    target[at++] = origin;
    target[at++] = h;
    target[at++] = w;
  };
  const before = Math.max(origin - 1, 0);
  put(before, before);
  const across = spread(thumbnail[1], width - 1);
  for (const i of spread(thumbnail[0], height - 1)) {
    for (let j = 0; j < across.length; j++, at += 3) {
      target[at] = origin;
      target[at + 1] = origin + i;
      target[at + 2] = origin + across[j]!;
    }
  }
  put(origin + height, origin + width);
  slices.forEach(([h, w], k) => {
    const [down, right] = [Math.floor(k / columns) * sliceHeight, (k % columns) * sliceWidth];
    if (k > 0 && k % columns === 0) put(origin + down - 1, origin + width);
    put(origin + down, origin + right);
    for (let i = 0; i < h; i++) for (let j = 0; j < w; j++) put(origin + down + i, origin + right + j);
    put(origin + down + h - 1, origin + right + w - 1);
  });
  for (let n = 0; n < newlines; n++) put(origin, origin);
  return { values: target, next: origin + Math.max(height, width) + 1 };
}
