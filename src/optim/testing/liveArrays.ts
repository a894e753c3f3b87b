import { numpy as np } from "@jax-js/jax";

type Method = (this: np.Array) => unknown;

/**
 * Runs `fn` and returns what it returned, with the arrays that it made and left alive. Every result of an operation passes through
 * `fullLower` of jax-js, and every argument's `aval` is read; arrays that were never an argument or a result are not seen.
 */
export function withLiveArrays<T>(fn: () => T): { result: T; alive: np.Array[] } {
  const arrays = np.Array.prototype as object;
  const tracers = Object.getPrototypeOf(arrays) as { fullLower: Method };
  const aval = Object.getOwnPropertyDescriptor(arrays, "aval")!;
  const { fullLower } = tracers;
  const seen = new Set<np.Array>();
  const note = (array: np.Array) => {
    if (array instanceof np.Array) seen.add(array);
  };
  Object.defineProperty(arrays, "aval", {
    ...aval,
    get(this: np.Array) {
      note(this);
      return aval.get!.call(this);
    },
  });
  tracers.fullLower = function () {
    note(this);
    return fullLower.call(this);
  };
  try {
    const result = fn();
    return { result, alive: [...seen].filter((array) => array.refCount > 0) };
  } finally {
    Object.defineProperty(arrays, "aval", aval);
    tracers.fullLower = fullLower;
  }
}
