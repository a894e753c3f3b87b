import { EngineError } from "../errors.ts";
import { sizeOf } from "../view.ts";
import type { Port, RunnableModel } from "./runtime.ts";

const bytesPerElement: Readonly<Record<string, number>> = { bool: 1, float16: 2, float64: 8, int64: 8 };

/** Bytes of a port's elements. */
export const byteLengthOf = ({ dtype, shape }: Port) => sizeOf(shape) * (bytesPerElement[dtype] ?? 4);

/** @throws EngineError naming the first array, given, returned or on the way, that is larger than the device's largest buffer, in bytes */
export function checkSizes({ inputs, outputs, largest }: RunnableModel, limit: number): void {
  const ports = [...inputs, ...outputs].map((port) => ({ port, origin: "" }));
  const all = largest === null ? ports : [...ports, largest];
  const large = all.find(({ port }) => byteLengthOf(port) > limit);
  if (large === undefined) return;
  const { port, origin } = large;
  // Of what is given a batch is no part, or a small one.
  const remedy =
    origin === ""
      ? "a smaller vocabulary or width takes less"
      : "a smaller batch, length or vocabulary takes less";
  const mebibytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`;
  const given = port.path === undefined ? "" : `, argument ${port.path},`;
  const made = origin === "" ? given : `, which "${origin.split(" ")[0]}" makes,`;
  throw new EngineError(
    `device "gpu": ${port.dtype}[${port.shape.join()}]${made} takes ${mebibytes(byteLengthOf(port))}: expected at most ${mebibytes(limit)}, the largest buffer of the device; ${remedy}, or use "cpu"`,
  );
}
