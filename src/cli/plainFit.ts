import type { SweepFit } from "../scaling/index.ts";

/** A fit without its functions, as it goes from one thread to another. */
export type PlainFit = Omit<SweepFit, "predict" | "optima" | "laws" | "epsilonLaw"> & {
  readonly optima: readonly Omit<SweepFit["optima"][number], "curve">[];
  readonly laws: readonly Omit<SweepFit["laws"][number], "predict">[];
  readonly epsilonLaw: Omit<SweepFit["laws"][number], "predict"> | null;
};

export function plainFit({ predict: _, optima, laws, epsilonLaw, ...rest }: SweepFit): PlainFit {
  const plainLaw = ({ predict: __, ...law }: SweepFit["laws"][number]) => law;
  return {
    ...rest,
    optima: optima.map(({ curve: __, ...optimum }) => optimum),
    laws: laws.map(plainLaw),
    epsilonLaw: epsilonLaw === null ? null : plainLaw(epsilonLaw),
  };
}

/** The fit with its functions: it's made again when one of them is asked for what isn't in it yet. */
export function wholeFit(plain: PlainFit, again: () => SweepFit): SweepFit {
  let made: SweepFit | undefined;
  const whole = () => {
    made ??= again();
    return made;
  };
  return {
    ...plain,
    optima: plain.optima.map((optimum, i) => ({
      ...optimum,
      curve: (learningRate) => whole().optima[i]!.curve(learningRate),
    })),
    laws: plain.laws.map((law, i) => ({ ...law, predict: (...place) => whole().laws[i]!.predict(...place) })),
    epsilonLaw:
      plain.epsilonLaw === null
        ? null
        : { ...plain.epsilonLaw, predict: (...place) => whole().epsilonLaw!.predict(...place) },
    predict: (batchSize) =>
      plain.predictions.find((prediction) => prediction.batchSize === batchSize) ??
      whole().predict(batchSize),
  };
}
