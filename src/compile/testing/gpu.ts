import { existsSync } from "node:fs";
import { EngineArray } from "../engineArray.ts";
import { compile } from "../index.ts";

/** The driver of a Vulkan device in software that Debian's package chromium brings; its loader is the package libvulkan1. */
const softwareDriver = "/usr/lib/chromium/vk_swiftshader_icd.json";

let reason: Promise<string | null> | undefined;

async function tryIt(): Promise<string | null> {
  // Read by the loader of drivers when the first device is asked for.
  if (process.env.VK_DRIVER_FILES === undefined && existsSync(softwareDriver))
    process.env.VK_DRIVER_FILES = softwareDriver;
  try {
    await using twice = compile((x: { add(y: number): never }) => x.add(1), {
      device: "gpu",
      outputs: "engine",
    });
    await twice(EngineArray.from(Float32Array.of(1), [1]) as never);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Why tests can't run on a GPU here, or null if they can: on what there is, or in software. */
export function whyNoGpu(): Promise<string | null> {
  reason ??= tryIt();
  return reason;
}
