import { optionalPeer } from "./optionalPeer.ts";
import type { SharedFiles } from "./sharedFiles.ts";
import { SharedFolder } from "./sharedFolder.ts";

/**
 * Opens shared files: a folder, or `s3://bucket/prefix` with the usual variables of the environment.
 *
 * @throws ConfigError if the URL or a variable can't be used
 */
export async function openSharedFiles(reference: string): Promise<SharedFiles> {
  if (!reference.startsWith("s3:")) return new SharedFolder(reference);
  const { SharedBucket } = await optionalPeer(
    "shared files in a bucket",
    ["aws4fetch"],
    () => import("./sharedBucket.ts"),
  );
  return new SharedBucket(reference, process.env);
}
