import type { ExperimentReport, Table } from "../experiment.ts";
import { finalLoss } from "../learningRateSweep.ts";
import type { Plot } from "../plot.ts";
import { formatInterval, interval } from "../statistics.ts";
import { logarithmicPlaces, octaves } from "./places.ts";
import { groupsPerLength, type PositionMeasures } from "./positionMeasures.ts";
import {
  encodingNames,
  encodings,
  groupLoss,
  layerSlopes,
  type NopeResults,
  ordering,
  probes,
  trained,
} from "./results.ts";
import { riseBeyond } from "./verdicts.ts";

/** Sizes that the text and the axes need. */
export interface NopeSizes {
  /** Of the training's sequences. */
  readonly length: number;
  /** Of the random transformers' sequences. */
  readonly initialLength: number;
  /** Components of a value in uniform attention. */
  readonly uniformDim: number;
}

const withInterval = (x: number, values: readonly number[]) => {
  const { mean: y, low, high, count } = interval(values);
  return count < 2 ? { x, y } : { x, y, low, high };
};

function permutationTable({ permutations }: NopeResults): Table {
  return {
    kind: "table",
    title:
      "How much the last output changes with the order of the tokens before it, relative to its RMS (float64)",
    columns: ["attention", "positions", "layers", "smallest", "largest"],
    rows: permutations.map(({ settings, result }) => [
      settings.mask,
      encodings[settings.position],
      String(settings.numLayers),
      result.smallest.toExponential(1),
      result.largest.toExponential(1),
    ]),
  };
}

function initialTable({ initial }: NopeResults): Table {
  const layers = initial[0]!.results[0]!.slopes.map((_, layer) => layer);
  return {
    kind: "table",
    title:
      "Random transformers without positions: slope of RMS(y_n), mean over heads (and their range over all seeds)",
    columns: ["tokens", "QK-norm", "two tokens equal", ...layers.map((layer) => `layer ${layer + 1}`)],
    rows: initial.map(({ tokens, qkNorm, results }) => [
      tokens === "books" ? "text" : "independent",
      qkNorm ? "yes" : "no",
      results[0]!.collision.toFixed(4),
      ...layers.map((layer) => {
        const heads = results.flatMap(({ slopes }) => slopes[layer]!);
        return `${formatInterval(interval(layerSlopes(results, layer)))} (${Math.min(...heads).toFixed(2)} to ${Math.max(...heads).toFixed(2)})`;
      }),
    ]),
  };
}

function headTable(results: NopeResults): Table {
  const [before, after] = [results.untrained.get("none")!, trained(results, "none")];
  const heads = before[0]!.slopes[0]!.map((_, head) => head);
  const row = (name: string, measures: readonly PositionMeasures[], layer: number) => [
    name,
    String(layer + 1),
    ...heads.map((head) => formatInterval(interval(measures.map(({ slopes }) => slopes[layer]![head]!)), 2)),
  ];
  return {
    kind: "table",
    title: "NoPE: slope of RMS(y_n) on text by layer and head",
    columns: ["", "layer", ...heads.map((head) => `head ${head + 1}`)],
    rows: before[0]!.slopes.flatMap((_, layer) => [
      row("before training", before, layer),
      row("after", after, layer),
    ]),
  };
}

function lossTable(results: NopeResults): Table {
  const groups = groupsPerLength;
  return {
    kind: "table",
    title: "Losses in nats at the best learning rate; L is the length of the training",
    columns: [
      "positions",
      "learning rate",
      "validation",
      "first L/16",
      "L/2 to L",
      "L to 2L",
      "2L to 4L",
      "rise from L/2–L to 2L–4L",
    ],
    rows: [
      ...encodingNames.map((kind) => {
        const measures = trained(results, kind);
        const { learningRate, results: runs } = results.sweeps.get(kind)!.best;
        const loss = (from: number, to: number) =>
          measures[0]!.losses.length < to
            ? "no positions there"
            : formatInterval(interval(groupLoss(measures, from, to)));
        return [
          encodings[kind],
          String(learningRate),
          formatInterval(interval([...runs.values()].map(finalLoss))),
          loss(0, 1),
          loss(groups / 2, groups),
          loss(groups, 2 * groups),
          loss(2 * groups, 4 * groups),
          kind === "learned" ? "" : formatInterval(interval(riseBeyond(results, kind))),
        ];
      }),
      ["table of pairs of bytes", "", results.bigramLoss.toFixed(3), "", "", "", "", ""],
    ],
  };
}

function probeTable(results: NopeResults): Table {
  const layers = trained(results, "none")[0]!.probes.map((_, layer) => layer);
  const cell = (measures: readonly PositionMeasures[], layer: number) =>
    `${formatInterval(interval(probes(measures, layer, "linear")), 2)} / ${formatInterval(interval(probes(measures, layer, "quadratic")), 2)}`;
  return {
    kind: "table",
    title: "Held-out R² of n from a layer's state: linear probe / with the squares of the components",
    columns: ["positions", "", ...layers.map((layer) => (layer === 0 ? "embeddings" : `block ${layer}`))],
    rows: encodingNames.flatMap((kind) => [
      [
        encodings[kind],
        "before training",
        ...layers.map((layer) => cell(results.untrained.get(kind)!, layer)),
      ],
      ["", "after", ...layers.map((layer) => cell(trained(results, kind), layer))],
    ]),
  };
}

function plots(results: NopeResults, { length, initialLength, uniformDim }: NopeSizes): Plot[] {
  const groupSize = length / groupsPerLength;
  const places = logarithmicPlaces(initialLength);
  const middle = ([first, end]: readonly [number, number]) => Math.sqrt(first * (end - 1)) + 0.5;
  const series = (points: (kind: (typeof encodingNames)[number]) => Plot["series"][number]["points"]) =>
    encodingNames.map((kind) => ({ name: encodings[kind], points: points(kind) }));
  return [
    {
      kind: "plot",
      file: "rms",
      title: "Random transformers: RMS(y_n), relative to n = 1",
      x: { label: "n", scale: "log" },
      y: { label: "RMS(y_n) / RMS(y_1)", scale: "log" },
      series: [
        ...results.initial
          .filter(({ qkNorm }) => !qkNorm)
          .flatMap(({ tokens, results: runs }) =>
            [0, runs[0]!.rms.length - 1].map((layer) => ({
              name: `${tokens === "books" ? "text" : "independent tokens"}, layer ${layer + 1}`,
              points: places.map((n, i) =>
                withInterval(
                  n,
                  runs.map(({ rms }) => rms[layer]![i]! / rms[layer]![0]!),
                ),
              ),
            })),
          ),
        { name: "n^(−1/2)", dashed: true, points: places.map((n) => ({ x: n, y: n ** -0.5 })) },
      ],
    },
    {
      kind: "plot",
      file: "detectability",
      title: "Uniform attention: d′ of n against n + 1 from one state",
      x: { label: "n + ½", scale: "log" },
      y: { label: "d′", scale: "log" },
      series: [
        {
          name: "measured",
          points: results.uniform[0]!.places.map((x, i) =>
            withInterval(
              x,
              results.uniform.map(({ detectability }) => detectability[i]!),
            ),
          ),
        },
        {
          name: "√(D/2)/(n + ½)",
          dashed: true,
          points: results.uniform[0]!.places.map((x) => ({ x, y: Math.sqrt(uniformDim / 2) / x })),
        },
      ],
    },
    {
      kind: "plot",
      file: "loss-by-place",
      title: `Loss by place; the training's length is ${length}`,
      x: { label: "n", scale: "log" },
      y: { label: "nats" },
      series: series((kind) => {
        const measures = trained(results, kind);
        return measures[0]!.losses.map((_, group) => ({
          x: (group + 0.5) * groupSize + 0.5,
          y: interval(groupLoss(measures, group, group + 1)).mean,
        }));
      }),
    },
    {
      kind: "plot",
      file: "probe-by-layer",
      title: "R² of n from a layer's state, linear probe, after training",
      x: { label: "block (0: embeddings)" },
      y: { label: "held-out R²" },
      series: series((kind) => {
        const measures = trained(results, kind);
        return measures[0]!.probes.map((_, layer) => withInterval(layer, probes(measures, layer, "linear")));
      }),
    },
    {
      kind: "plot",
      file: "ordering",
      title: "How often a probe on the last block puts n + 1 after n (half is chance)",
      x: { label: "n", scale: "log" },
      y: { label: "probability" },
      series: series((kind) => {
        const measures = trained(results, kind);
        return octaves(length).map((octave, i) => withInterval(middle(octave), ordering(measures, i)));
      }),
    },
  ];
}

/** Tables and plots of the report. */
export function nopeSections(results: NopeResults, sizes: NopeSizes): ExperimentReport["sections"] {
  return [
    permutationTable(results),
    initialTable(results),
    headTable(results),
    lossTable(results),
    probeTable(results),
    ...plots(results, sizes),
  ];
}
