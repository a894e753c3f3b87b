import type koffi from "koffi";

/** A GPU, or what stands for one in software. */
export interface Adapter {
  readonly name: string;
  /** Name and version of its driver. */
  readonly driver: string;
  readonly kind: "discrete" | "integrated" | "virtual" | "software" | "other";
  /** Bytes of its largest memory of its own. */
  readonly memoryBytes: number;
  /** Largest buffer that a kernel can be given, in bytes: no parameter, state or batch may be larger. */
  readonly maxBufferBytes: number;
  readonly float16: boolean;
}

const vulkanFiles: Partial<Record<NodeJS.Platform, string>> = {
  linux: "libvulkan.so.1",
  win32: "vulkan-1.dll",
};

/** Numbers of structures and offsets of their fields, from Vulkan 1.2's header. */
const structure = {
  application: 0,
  instance: 1,
  features2: 1000059000,
  properties2: 1000059001,
  float16: 1000082000,
  driver: 1000196000,
} as const;
const version12 = (1 << 22) | (2 << 12);
const kinds = ["other", "integrated", "discrete", "virtual", "software"] as const;

const text = (bytes: Uint8Array, from: number, length: number) => {
  const part = bytes.subarray(from, from + length);
  const end = part.indexOf(0);
  return new TextDecoder().decode(part.subarray(0, end < 0 ? length : end));
};

function describe(
  library: ReturnType<typeof koffi.load>,
  device: bigint,
  address: (b: Uint8Array) => bigint,
): Adapter {
  const chained = (type: number, size: number, next?: Uint8Array) => {
    const bytes = new Uint8Array(size);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, type, true);
    if (next !== undefined) view.setBigUint64(8, address(next), true);
    return { bytes, view };
  };
  const driver = chained(structure.driver, 544);
  const properties = chained(structure.properties2, 840, driver.bytes);
  library.func("void vkGetPhysicalDeviceProperties2(uintptr_t device, void *properties)")(
    device,
    properties.bytes,
  );
  const float16 = chained(structure.float16, 24);
  const features = chained(structure.features2, 240, float16.bytes);
  library.func("void vkGetPhysicalDeviceFeatures2(uintptr_t device, void *features)")(device, features.bytes);
  const memory = new Uint8Array(520);
  library.func("void vkGetPhysicalDeviceMemoryProperties(uintptr_t device, void *memory)")(device, memory);
  const heaps = new DataView(memory.buffer);
  const sizes = Array.from({ length: heaps.getUint32(260, true) }, (_, i) => {
    const isLocal = (heaps.getUint32(272 + 16 * i, true) & 1) === 1;
    return isLocal ? Number(heaps.getBigUint64(264 + 16 * i, true)) : 0;
  });
  return {
    name: text(properties.bytes, 16 + 20, 256),
    driver: `${text(driver.bytes, 20, 256)} ${text(driver.bytes, 276, 256)}`.trim(),
    kind: kinds[properties.view.getUint32(16 + 16, true)] ?? "other",
    memoryBytes: Math.max(0, ...sizes),
    maxBufferBytes: properties.view.getUint32(16 + 296 + 28, true),
    float16: float16.view.getUint32(16, true) !== 0,
  };
}

/**
 * The GPUs that Vulkan knows, through its loader and koffi; null where it isn't asked: in a browser, on macOS, where ONNX Runtime uses Metal,
 * and where the loader or koffi isn't installed.
 *
 * @example
 * ```ts
 * const adapters = listAdapters(); // null where the runtime can't tell
 * adapters === null || Array.isArray(adapters); // => true
 * ```
 */
export function listAdapters(): Adapter[] | null {
  const node = (globalThis as { process?: NodeJS.Process }).process;
  const file = node?.versions?.node === undefined ? undefined : vulkanFiles[node.platform];
  if (node === undefined || file === undefined) return null;
  try {
    const ffi = node.getBuiltinModule("node:module").createRequire(import.meta.url)("koffi") as typeof koffi;
    const library = ffi.load(file);
    const address = (bytes: Uint8Array) => BigInt(ffi.address(bytes) as bigint);
    const application = new Uint8Array(48);
    new DataView(application.buffer).setUint32(44, version12, true);
    const info = new Uint8Array(64);
    const view = new DataView(info.buffer);
    view.setUint32(0, structure.instance, true);
    view.setBigUint64(24, address(application), true);
    const instance = new BigUint64Array(1);
    const made = library.func("int vkCreateInstance(void *info, uintptr_t allocator, void *instance)")(
      info,
      0n,
      instance,
    );
    // A loader without a driver makes no instance.
    if (made !== 0) return [];
    const destroy = library.func("void vkDestroyInstance(uintptr_t instance, uintptr_t allocator)");
    try {
      const list = library.func(
        "int vkEnumeratePhysicalDevices(uintptr_t instance, void *count, void *devices)",
      );
      const count = new Uint32Array(1);
      list(instance[0], count, null);
      const devices = new BigUint64Array(count[0]!);
      list(instance[0], count, devices);
      return Array.from(devices.subarray(0, count[0]), (device) => describe(library, device, address));
    } finally {
      destroy(instance[0], 0n);
    }
  } catch {
    return null;
  }
}
