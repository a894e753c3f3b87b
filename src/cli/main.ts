#!/usr/bin/env node
const required = 24;
if (Number.parseInt(process.versions.node, 10) < required) {
  process.stderr.write(
    `rotor: Node ${process.versions.node} is too old: expected Node ${required} or newer\n`,
  );
  process.exit(1);
}
// Loaded only now: older versions of Node can't even read these modules. What Node makes of them is kept in the system's temporary folder, which
// halves the time that a command takes to load.
const { enableCompileCache } = await import("node:module");
enableCompileCache();
const { runCommand } = await import("./program.ts");
process.exitCode = await runCommand(process.argv.slice(2));
