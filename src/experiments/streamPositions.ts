import { sampleStandardDeviation } from "simple-statistics";
import {
  countVerdicts,
  type Experiment,
  type ExperimentContext,
  type ExperimentSize,
  type Table,
  type Verdict,
} from "./experiment.ts";
import {
  type StreamArm,
  type StreamLosses,
  type StreamResult,
  type StreamSettings,
  StreamTrainer,
  testedSets,
} from "./multimodal/streamTrial.ts";
import { pairedResult, pairsForDifference, pairsForEquivalence } from "./pairedPower.ts";
import type { Plot } from "./plot.ts";
import { formatInterval, interval } from "./statistics.ts";

/** Nats per predicted token that matter: about six percent of the loss. */
const margin = 0.1;
const power = 0.8;

const own = "tie-stream";
const arms = {
  [own]: { layout: "tie-stream", allocation: { kind: "cyclic" } },
  "tie-v2": { layout: "tie-v2-3d", allocation: { kind: "cyclic" } },
  "mrope-interleaved": {
    layout: "mrope-interleaved",
    allocation: { kind: "interleaved-sections", sections: [6, 5, 5] },
  },
  hunyuan: { layout: "hunyuan_vl", model: true, allocation: { kind: "sections", sections: [4, 4, 4, 4] } },
  "hunyuan-5.24": {
    layout: "hunyuan_vl",
    model: true,
    allocation: { kind: "component-sections", sections: [4, 4, 4, 4] },
  },
} as const satisfies Record<string, StreamArm>;

type ArmName = keyof typeof arms;
const armNames = Object.keys(arms) as ArmName[];
const others = armNames.filter((name) => name !== own);

/** Those before were used to choose the sizes of the runs. */
const firstSeed = 11;

interface Plan {
  readonly settings: Omit<StreamSettings, keyof StreamArm>;
  /** Seeds that say how much differences scatter; they count in the result. */
  readonly pilotSeeds: number;
  readonly mostSeeds: number;
}

const model = {
  task: "streams",
  headDim: 32,
  numHeads: 2,
  modelDim: 64,
  numLayers: 1,
  ropeBase: 100,
  muonLearningRate: 0.03,
  adamwLearningRate: 0.02,
  batchSize: 4,
} as const;

const plans: Readonly<Record<ExperimentSize, Plan>> = {
  full: {
    settings: { ...model, steps: 500, numDocuments: 64 },
    pilotSeeds: 6,
    mostSeeds: 30,
  },
  quick: {
    settings: { ...model, batchSize: 2, steps: 2, numDocuments: 2 },
    pilotSeeds: 2,
    mostSeeds: 2,
  },
};

type Losses = Readonly<Record<ArmName, readonly StreamResult[]>>;
type Value = (result: StreamResult) => number;
const primary: Value = ({ seen }) => seen.all;

/** `tie-stream` minus another, of the seeds that both have. */
const differences = (losses: Losses, other: ArmName, value: Value = primary) =>
  losses[other].map((result, i) => value(losses[own][i]!) - value(result));

/** How many pairs a comparison needs. */
interface Need {
  readonly other: ArmName;
  readonly deviation: number;
  readonly forDifference: number;
  readonly forEquivalence: number;
}

function needsOf(pilot: Losses): Need[] {
  return others.map((other) => {
    const deviation = sampleStandardDeviation(differences(pilot, other));
    const options = { margin, power };
    return {
      other,
      deviation,
      forDifference: pairsForDifference(deviation, options),
      forEquivalence: pairsForEquivalence(deviation, options),
    };
  });
}

interface Results {
  /** By seed; an arm has as many as its comparison needs. */
  readonly losses: Losses;
  readonly needs: readonly Need[];
}

async function measure(plan: Plan, { trials, threads, note }: ExperimentContext): Promise<Results> {
  await using stack = new AsyncDisposableStack();
  const trainers = new Map<ArmName, StreamTrainer>();
  const trainer = (name: ArmName): StreamTrainer => {
    const known = trainers.get(name);
    if (known !== undefined) return known;
    const made = stack.use(new StreamTrainer({ ...plan.settings, ...arms[name] }, threads));
    trainers.set(name, made);
    return made;
  };
  const losses = Object.fromEntries(armNames.map((name) => [name, [] as StreamResult[]])) as Record<
    ArmName,
    StreamResult[]
  >;
  const train = async (from: number, to: Readonly<Record<ArmName, number>>) => {
    for (let number = from; number <= Math.max(...Object.values(to)); number++) {
      const seed = firstSeed + number - 1;
      for (const name of armNames.filter((arm) => number <= to[arm])) {
        note(`${name}, seed ${number} of ${to[name]}: ${plan.settings.steps} steps`);
        const settings = { ...plan.settings, ...arms[name], seed };
        losses[name].push(await trials.run(settings, () => trainer(name).run(seed)));
      }
    }
  };
  const seedsOf = (count: (name: ArmName) => number) =>
    Object.fromEntries(armNames.map((name) => [name, count(name)])) as Record<ArmName, number>;
  await train(
    1,
    seedsOf(() => plan.pilotSeeds),
  );
  const needs = needsOf(losses);
  const needed = (name: ArmName) => {
    const pairs = needs
      .filter(({ other }) => name === own || other === name)
      .map(({ forDifference, forEquivalence }) => Math.max(forDifference, forEquivalence));
    return Math.min(plan.mostSeeds, Math.max(plan.pilotSeeds, ...pairs));
  };
  await train(plan.pilotSeeds + 1, seedsOf(needed));
  return { losses, needs };
}

const signed = (value: number) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;

/** The difference in words. */
function found(losses: Losses, other: ArmName): string {
  const { difference, sign, isWithinMargin } = pairedResult(differences(losses, other), { margin });
  const half = (difference.high - difference.low) / 2;
  const said = [
    sign < 0 ? "lower" : sign > 0 ? "higher" : "no significant difference",
    ...(isWithinMargin ? [`equal within ±${margin}`] : []),
  ];
  return `${own} − ${other} ${signed(difference.mean)} ± ${half.toFixed(3)} nats a token (${said.join(", ")})`;
}

/** Lower loss than another; refuted too by a difference that is too small to matter. */
function isBetter(losses: Losses, other: ArmName, claim: string): Verdict {
  const { sign, isWithinMargin } = pairedResult(differences(losses, other), { margin });
  return {
    claim,
    expected: `loss of documents as in training: ${own} below ${other}`,
    found: found(losses, other),
    verdict: sign < 0 ? "holds" : sign > 0 || isWithinMargin ? "fails" : "open",
  };
}

/** Not above another by as much as matters. */
function isNoWorse(losses: Losses, other: ArmName, claim: string): Verdict {
  const { sign, oneSided } = pairedResult(differences(losses, other), { margin });
  const isKnown = oneSided.count > 1;
  return {
    claim,
    expected: `loss of documents as in training: ${own} less than ${margin} nats above ${other}`,
    found: found(losses, other),
    verdict: isKnown && oneSided.high < margin ? "holds" : sign > 0 ? "fails" : "open",
  };
}

function verdictsOf({ losses }: Results): Verdict[] {
  return [
    isNoWorse(
      losses,
      "tie-v2",
      "Nothing is lost by placing frames without knowing how many there are, as a stream needs (ours, against tie-v2 in 3D, Su-10352)",
    ),
    isBetter(
      losses,
      "mrope-interleaved",
      "A layout with equivalence and symmetry of images learns streams better than interleaved M-RoPE (Su-10352; Qwen3-VL)",
    ),
    isBetter(
      losses,
      "hunyuan",
      "It learns them better than coordinates that begin anew in each image (hunyuan_vl, an axis for each pair)",
    ),
    isBetter(
      losses,
      "hunyuan-5.24",
      "It learns them better than where images aren't rotated at all (hunyuan_vl as Transformers 5.24 turns it)",
    ),
  ];
}

function powerTable({ needs, losses }: Results, plan: Plan): Table {
  return {
    kind: "table",
    title: `Pairs for a power of ${100 * power} % at ${margin} nats a token, from ${plan.pilotSeeds} seeds`,
    columns: [
      `${own} against`,
      "standard deviation of the difference",
      "pairs to see a difference",
      "pairs to see that there is none",
      "trained",
    ],
    rows: needs.map(({ other, deviation, forDifference, forEquivalence }) => [
      other,
      deviation.toFixed(4),
      String(forDifference),
      String(forEquivalence),
      String(losses[other].length),
    ]),
  };
}

const measures: readonly (readonly [string, keyof StreamLosses])[] = [
  ["all predicted tokens", "all"],
  ["words that tell what was seen", "words"],
  ["codes of images", "images"],
  ["codes of videos", "videos"],
];
const setTitles = { seen: "documents as in training", longer: "larger grids and longer videos" } as const;

function lossTables(losses: Losses): Table[] {
  return testedSets.flatMap((set): Table[] => [
    {
      kind: "table",
      title: `Nats per predicted token, ${setTitles[set]}; of unlike seeds, compare by the next table`,
      columns: ["", ...armNames.map((name) => `${name} (${losses[name].length} seeds)`)],
      rows: measures.map(([title, key]) => [
        title,
        ...armNames.map((name) => formatInterval(interval(losses[name].map((result) => result[set][key])))),
      ]),
    },
    {
      kind: "table",
      title: `${own} minus the others, ${setTitles[set]}`,
      columns: ["", ...others],
      rows: measures.map(([title, key]) => [
        title,
        ...others.map((other) =>
          formatInterval(interval(differences(losses, other, (result) => result[set][key]))),
        ),
      ]),
    },
  ]);
}

function differencePlot(losses: Losses): Plot {
  return {
    kind: "plot",
    file: "differences",
    title: `${own} minus the others, seed by seed`,
    x: { label: "seed" },
    y: { label: "nats per predicted token" },
    series: others.map((other) => ({
      name: other,
      kind: "points" as const,
      points: differences(losses, other).map((y, i) => ({ x: firstSeed + i, y })),
    })),
  };
}

const streamPositions: Experiment<Plan, Results> = {
  name: "stream-positions",
  title:
    "Positions in streams of text, images and videos: tie-stream, tie-v2, M-RoPE, Hunyuan, with paired seeds",
  sources: [
    "Su-10352 (kexue.fm/archives/10352)",
    "Qwen3-VL, arXiv 2511.21631",
    "hunyuan_vl of Transformers 5.24.0",
    "Schuirmann, 1987 (two one-sided tests), doi 10.1007/BF01068419",
  ],
  plans,
  trials: measure,
  verdicts: verdictsOf,
  summary({ losses }, _, verdicts) {
    const apart = others
      .map((other) => ({ other, by: interval(differences(losses, other)) }))
      .sort((x, y) => y.by.mean - x.by.mean)
      .map(
        ({ other, by }) =>
          `${other} ${formatInterval({ ...by, mean: -by.mean, low: -by.high, high: -by.low })}`,
      )
      .join(", ");
    return `The same decoder trained on streams with ${armNames.length} kinds of positions and up to ${losses[own].length} paired seeds. Nats per predicted token more than ${own}, seed by seed: ${apart}. ${countVerdicts(verdicts)}.`;
  },
  sections(results, plan) {
    const { settings } = plan;
    return [
      {
        kind: "text",
        text: "A document goes on as long as there is room: text, images and videos of MNIST digits, in any order. A digit is a grid of codes, each a square of 2 × 2 black or white pixels; a video shows one picture in all of its frames, so that a code is known to whoever finds its place in the frame before. Four kinds of parts take turns by chance: `image` or `video`, a grid, and the word of its digit; or the word first and then what it asks for, `draw` an image or `play` a video. Words that tell what was seen, and all codes, are predicted. Sides of grids are told before them, the number of frames isn't: tie-v2 in 3D places frames by it all the same, as it must. Training has grids of 3×3, 3×4 and 4×3 and videos of 3 and 4 frames in documents of up to 96 tokens; the second set has 4×4, 5 and 6 frames, and 160 tokens. All tests are of other digits than training.",
      },
      {
        kind: "text",
        text: `All arms train the same model (one layer of width ${settings.modelDim}, ${settings.numHeads} heads of ${settings.headDim}, base ${settings.ropeBase}, tied head) for ${settings.steps} steps of ${settings.batchSize} documents with Muon (peak ${settings.muonLearningRate}) for the matrices and AdamW (peak ${settings.adamwLearningRate}) for the rest; rates, width, base and length of the runs were chosen in short runs of tie-stream and mrope-interleaved with other seeds, so that most of them find the frame before, and are the same for all. A seed decides parameters, documents and their order, alike for all arms; ${settings.numDocuments} documents of each set are tested. tie-stream and tie-v2 have the allocation \`cyclic\`, M-RoPE \`interleaved-sections\` 6/5/5 (Qwen3-VL's ratio), Hunyuan four sections of four. Hunyuan's images have its markers and a column of line breaks, which are not predicted, its videos are images, and images are counted through the batch, as its rule has it; \`hunyuan-5.24\` turns the two components of a pair by different axes, as Transformers does.`,
      },
      {
        kind: "text",
        text: `The measure is nats per predicted token of documents as in training; ${margin} nats, some six percent, are the smallest difference that matters. The first ${plan.pilotSeeds} seeds say how much differences scatter, and with that how many pairs are needed, both to see such a difference and to see that there is none: an arm is trained with as many as its comparison needs. The first seeds count too. The smallest difference that matters and the length of the runs were set after trial runs with other seeds had shown how much they scatter; the power was lowered from 90 to 80 % after the first seeds, when their means were known beside their scatter: read the verdicts with that in mind. A claim to be better holds if the 95 % interval of the difference lies below 0, and fails if it lies above or if two one-sided tests at 5 % put the difference within ±${margin}. Each comparison is tested at 5 % by itself. What the other measures and the second set show was not decided before, and has no verdict.`,
      },
      powerTable(results, plan),
      ...lossTables(results.losses),
      differencePlot(results.losses),
    ];
  },
};

export default streamPositions;
