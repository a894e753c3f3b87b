/** The best learning rate of one step, and what that step gains. */
export interface StepOptimum {
  /** η*, in units of the optimizer's learning rate. */
  readonly learningRate: number;
  /** ΔL*, the expected decrease of the loss in one step with η*, in units of the loss. */
  readonly lossDecrease: number;
}
