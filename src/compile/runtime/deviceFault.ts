import { MemoryError } from "../../errors.ts";
import { DeviceLostError } from "../errors.ts";

/** What Dawn, Vulkan, Direct3D and ONNX Runtime say of a device that is gone. */
const lost = /\bis lost\b|device (was |has been )?lost|DEVICE_LOST|DXGI_ERROR_DEVICE_(REMOVED|HUNG|RESET)/i;

/** A buffer that couldn't be made is invalid wherever it is bound. */
const outOfMemory =
  /out of (device )?memory|OUT_OF_(DEVICE|HOST|POOL)?_?MEMORY|Invalid Buffer .* due to a previous error/i;

/** @param how - what the runtime says, or why the browser took the device away */
export function deviceLost(how: string, remedy: string): DeviceLostError {
  return new DeviceLostError(`device "gpu": is lost, with what was in its memory (${how}); ${remedy}`);
}

export function deviceFull(cause: unknown): MemoryError {
  return new MemoryError(
    'device "gpu": is out of memory: a smaller batch, length or model, or accumulation, takes less; or use "cpu"',
    { cause },
  );
}

/** What an error of the runtime says of the device, or null if it says nothing of it. */
export function deviceFault(error: unknown): DeviceLostError | MemoryError | null {
  const message = error instanceof Error ? error.message : String(error);
  if (lost.test(message)) {
    const [line] = message.trim().split("\n");
    return deviceLost(line!.slice(0, 200), "begin a new process");
  }
  return outOfMemory.test(message) ? deviceFull(error) : null;
}
