import { availableParallelism, cpus, totalmem } from "node:os";
import { type Adapter, EngineError, listAdapters, type PlacedDevice } from "../compile/index.ts";
import { type DeviceSpeed, measureDevice } from "../train/index.ts";
import { table } from "./format.ts";
import { out } from "./print.ts";

interface Row {
  readonly device: PlacedDevice;
  readonly name: string;
  readonly kind: string;
  readonly driver: string;
  readonly memoryBytes: number;
  readonly maxBufferBytes: number | null;
  readonly float16: boolean;
  readonly speed: DeviceSpeed | null;
}

const gibibytes = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
const billions = (value: number | undefined) => (value === undefined ? "–" : (value / 1e9).toPrecision(3));

const ofAdapter = (adapter: Adapter, speed: DeviceSpeed | null): Row => ({
  device: "gpu",
  ...adapter,
  speed,
});

/** What to do where no GPU can be used, in one line. */
function advice(adapters: readonly Adapter[] | null, error: string | null): string {
  if (adapters === null && process.platform === "linux")
    return "no GPU: the Vulkan loader isn't installed (Debian and Ubuntu: apt install libvulkan1), and the driver of the card";
  if (adapters?.length === 0)
    return "no GPU: Vulkan has no driver for one; install the card's (NVIDIA: its own; AMD and Intel: mesa-vulkan-drivers)";
  return `no GPU: ${error}`;
}

/** `rotor devices`: what models can run on, with measured speeds. */
export async function devicesCommand({ json }: { readonly json?: boolean }): Promise<number> {
  const host: Row = {
    device: "cpu",
    name: cpus()[0]?.model.trim() ?? "CPU",
    kind: `${availableParallelism()} threads`,
    driver: "ONNX Runtime",
    memoryBytes: totalmem(),
    maxBufferBytes: null,
    float16: false,
    speed: await measureDevice({ device: "cpu" }),
  };
  const adapters = listAdapters();
  let speed: DeviceSpeed | null = null;
  let error: string | null = null;
  if (adapters?.length !== 0) {
    try {
      speed = await measureDevice({ device: "gpu" });
    } catch (caught) {
      if (!(caught instanceof EngineError)) throw caught;
      error = caught.message;
    }
  }
  const unnamed = {
    name: "GPU",
    kind: "other",
    driver: "",
    memoryBytes: 0,
    maxBufferBytes: 0,
    float16: false,
  } as const;
  const found = adapters ?? (speed === null ? [] : [unnamed]);
  // ONNX Runtime takes one adapter and doesn't say which; with one there is no doubt.
  const rows = [host, ...found.map((adapter) => ofAdapter(adapter, found.length === 1 ? speed : null))];
  if (json === true) {
    out(
      JSON.stringify({ devices: rows, gpu: speed, error: speed === null ? advice(adapters, error) : null }),
    );
    return 0;
  }
  out(
    table([
      ["device", "name", "kind", "driver", "memory", "largest buffer", "float16", "GFLOP/s", "GB/s"],
      ...rows.map((row) => [
        row.device,
        row.name,
        row.kind,
        row.driver,
        row.memoryBytes === 0 ? "–" : gibibytes(row.memoryBytes),
        row.maxBufferBytes ? gibibytes(row.maxBufferBytes) : "–",
        row.float16 ? "yes" : "no",
        billions(row.speed?.matmulPeak),
        billions(row.speed?.bandwidth),
      ]),
    ]),
  );
  if (speed === null) out(advice(adapters, error));
  else if (found.length > 1)
    out(
      `the GPU that ONNX Runtime chooses: ${billions(speed.matmulPeak)} GFLOP/s, ${billions(speed.bandwidth)} GB/s`,
    );
  if (found.some(({ kind }) => kind === "software"))
    out("a software device is there for tests: train on the CPU");
  return 0;
}
