/** Whether the command runs from its sources, in a clone: there `npm run` finds it, and nothing is installed as `rotor`. */
const isClone = import.meta.url.endsWith(".ts");

/** How to call the command here, with these arguments: the one place that says it in suggestions. */
export function commandLine(rest: string): string {
  return `${isClone ? "npm run rotor --" : "rotor"} ${rest}`;
}
