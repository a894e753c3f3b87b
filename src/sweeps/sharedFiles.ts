/**
 * Files by name, in a place that all machines reach. A file appears whole or not at all.
 *
 * Names have parts with slashes between; implementations throw a CheckpointError that names the place.
 */
export interface SharedFiles {
  /** For people; without credentials. */
  readonly location: string;
  /** Copies a local file. */
  put(name: string, file: string): Promise<void>;
  /** Copies to a local file. */
  get(name: string, file: string): Promise<void>;
  /** All names in a folder, which ends with a slash. */
  list(folder: string): Promise<string[]>;
  delete(name: string): Promise<void>;
}
