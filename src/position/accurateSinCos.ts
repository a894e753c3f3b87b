import { numpy as np } from "@jax-js/jax";

/** What drives one angle: the axis of a position, or null for none, and radians per position. */
export interface AngleRate {
  readonly axis: number | null;
  readonly theta: number;
}

/** Digits of a position to the base 64, the first of weight 2⁻³⁰, the last 2¹⁸: together all of a float32 from 2⁻⁶ to 2²⁴. */
const digits = [30, 24, 18, 12, 6, 0, -6, -12, -18] as const;
/** Pieces of the turns per digit, of 8 bits each but for the last. */
const pieces = 4;

/**
 * Cosine and sine of `p[axis]·θ`, correct to float32's last bits at every position up to 2²⁴, on every device.
 *
 * A float32 product `p·θ` loses what `p` is large by, and the sine of a large number is left to the device. So angles are counted in turns:
 * a position is cut into digits of 6 bits, `θ/2π` times the weight of a digit, less its whole turns, into pieces of 8 bits; products of
 * the two and their sums are exact in float32 (and in any format with 8 bits and sums in float32), in whatever order and however fused. Whole and
 * quarter turns then come off exactly, and what is left, up to π/4, goes into a polynomial.
 *
 * Not differentiable by the positions: that derivative is 0.
 *
 * @param positions - `float32[.., A]`, consumed
 * @param rates - one of each angle, `M`
 * @returns `float32[.., M]` each
 */
export function accurateSinCos(
  positions: np.Array,
  rates: readonly AngleRate[],
): { cos: np.Array; sin: np.Array } {
  const shape = positions.shape.slice(0, -1);
  const [numAxes, count] = [positions.shape.at(-1)!, rates.length];
  const turns = np
    .matmul(digitsOf(positions).reshape([-1, numAxes * digits.length]), turnsPerDigit(rates, numAxes))
    .reshape([-1, pieces, count]);
  const piece = (index: number) => turns.ref.slice([], index);
  const high = piece(0);
  const whole = np.floor(high.ref);
  const rough = high.sub(whole).add(piece(1));
  const quarters = np.floor(rough.ref.mul(4).add(0.5));
  const rest = rough.sub(quarters.ref.mul(0.25)).add(piece(2)).add(piece(3));
  turns.dispose();
  const x = rest.mul(2 * Math.PI);
  const square = x.ref.mul(x.ref);
  const sine = x.mul(polynomial(square.ref, sineTerms));
  const cosine = polynomial(square, cosineTerms);
  // Quarter turns: 0 to 3 of them, `odd` ones exchange sine and cosine.
  const quarter = quarters.ref.sub(np.floor(quarters.mul(0.25)).mul(4));
  const odd = quarter.ref.sub(np.floor(quarter.ref.mul(0.5)).mul(2)).greater(0.5);
  const flipSine = quarter.ref.greater(1.5);
  const flipCosine = np.abs(quarter.sub(1.5)).less(1);
  const cos = np.where(odd.ref, sine.ref, cosine.ref);
  const sin = np.where(odd, cosine, sine);
  const signed = (flip: np.Array, value: np.Array) =>
    np.where(flip, np.negative(value.ref), value).reshape([...shape, count]);
  return { cos: signed(flipCosine, cos), sin: signed(flipSine, sin) };
}

/** `float32[.., A, 9]`; all differences are of neighbouring whole numbers, and so exact. */
function digitsOf(positions: np.Array): np.Array {
  const own = Float32Array.from(digits, (weight) => 2 ** weight);
  const above = Float32Array.from(digits, (weight) => 2 ** (weight - 6));
  // The last digit holds all that is left, with its sign.
  const base = Float32Array.from(digits, (_, k) => (k === digits.length - 1 ? 0 : 64));
  const split = positions.reshape([...positions.shape, 1]);
  const whole = np.floor(split.ref.mul(np.array(own)));
  return whole.sub(np.floor(split.mul(np.array(above))).mul(np.array(base)));
}

/** `float32[A·9, 4·M]`: turns of an angle per unit of a digit, without whole ones, in pieces. */
function turnsPerDigit(rates: readonly AngleRate[], numAxes: number): np.Array {
  const count = rates.length;
  const table = new Float32Array(numAxes * digits.length * pieces * count);
  rates.forEach(({ axis, theta }, m) => {
    if (axis === null || theta === 0) return;
    const fractionOf = fractionsOfTurn(theta);
    digits.forEach((weight, k) => {
      let rest = fractionOf(-weight);
      for (let piece = 0; piece < pieces; piece++) {
        const unit = 2 ** (-8 * (piece + 1));
        const own = piece === pieces - 1 ? rest : Math.round(rest / unit) * unit;
        table[((axis * digits.length + k) * pieces + piece) * count + m] = own;
        rest -= own;
      }
    });
  });
  return np.array(table, { shape: [numAxes * digits.length, pieces * count] });
}

/** Bits of `1/2π` as whole numbers of 24 bits, more than double precision has: from Machin's formula in whole numbers. */
const scale = 160n;
const inverseTurn = (1n << (2n * scale)) / (2n * piTimes(scale));

/** `⌊π·2^bits⌋`, up to the last bits. */
function piTimes(bits: bigint): bigint {
  const one = 1n << (bits + 16n);
  const arctanOfInverse = (n: bigint) => {
    let [power, sum, k] = [one / n, one / n, 1n];
    while (power !== 0n) {
      power /= -(n * n);
      k += 2n;
      sum += power / k;
    }
    return sum;
  };
  return (16n * arctanOfInverse(5n) - 4n * arctanOfInverse(239n)) >> 16n;
}

/** `θ·2^weight/2π` without whole turns, −½ to ½, exact to double precision: `θ` is a double, and so a whole number of some 2^−n. */
function fractionsOfTurn(theta: number): (weight: number) => number {
  const exponent = Math.floor(Math.log2(Math.abs(theta))) - 52;
  // θ = mantissa·2^exponent, exactly; products count 2^−160 of a turn.
  const product = BigInt(theta / 2 ** exponent) * inverseTurn;
  return (weight) => {
    const shift = BigInt(exponent + weight);
    const turns = shift >= 0n ? product << shift : product >> -shift;
    return Number(BigInt.asIntN(Number(scale), turns)) / 2 ** Number(scale);
  };
}

const sineTerms = [1, -1 / 6, 1 / 120, -1 / 5040, 1 / 362880];
const cosineTerms = [1, -1 / 2, 1 / 24, -1 / 720, 1 / 40320, -1 / 3628800];

/** `Σ c_k·x^k` by Horner; consumes `x`. */
function polynomial(x: np.Array, coefficients: readonly number[]): np.Array {
  let value = x.ref.mul(coefficients.at(-1)!);
  for (let k = coefficients.length - 2; k > 0; k--) value = value.add(coefficients[k]!).mul(x.ref);
  x.dispose();
  return value.add(coefficients[0]!);
}
