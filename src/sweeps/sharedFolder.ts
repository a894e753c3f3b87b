import { copyFileSync, existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { writeFileAtomically } from "../data/index.ts";
import { CheckpointError } from "../errors.ts";
import { insidePath, removeInside } from "../runs/index.ts";
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
    this.#guard(() => writeFileAtomically(insidePath(this.location, name), readFileSync(file)));
  }

  async get(name: string, file: string): Promise<void> {
    this.#guard(() => copyFileSync(insidePath(this.location, name), file));
  }

  async list(folder: string): Promise<string[]> {
    return this.#guard(() => {
      const directory = insidePath(this.location, folder.replace(/\/$/, ""));
      if (!existsSync(directory)) return [];
      return readdirSync(directory, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && !entry.name.endsWith(".tmp"))
        .map((entry) =>
          path.relative(this.location, path.join(entry.parentPath, entry.name)).split(path.sep).join("/"),
        );
    });
  }

  async delete(name: string): Promise<void> {
    this.#guard(() => removeInside(this.location, name));
  }
}
