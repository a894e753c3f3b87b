import { ExchangeError } from "../../errors.ts";
import type { MuonScale } from "../../optim/index.ts";
import {
  type CoefficientChoice,
  type Coefficients,
  coefficientTable,
  coefficientTables,
} from "../../spectral/index.ts";
import { numberFrom, torchOptimizer } from "./torchOptimizer.ts";

export interface MuonOptions {
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly steps: number;
  readonly scale: MuonScale;
  readonly coefficients: CoefficientChoice;
}

/** Names of `adjust_lr_fn`. */
const adjustments = {
  original: "keller-jordan",
  match_rms_adamw: "match-adamw-rms",
  spectral_unclamped: "spectral",
} as const;

/** Where the norm of a gradient is below it, `torch.optim.Muon` takes shorter steps; here every norm has the same direction. */
const largestEps = 1e-7;

const isUsual = (triple: readonly number[]) =>
  triple.join() === coefficientTables["keller-jordan"].steps[0].join();

const nameOf = (triple: Coefficients): CoefficientChoice => (isUsual(triple) ? "keller-jordan" : [triple]);

/**
 * `torch.optim.Muon`. Its momentum is an average, `B ← μB + (1 − μ)G`, whatever its documentation says; the one here is a sum, `M = B/(1 − μ)`, of
 * which `msign` is the same. It iterates in bfloat16, Rotor in float32.
 *
 * Source: torch/optim/_muon.py of PyTorch 2.15.
 */
export const torchMuon = torchOptimizer<MuonOptions>({
  name: "Muon",
  group: "muon",
  state: { momentum_buffer: "momentum" },
  hasStep: false,
  factor: ({ momentum }) => 1 / (1 - momentum),
  read(keys) {
    const triple = keys.value("ns_coefficients");
    const isTriple = Array.isArray(triple) && triple.length === 3 && triple.every(Number.isFinite);
    if (!isTriple) keys.fail("ns_coefficients", "three numbers");
    numberFrom(keys, "eps", (value) => value >= 0 && value <= largestEps, `at most ${largestEps}`);
    return {
      momentum: numberFrom(keys, "momentum", (value) => value >= 0 && value < 1, "a number from 0 to 1"),
      nesterov: keys.flag("nesterov", true),
      steps: keys.count("ns_steps"),
      scale: keys.choice("adjust_lr_fn", "original", adjustments),
      coefficients: nameOf(triple as unknown as Coefficients),
    };
  },
  write({ momentum, nesterov, steps, scale, coefficients }) {
    const adjust = Object.entries(adjustments).find(([, own]) => own === scale)?.[0];
    if (adjust === undefined)
      throw new ExchangeError(
        `optimizer.scale "${scale}": torch.optim.Muon has ${Object.values(adjustments).join(", ")}`,
      );
    const { steps: triples, safety } = coefficientTable(coefficients);
    if (triples.length > 1 || safety !== 1)
      throw new ExchangeError(
        `optimizer.coefficients ${JSON.stringify(coefficients)}: torch.optim.Muon repeats one triple; expected keller-jordan, or a triple`,
      );
    return {
      momentum,
      nesterov,
      ns_coefficients: triples[0],
      eps: largestEps,
      ns_steps: steps,
      adjust_lr_fn: adjust,
    };
  },
});
