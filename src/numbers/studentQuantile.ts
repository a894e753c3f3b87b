import { ConfigError } from "../errors.ts";

/**
 * Logarithm of the gamma function of a positive number, within 1e-14: Stirling's series from 10 on, and `Γ(x) = Γ(x+1)/x` below.
 *
 * Source: Abramowitz and Stegun, 6.1.40.
 */
function logGamma(x: number): number {
  let shift = 0;
  let y = x;
  for (; y < 10; y++) shift += Math.log(y);
  const inverse = 1 / (y * y);
  const series =
    1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse * (1 / 1680 - inverse * (1 / 1188))));
  return (y - 0.5) * Math.log(y) - y + 0.5 * Math.log(2 * Math.PI) + series / y - shift;
}

/** Continued fraction of the incomplete beta function by Lentz's method; converges fast for `x < (a+1)/(a+b+2)`. */
function betaFraction(x: number, a: number, b: number): number {
  const tiny = 1e-300;
  const safe = (value: number) => (Math.abs(value) < tiny ? tiny : value);
  let c = 1;
  let d = 1 / safe(1 - ((a + b) * x) / (a + 1));
  let value = d;
  for (let m = 1; m <= 10_000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / safe(1 + even * d);
    c = safe(1 + even / c);
    value *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / safe(1 + odd * d);
    c = safe(1 + odd / c);
    value *= d * c;
    if (Math.abs(d * c - 1) < 1e-16) break;
  }
  return value;
}

/** Regularized incomplete beta function `I_x(a, b)`, with `1 − x` given for its digits. */
function incompleteBeta(x: number, rest: number, a: number, b: number): number {
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log(rest));
  return x < (a + 1) / (a + b + 2)
    ? (front * betaFraction(x, a, b)) / a
    : 1 - (front * betaFraction(rest, b, a)) / b;
}

/** `P(T > t)` of Student's distribution, for `t ≥ 0`. */
function upperTail(t: number, freedom: number): number {
  if (t === 0) return 0.5;
  const whole = freedom + t * t;
  return incompleteBeta(freedom / whole, (t * t) / whole, freedom / 2, 0.5) / 2;
}

/**
 * The number that a variable of Student's distribution stays below with a probability; its tail is right within a relative error of 1e-12 up to
 * a thousand degrees of freedom, 1e-9 at a million.
 *
 * @param probability - above 0 and below 1
 * @param freedom - degrees of freedom, above 0
 * @throws ConfigError for anything else
 *
 * @example
 * ```ts
 * studentQuantile(0.975, 10); // => 2.2281
 * ```
 *
 * Source: Abramowitz and Stegun, 26.5.8 and 26.7.1; the root by bisection of the tail, which is monotone.
 */
export function studentQuantile(probability: number, freedom: number): number {
  if (!(probability > 0 && probability < 1))
    throw new ConfigError(`studentQuantile probability ${probability}: expected a number between 0 and 1`);
  if (!(freedom > 0 && freedom < Infinity))
    throw new ConfigError(`studentQuantile freedom ${freedom}: expected a positive number`);
  if (probability < 0.5) return -studentQuantile(1 - probability, freedom);
  const tail = 1 - probability;
  let [low, high] = [0, 1];
  while (upperTail(high, freedom) > tail) [low, high] = [high, 2 * high];
  for (;;) {
    const middle = (low + high) / 2;
    if (middle <= low || middle >= high) return middle;
    if (upperTail(middle, freedom) > tail) low = middle;
    else high = middle;
  }
}
