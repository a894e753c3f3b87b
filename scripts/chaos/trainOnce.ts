// A process that trains a run, or goes on with the latest, and says each step: what `trainings.ts` kills.
import { trainRun } from "../../src/train/index.ts";
import { chaosConfig } from "./chaosConfig.ts";

const [home, how] = process.argv.slice(2) as [string, "new" | "resume"];
await trainRun({
  ...(how === "resume" ? { resume: "latest" } : { config: chaosConfig(home) }),
  home,
  reporter: {
    step: ({ step }) => console.log(step),
    note: (message) => console.error(message),
  },
});
