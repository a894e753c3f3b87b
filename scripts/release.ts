// Makes a release: npm run release -- 0.2.0 [--dry-run]. Checks, writes the version and the date, tests, packs, commits and tags; what is
// published is left to a person (npm publish, git push --follow-tags). A dry run says what it would do and leaves everything as it was.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { "dry-run": { type: "boolean", default: false } },
});
const isDry = values["dry-run"];
const [next] = positionals;

function stop(reason: string): never {
  process.stderr.write(`release: ${reason}\n`);
  process.exit(1);
}

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: "utf8", shell: process.platform === "win32" }).trim();
}

const parts = (version: string): number[] =>
  /^(\d+)\.(\d+)\.(\d+)$/.exec(version)?.slice(1).map(Number) ?? [];

/** Whether a version is one step after another: one part greater by one, and those behind it zero. */
function follows(after: readonly number[], before: readonly number[]): boolean {
  const place = after.findIndex((part, i) => part !== before[i]);
  return (
    place >= 0 && after[place] === before[place]! + 1 && after.slice(place + 1).every((part) => part === 0)
  );
}

const manifest = readFileSync("package.json", "utf8");
const { version: current } = JSON.parse(manifest) as { version: string };
if (next === undefined || parts(next).length !== 3)
  stop(`version "${next ?? ""}": expected one such as ${current}`);
if (next !== current && !follows(parts(next), parts(current)))
  stop(`version ${next}: expected the next after ${current} in semantic versioning`);
if (run("git", "status", "--porcelain") !== "") stop("there are uncommitted changes");
if (run("git", "tag", "--list", `v${next}`) !== "") stop(`v${next} is tagged already`);

const changelog = readFileSync("CHANGELOG.md", "utf8");
const unreleased = /^## Unreleased\n([\s\S]*?)(?=^## |$(?![\s\S]))/m.exec(changelog)?.[1] ?? "";
if (!/^- /m.test(unreleased)) stop("CHANGELOG.md: nothing stands under Unreleased");

const date = new Date().toISOString().slice(0, 10);
const replaced = (file: string, from: string, to: string): readonly [string, string] => {
  const text = readFileSync(file, "utf8");
  if (!text.includes(from)) stop(`${file}: expected "${from}" in it`);
  return [file, text.replace(from, to)];
};
const edits = [
  replaced("package.json", `"version": "${current}"`, `"version": "${next}"`),
  replaced("package-lock.json", `"version": "${current}"`, `"version": "${next}"`),
  replaced("deploy/Dockerfile", `rotor@${current}`, `rotor@${next}`),
  replaced("CHANGELOG.md", "## Unreleased\n", `## Unreleased\n\n## ${next} (${date})\n`),
];
process.stdout.write(
  `${isDry ? "would write" : "writing"} version ${next} of ${date} into ${edits.map(([file]) => file).join(", ")}\n`,
);
if (isDry) {
  process.stdout.write(`would then run the tests, pack, commit and tag v${next}\n`);
  process.exit(0);
}
for (const [file, text] of edits) writeFileSync(file, text);
try {
  execFileSync("npm", ["test"], { stdio: "inherit", shell: process.platform === "win32" });
  const [packed] = JSON.parse(run("npm", "pack", "--json")) as [{ filename: string; files: unknown[] }];
  process.stdout.write(`packed ${packed.filename}: ${packed.files.length} files\n`);
} catch (error) {
  run("git", "checkout", "--", ...edits.map(([file]) => file));
  stop(`nothing is released, and the files are as they were: ${(error as Error).message.split("\n")[0]}`);
}
run("git", "commit", "--all", "--message", `Version ${next}`);
run("git", "tag", "--annotate", `v${next}`, "--message", `Version ${next}`);
process.stdout.write(`committed and tagged v${next}; now: npm publish, git push --follow-tags\n`);
