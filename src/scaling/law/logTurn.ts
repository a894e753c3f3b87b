/** `log(1 + e^x)` without overflow. */
export const softplus = (x: number) => (x > 30 ? x : Math.log1p(Math.exp(x)));

/** Over how many e-folds of the batch size the fall after the turn comes about. */
const fallWidth = 0.7;
/** How sharp the turn is: e-folds of the batch size within which it happens, inverted. */
const sharpness = 6;

/**
 * Logarithm of a learning rate that rises as a power of the batch size, turns, and falls to a level, 0 at the turn:
 *
 * ```
 * −rise·log(B_turn/B) below the turn     −fall·(1 − (B_turn/B)^(1/0.7)) above it
 * ```
 *
 * @param u - log B
 * @param turn - log B_turn
 */
export function logTurn(u: number, turn: number, rise: number, fall: number): number {
  const below = softplus(-sharpness * (u - turn)) / sharpness;
  const above = softplus(sharpness * (u - turn)) / sharpness;
  return fall * Math.expm1(-above / fallWidth) - rise * below;
}
