/** `(e^(kd) − kd − 1)/k²`, the LINEX curve: convex, least at 0, of curvature 1 there, steeper to the right for k > 0. */
export function linex(d: number, k: number): number {
  return Math.abs(k * d) < 1e-4 ? (d * d) / 2 + (k * d * d * d) / 6 : (Math.expm1(k * d) - k * d) / (k * k);
}
