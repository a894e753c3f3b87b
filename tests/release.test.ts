import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { temporaryFolder } from "./command.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const files = ["package.json", "package-lock.json", "deploy/Dockerfile", "CHANGELOG.md"];

/** A repository with the files that a release touches. */
function repository(folder: string): (...args: string[]) => string {
  mkdirSync(path.join(folder, "deploy"));
  for (const file of files) cpSync(path.join(root, file), path.join(folder, file));
  const git = (...args: string[]) =>
    execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@b.example", ...args], {
      cwd: folder,
      encoding: "utf8",
    });
  git("init", "--quiet");
  git("add", "--all");
  git("commit", "--quiet", "--message", "start");
  return git;
}

const release = (folder: string, ...args: string[]) =>
  spawnSync(process.execPath, [path.join(root, "scripts/release.ts"), ...args], {
    cwd: folder,
    encoding: "utf8",
  });

test("a dry release says what it would write and leaves everything as it was", () => {
  using folder = temporaryFolder();
  const git = repository(folder.path);
  const [major, minor] = (
    JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as { version: string }
  ).version.split(".");
  const next = `${major}.${Number(minor) + 1}.0`;
  const { status, stdout, stderr } = release(folder.path, next, "--dry-run");
  assert.equal(status, 0, stderr);
  assert.match(
    stdout,
    new RegExp(`^would write version ${next} of \\d{4}-\\d\\d-\\d\\d into ${files.join(", ")}$`, "m"),
  );
  assert.equal(git("status", "--porcelain"), "");
  assert.equal(git("tag", "--list"), "");

  for (const [version, message] of [
    ["7.0.3", /expected the next after/],
    [`${major}.${Number(minor) + 1}.1`, /expected the next after/],
    ["new", /expected one such as/],
  ] as const) {
    const refused = release(folder.path, version, "--dry-run");
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, message);
  }
  git("tag", `v${next}`);
  assert.match(release(folder.path, next, "--dry-run").stderr, /tagged already/);
  git("tag", "--delete", `v${next}`);
  const changelog = path.join(folder.path, "CHANGELOG.md");
  writeFileSync(changelog, `${readFileSync(changelog, "utf8")}\nmore\n`);
  assert.match(release(folder.path, next, "--dry-run").stderr, /uncommitted changes/);
  writeFileSync(changelog, "# Changelog\n\n## Unreleased\n\n## 0.0.1 (2020-01-01)\n\n- old\n");
  git("commit", "--quiet", "--all", "--message", "empty");
  assert.match(release(folder.path, next, "--dry-run").stderr, /nothing stands under Unreleased/);
});
