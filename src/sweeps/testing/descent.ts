/** Steps of a short trial. */
export const shortSteps = 5;

/** A step of gradient descent on `x²/2`. */
export const descend = (x: number, rate: number) => x - rate * x;

/** What a short trial of a learning rate ends with. */
export function shortLoss(rate: number): number {
  let x = 1;
  for (let step = 0; step < shortSteps; step++) x = descend(x, rate);
  return x * x;
}
