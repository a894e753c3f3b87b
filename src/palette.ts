/**
 * Colours of every picture of the project: reports, documentation and the page. `scripts/findPalette.ts` searched for them: the least difference of
 * two is 0.15 in OKLab for full vision, protanopia, deuteranopia and tritanopia alike (0.02 for Okabe and Ito's), and each is visible on its
 * ground as a thin line.
 */
export const seriesColours = {
  light: ["#296d7c", "#ee6210", "#8d07d7", "#12a494", "#6d0928", "#b870fd", "#ad3502", "#44277d"],
  dark: ["#547f90", "#f18e05", "#9e15e6", "#55c6af", "#d02908", "#b482fc", "#f7e139", "#8bfaef"],
} as const;

export type Ground = keyof typeof seriesColours;

/** What pictures are drawn on, and with. */
export const groundColours = {
  light: { ground: "#ffffff", text: "#1b1f24", quiet: "#59636e", line: "#d5dae0" },
  dark: { ground: "#15181d", text: "#e6e9ec", quiet: "#9aa4ae", line: "#343a42" },
} as const satisfies Record<Ground, unknown>;

/** Lengths of dashes and gaps; none for a whole line. */
export const seriesDashes: readonly (readonly number[])[] = [[], [8, 4], [2, 3], [10, 3, 2, 3]];

/** Marks of points, by the names of ECharts. */
export const seriesMarks = ["circle", "rect", "triangle", "diamond"] as const;

/** How the series of a place is drawn: no two of the first 32 alike. */
export interface SeriesStyle {
  readonly colour: string;
  readonly dash: readonly number[];
  readonly mark: (typeof seriesMarks)[number];
}

/** @param index - place of the series, from 0 */
export function seriesStyle(index: number, ground: Ground = "light"): SeriesStyle {
  const colours = seriesColours[ground];
  const turn = Math.floor(index / colours.length) % seriesDashes.length;
  return {
    colour: colours[index % colours.length]!,
    dash: seriesDashes[turn]!,
    mark: seriesMarks[turn]!,
  };
}

/** From little to much: lightness grows evenly, for everybody. */
export const sequentialColours = [
  "#1b1044",
  "#40257a",
  "#6f2d8d",
  "#9d3a84",
  "#c64e6b",
  "#e46c4b",
  "#f29241",
  "#f6bd57",
  "#fbe897",
] as const;

/** The colour of a share of the way from least to most; outside of 0 to 1, the end's. */
export function sequentialColour(share: number): string {
  const at = Math.min(1, Math.max(0, share)) * (sequentialColours.length - 1);
  const low = Math.min(sequentialColours.length - 2, Math.floor(at));
  const part = (text: string, i: number) => Number.parseInt(text.slice(1 + 2 * i, 3 + 2 * i), 16);
  const mixed = [0, 1, 2].map((i) => {
    const [a, b] = [part(sequentialColours[low]!, i), part(sequentialColours[low + 1]!, i)];
    return Math.round(a + (b - a) * (at - low))
      .toString(16)
      .padStart(2, "0");
  });
  return `#${mixed.join("")}`;
}
