import type { Elements } from "./elements.ts";
import { newBuffer } from "./runtime/newBuffer.ts";
import type { Port, RuntimeSession } from "./runtime/runtime.ts";
import type { Value } from "./value.ts";

/** The number that all elements of a result are, whatever the arguments; null if there is none. */
export function repeatedNumber({ tensor: { constant } }: Value): number | null {
  return constant?.length === 1 ? Number(constant[0]) : null;
}

/**
 * A session for all outputs of one that makes only those that aren't one number: zeros of an optimizer's state are memory that the system
 * gives when it is first written, not an array that is filled and copied.
 *
 * @param outputs - ports of all outputs
 * @param numbers - what each repeats, or null for what `session` makes
 */
export function withRepeated(
  session: RuntimeSession,
  outputs: readonly Port[],
  numbers: readonly (number | null)[],
): RuntimeSession {
  if (numbers.every((number) => number === null)) return session;
  const isMade = (_: unknown, i: number) => numbers[i] === null;
  const repeated = (port: Port, number: number, free: Elements | null): Elements => {
    const buffer = session.fillsBuffers && ArrayBuffer.isView(free) ? free : null;
    if (buffer === null && Object.is(number, 0)) return newBuffer(port);
    return (buffer ?? newBuffer(port)).fill(number);
  };
  return {
    fillsBuffers: session.fillsBuffers,
    overwrites: session.overwrites,
    async run(inputs, free) {
      const made = await session.run(inputs, outputs.map((_, i) => free[i] ?? null).filter(isMade));
      let next = 0;
      return outputs.map((port, i) => {
        const number = numbers[i]!;
        return number === null ? made[next++]! : repeated(port, number, free[i] ?? null);
      });
    },
    endProfile: () => session.endProfile(),
    release: () => session.release(),
  };
}
