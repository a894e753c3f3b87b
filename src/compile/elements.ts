/** Element buffers of arrays in the engine; booleans are bytes. */
export type EngineData =
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>;

/** Elements in the memory of a device; what reads them gets a copy. */
export abstract class DeviceBuffer {
  abstract readonly byteLength: number;

  /**
   * A copy of the elements in host memory. Waits for the device.
   *
   * @throws EngineError where the device can only be read asynchronously (a browser): {@link load} does it there
   */
  abstract read(): EngineData;

  /** As {@link read}, for every device. */
  abstract load(): Promise<EngineData>;

  /** Gives the memory back; the buffer can't be used afterwards. */
  abstract dispose(): void;
}

/** Elements of an array of the engine, in host memory or on a device. */
export type Elements = EngineData | DeviceBuffer;

/** The elements in host memory: themselves, or a copy of what is on a device. */
export function hostData(elements: Elements): EngineData {
  return elements instanceof DeviceBuffer ? elements.read() : elements;
}
