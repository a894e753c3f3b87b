import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { writeFileAtomically } from "../data/index.ts";
import { CheckpointError } from "../errors.ts";
import type { SharedFiles } from "./sharedFiles.ts";

/** A folder that all machines have mounted. */
export class SharedFolder implements SharedFiles {
  readonly location: string;

  constructor(folder: string) {
    this.location = path.resolve(folder);
  }

  #guard<T>(body: () => T): T {
    try {
      return body();
    } catch (error) {
      throw new CheckpointError(`shared folder ${this.location}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  async put(name: string, file: string): Promise<void> {
    this.#guard(() => writeFileAtomically(path.join(this.location, name), readFileSync(file)));
  }

  async get(name: string, file: string): Promise<void> {
    this.#guard(() => copyFileSync(path.join(this.location, name), file));
  }

  async list(folder: string): Promise<string[]> {
    return this.#guard(() => {
      const directory = path.join(this.location, folder);
      if (!existsSync(directory)) return [];
      return readdirSync(directory, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && !entry.name.endsWith(".tmp"))
        .map((entry) =>
          path.relative(this.location, path.join(entry.parentPath, entry.name)).split(path.sep).join("/"),
        );
    });
  }

  async delete(name: string): Promise<void> {
    this.#guard(() => rmSync(path.join(this.location, name), { force: true }));
  }
}
