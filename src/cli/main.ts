#!/usr/bin/env node
const required = 24;
if (Number.parseInt(process.versions.node, 10) < required) {
  process.stderr.write(
    `rotor: Node ${process.versions.node} is too old: expected Node ${required} or newer\n`,
  );
  process.exit(1);
}
// Loaded only now: older versions of Node can't even read these modules. What Node makes of them is kept, which halves the time that a command
// takes to load: in a folder of the person's own, as others may write in the system's temporary one.
const [{ enableCompileCache }, { homedir }, path] = await Promise.all([
  import("node:module"),
  import("node:os"),
  import("node:path"),
]);
const { XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
enableCompileCache(
  path.join(XDG_CACHE_HOME || LOCALAPPDATA || path.join(homedir(), ".cache"), "rotor", "compiled"),
);
const { runCommand } = await import("./program.ts");
process.exitCode = await runCommand(process.argv.slice(2));
