// Searches for the colours of src/palette.ts: eight hues that stay as far apart as can be, for full colour vision and for the three kinds of
// colour blindness, each visible on its ground. Run it with a seed to look again: node scripts/findPalette.ts 1
import { contrast, difference, hex, type Rgb, seenBy, vision } from "../src/testing/colourVision.ts";

/** Grounds, and lightnesses of OKLCh that thin lines on them are told apart by: not all near black, not all near white. */
const grounds = {
  light: { ground: "#ffffff", lightness: [0.34, 0.75] },
  dark: { ground: "#15181d", lightness: [0.55, 0.93] },
} as const;
const count = 8;
let state = Number(process.argv[2] ?? 1) >>> 0;
const random = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
};

/** An sRGB colour of OKLCh, or null if there is none. */
function fromLch(lightness: number, chroma: number, hue: number): Rgb | null {
  const [a, b] = [chroma * Math.cos(hue), chroma * Math.sin(hue)];
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  if (linear.some((value) => value < 0 || value > 1)) return null;
  return linear.map((value) =>
    value <= 0.0031308 ? 12.92 * value : 1.055 * value ** (1 / 2.4) - 0.055,
  ) as unknown as Rgb;
}

type Lch = [number, number, number];
interface Candidate {
  readonly lch: Lch;
  readonly seen: readonly Rgb[];
  readonly colour: string;
}

/** At most one colour of a set may be a grey. */
const leastChroma = 0.07;

function candidate(
  lch: Lch,
  { ground, lightness }: (typeof grounds)[keyof typeof grounds],
): Candidate | null {
  if (lch[0] < lightness[0] || lch[0] > lightness[1]) return null;
  const rgb = fromLch(...lch);
  if (rgb === null) return null;
  const colour = hex(rgb);
  if (contrast(colour, ground) < 3.1) return null;
  return { lch, colour, seen: Object.values(vision).map((matrix) => seenBy(rgb, matrix)) };
}

function apart(a: Candidate, b: Candidate): number {
  return Math.min(...a.seen.map((rgb, i) => difference(rgb, b.seen[i]!)));
}

const least = (set: readonly Candidate[]) => {
  if (set.filter(({ lch }) => lch[1] < leastChroma).length > 1) return 0;
  let found = Number.POSITIVE_INFINITY;
  for (let i = 0; i < set.length; i++)
    for (let j = 0; j < i; j++) found = Math.min(found, apart(set[i]!, set[j]!));
  return found;
};

for (const [name, ground] of Object.entries(grounds)) {
  const draw = (near?: Lch, by = 1): Candidate => {
    for (;;) {
      const lch: Lch =
        near === undefined
          ? [0.25 + 0.7 * random(), 0.3 * random(), 2 * Math.PI * random()]
          : [
              near[0] + by * 0.2 * (random() - 0.5),
              Math.max(0, near[1] + by * 0.1 * (random() - 0.5)),
              near[2] + by * 1.5 * (random() - 0.5),
            ];
      const found = candidate(lch, ground);
      if (found !== null) return found;
    }
  };
  let best: Candidate[] = [];
  let bestLeast = 0;
  for (let start = 0; start < 30; start++) {
    let set = Array.from({ length: count }, () => draw());
    let value = least(set);
    for (let i = 0; i < 6000; i++) {
      const next = [...set];
      const at = Math.floor(count * random());
      next[at] = random() < 0.1 ? draw() : draw(set[at]!.lch, 1 - i / 6500);
      const nextValue = least(next);
      if (nextValue >= value) [set, value] = [next, nextValue];
    }
    if (value > bestLeast) [best, bestLeast] = [set, value];
  }
  console.log(name, bestLeast.toFixed(4));
  for (const { colour, lch } of best.toSorted((a, b) => a.lch[2] - b.lch[2]))
    console.log(`  ${colour}  ${lch.map((value) => value.toFixed(3)).join(" ")}`);
}
