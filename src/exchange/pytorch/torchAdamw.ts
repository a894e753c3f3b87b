import { ExchangeError } from "../../errors.ts";
import { numberFrom, torchOptimizer } from "./torchOptimizer.ts";

export interface AdamwOptions {
  readonly b1: number;
  readonly b2: number;
  readonly eps: number;
  readonly epsRoot?: number;
}

const isFraction = (value: unknown) => typeof value === "number" && value >= 0 && value < 1;

/**
 * `torch.optim.AdamW`: the same moments, corrections of their bias and decoupled decay as here.
 *
 * Source: torch/optim/adamw.py and adam.py of PyTorch 2.15.
 */
export const torchAdamw = torchOptimizer<AdamwOptions>({
  name: "AdamW",
  group: "adamw",
  state: { exp_avg: "mu", exp_avg_sq: "nu" },
  hasStep: true,
  factor: () => 1,
  read(keys) {
    const betas = keys.value("betas");
    if (!(Array.isArray(betas) && betas.length === 2 && betas.every(isFraction)))
      keys.fail("betas", "two numbers from 0 to 1");
    const [b1, b2] = betas as [number, number];
    keys.must("amsgrad", false);
    keys.must("decoupled_weight_decay", true);
    return { b1, b2, eps: numberFrom(keys, "eps", (value) => value >= 0, "a number ≥ 0") };
  },
  write({ b1, b2, eps, epsRoot = 0 }) {
    if (epsRoot !== 0)
      throw new ExchangeError(`optimizer epsRoot ${epsRoot}: torch.optim.AdamW has none; expected 0`);
    return { betas: [b1, b2], eps };
  },
});
