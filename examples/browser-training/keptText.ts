const fileName = "text";

/** Keeps the visitor's text in the origin's private file system, for a resumed training. */
export async function keepText(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  const root = await navigator.storage.getDirectory();
  const target = await (await root.getFileHandle(fileName, { create: true })).createWritable();
  await target.write(bytes);
  await target.close();
}

/** The text that was kept, or null. */
export async function keptText(): Promise<Uint8Array<ArrayBuffer> | null> {
  const root = await navigator.storage.getDirectory();
  try {
    return new Uint8Array(await (await (await root.getFileHandle(fileName)).getFile()).arrayBuffer());
  } catch (error) {
    if ((error as Error).name === "NotFoundError") return null;
    throw error;
  }
}
