import { numpy as np } from "@jax-js/jax";
import { flattenArguments } from "./arguments.ts";
import type { Elements } from "./elements.ts";
import { EngineArray } from "./engineArray.ts";
import { EngineError } from "./errors.ts";
import { buildProgram } from "./program.ts";
import { type Adapter, listAdapters } from "./runtime/adapters.ts";
import { isNode } from "./runtime/onnxPackage.ts";
import { type Device, devices, type EnginePlacement, type PlacedDevice } from "./runtime/runtime.ts";
import { EngineSession } from "./session.ts";

/** Which device `"auto"` is on this machine, and why, in one line. */
export interface DeviceDecision {
  readonly device: PlacedDevice;
  readonly reason: string;
}

const numTimed = 5;

/** Two matrices that follow a gradient of theirs: products, element-wise arithmetic and a sum, as training has them. */
function timedStep(a: np.Array, b: np.Array, x: np.Array): [np.Array, np.Array, np.Array] {
  const hidden = np.maximum(np.matmul(x.ref, a.ref), 0);
  const result = np.matmul(hidden.ref, b.ref);
  const loss = np.square(result.ref).mean();
  const back = np.matmul(result.ref, np.transpose(b.ref));
  const [toA, toB] = [np.matmul(np.transpose(x), back), np.matmul(np.transpose(hidden), result)];
  return [a.sub(toA.mul(1e-6)), b.sub(toB.mul(1e-6)), loss];
}

/**
 * Milliseconds of a step whose state stays on the device: the median of a few.
 *
 * @param side - of its matrices
 */
export async function timeStep(device: PlacedDevice, side = 512): Promise<number> {
  const matrix = (seed: number) =>
    EngineArray.from(
      Float32Array.from({ length: side * side }, (_, i) => Math.sin(seed + i) / side),
      [side, side],
    );
  const { types, structure } = flattenArguments([matrix(0), matrix(1), matrix(2)]);
  const program = await buildProgram(timedStep, types, structure, "timed", undefined, device);
  const session = await EngineSession.load(program, { device }, { kept: 2, repeats: false });
  const batch = matrix(2).elements;
  let state: Elements[] = [matrix(0).elements, matrix(1).elements];
  const times: number[] = [];
  for (let i = 0; i < numTimed + 2; i++) {
    const start = performance.now();
    const results = await session.run([...state, batch]);
    state = results.slice(0, 2);
    // The first two make kernels and buffers.
    if (i >= 2) times.push(performance.now() - start);
  }
  await session.release();
  return times.sort((a, b) => a - b)[Math.floor(numTimed / 2)]!;
}

/** Names of adapters that are hardware, or why there is none. */
type Hardware = { readonly names: readonly string[] } | { readonly none: string };

/**
 * What adapters are worth trying.
 *
 * @param adapters - of the machine; null where it can't tell
 */
export function hardwareAmong(adapters: readonly Adapter[] | null, platform: string): Hardware {
  if (adapters === null) {
    // Metal is always there, and isn't asked by its adapters.
    if (platform === "darwin") return { names: ["the GPU of this Mac"] };
    return { none: "no GPU is known: the Vulkan loader isn't installed" };
  }
  if (adapters.length === 0) return { none: "no GPU is known: Vulkan has no driver for one" };
  const names = adapters.filter(({ kind }) => kind !== "software").map(({ name }) => name);
  return names.length > 0
    ? { names }
    : { none: `the only adapter, ${adapters.map(({ name }) => name).join(", ")}, is software` };
}

async function hardware(): Promise<Hardware> {
  if (isNode) return hardwareAmong(listAdapters(), globalThis.process.platform);
  const gpu = globalThis.navigator?.gpu as GPU | undefined;
  const adapter = (await gpu?.requestAdapter()) ?? null;
  if (adapter === null) return { none: "this browser has no WebGPU, or no adapter for it" };
  const { vendor, architecture, description, isFallbackAdapter } = adapter.info;
  const name = [vendor, architecture, description].filter((part) => part !== "").join(" ") || "GPU";
  return isFallbackAdapter || /swiftshader|llvmpipe|basic render/i.test(name)
    ? { none: `the only adapter, ${name}, is software` }
    : { names: [name] };
}

/**
 * Decides between the CPU and what hardware there is, by the times of a step on each.
 *
 * @param time - milliseconds of a step on a device
 */
export async function decide(
  found: Hardware,
  time: (device: PlacedDevice) => Promise<number>,
): Promise<DeviceDecision> {
  if ("none" in found) return { device: "cpu", reason: `device auto: cpu, as ${found.none}` };
  const name = found.names.join(", ");
  let onGpu: number;
  try {
    onGpu = await time("gpu");
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    return { device: "cpu", reason: `device auto: cpu, as ${name} can't be used (${error.message})` };
  }
  const onCpu = await time("cpu");
  const device = onGpu < onCpu ? "gpu" : "cpu";
  const [short, long] = [onGpu, onCpu].map((milliseconds) => milliseconds.toPrecision(3));
  return {
    device,
    reason: `device auto: ${device}, as a timed step takes ${short} ms on ${name} and ${long} ms on the CPU`,
  };
}

let decided: Promise<DeviceDecision> | undefined;

/**
 * What `device: "auto"` is on this machine: a hardware adapter if there is one and a timed step on it is faster than the CPU's, else the CPU. An
 * adapter in software (SwiftShader, llvmpipe) is no hardware. Decided once in a process or page.
 *
 * @example
 * ```ts
 * const { device, reason } = await chooseDevice();
 * device === "cpu" || device === "gpu"; // => true
 * reason.startsWith(`device auto: ${device}, as `); // => true
 * ```
 */
export function chooseDevice(): Promise<DeviceDecision> {
  decided ??= hardware()
    .then((found) => decide(found, (device) => timeStep(device)))
    .catch((error) => {
      decided = undefined;
      throw error;
    });
  return decided;
}

/**
 * A placement with the device that `"auto"` is here.
 *
 * @param note - is told which and why, if it was asked
 *
 * @example
 * ```ts
 * await settledPlacement({ device: "cpu", threads: 1 }, console.log); // => { device: "cpu", threads: 1 }
 * ```
 */
export async function settledPlacement(
  placement: EnginePlacement,
  note: (reason: string) => void,
): Promise<EnginePlacement> {
  if (placement.device !== "auto") return placement;
  const { device, reason } = await chooseDevice();
  note(reason);
  return { ...placement, device };
}

/**
 * The device that a choice stands for.
 *
 * @throws EngineError for what is none
 */
export async function placedDevice(device: Device = "cpu"): Promise<PlacedDevice> {
  if (!devices.includes(device))
    throw new EngineError(`device ${JSON.stringify(device)}: expected ${devices.join(", ")}`);
  return device === "auto" ? (await chooseDevice()).device : device;
}
