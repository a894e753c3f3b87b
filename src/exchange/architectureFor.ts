import { ExchangeError, RotorError } from "../errors.ts";
import type { TransformerConfig } from "../nn/index.ts";
import { ropeFrequencies } from "../position/index.ts";
import type { Architecture } from "./architecture.ts";
import { architectures } from "./architectures.ts";
import type { Fields } from "./configKeys.ts";
import { readHuggingFaceConfig } from "./readHuggingFace.ts";

/** An architecture and the `config.json` that describes a model in its terms. */
export interface ExpressedModel {
  readonly architecture: Architecture;
  readonly config: Fields;
}

/** An option that an architecture has another value of. */
interface Difference {
  readonly option: string;
  readonly own: unknown;
  readonly theirs: unknown;
}

/** Numbers that went through another form, as `attentionScale` through its inverse square. */
const isClose = (a: number, b: number) => Math.abs(a - b) <= 1e-12 * Math.abs(a);

function isEqual(option: string, a: TransformerConfig, b: TransformerConfig): boolean {
  const [x, y] = [a, b].map((model) => model[option as keyof TransformerConfig]);
  if (typeof x === "number" && typeof y === "number") return x === y || isClose(x, y);
  if (option !== "ropeScaling") return JSON.stringify(x) === JSON.stringify(y);
  // Defaults may be written out or not.
  if (a.ropeScaling?.kind !== b.ropeScaling?.kind) return false;
  const [own, theirs] = [a, b].map((model) =>
    ropeFrequencies(model.rotaryDim, model.ropeBase, model.ropeScaling),
  );
  return JSON.stringify(own) === JSON.stringify(theirs);
}

/** What is lost of a model in an architecture: what reading its `config.json` back gives otherwise. */
function differences(model: TransformerConfig, { architecture, config }: ExpressedModel): Difference[] {
  let back: TransformerConfig;
  try {
    back = readHuggingFaceConfig(config, architecture.modelType).model;
  } catch (error) {
    if (!(error instanceof RotorError)) throw error;
    return [{ option: "its sizes", own: error.message, theirs: "others" }];
  }
  return Object.keys(model)
    .filter((option) => !isEqual(option, model, back))
    .map((option) => ({
      option,
      own: model[option as keyof TransformerConfig],
      theirs: back[option as keyof TransformerConfig],
    }));
}

function expressed(architecture: Architecture, model: TransformerConfig): ExpressedModel {
  const { modelType, className } = architecture;
  const config = { architectures: [className], model_type: modelType, ...architecture.write(model) };
  return { architecture, config };
}

/** Nearest architectures that a message names at most. */
const mostNamed = 3;

/**
 * The architectures that have all options of a model, those to be preferred first.
 *
 * @param preferred - `model_type` of the one to take if it has them
 * @throws ExchangeError naming the options that the nearest ones have otherwise, if there is none
 */
export function architecturesFor(
  model: TransformerConfig,
  preferred: string | null = null,
): readonly ExpressedModel[] {
  const isFirst = ({ modelType }: Architecture) => (modelType === preferred ? 0 : 1);
  const candidates = architectures
    .toSorted((a, b) => isFirst(a) - isFirst(b))
    .map((architecture) => expressed(architecture, model))
    .map((candidate) => ({ candidate, lost: differences(model, candidate) }));
  const exact = candidates.filter(({ lost }) => lost.length === 0);
  if (exact.length > 0) return exact.map(({ candidate }) => candidate);
  const least = Math.min(...candidates.map(({ lost }) => lost.length));
  const nearest = candidates
    .filter(({ lost }) => lost.length === least)
    .slice(0, mostNamed)
    .map(({ candidate, lost }) => {
      const changes = lost.map(
        ({ option, own, theirs }) =>
          `model.${option} ${JSON.stringify(theirs)} instead of ${JSON.stringify(own)}`,
      );
      return `${candidate.architecture.modelType} with ${changes.join(" and ")}`;
    });
  throw new ExchangeError(
    `no architecture of Transformers has all options of the model; nearest: ${nearest.join("; ")}`,
  );
}

/** The first of {@link architecturesFor}. */
export const architectureFor = (model: TransformerConfig, preferred: string | null = null): ExpressedModel =>
  architecturesFor(model, preferred)[0]!;
