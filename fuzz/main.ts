// Long runs of the borders: npm run fuzz -- [--border NAME] [--runs N] [--seed N] [--seconds N]
import path from "node:path";
import { parseArgs } from "node:util";
import { answer } from "./answer.ts";
import { borderModule, borderNames, loadBorder } from "./border.ts";
import { keepInCorpus, readCorpus } from "./corpus.ts";
import { hunt } from "./hunt.ts";

const names = borderNames();
const { values } = parseArgs({
  options: {
    border: { type: "string", multiple: true, default: names },
    runs: { type: "string", default: "20000" },
    seed: { type: "string", default: `${Date.now() % 2 ** 31}` },
    seconds: { type: "string", default: "120" },
  },
});
const whole = (name: "runs" | "seed" | "seconds", least: number) => {
  const value = Number(values[name]);
  if (Number.isSafeInteger(value) && value >= least) return value;
  process.stderr.write(`fuzz: --${name} ${values[name]}: expected a whole number, ${least} or more\n`);
  process.exit(2);
};
const [runs, seed, seconds] = [whole("runs", 1), whole("seed", 0), whole("seconds", 1)];
const unknown = values.border.find((name) => !names.includes(name));
if (unknown !== undefined) {
  process.stderr.write(`fuzz: --border ${unknown}: expected one of ${names.join(", ")}\n`);
  process.exit(2);
}

process.stdout.write(`seed ${seed}; up to ${runs} inputs and ${seconds} s for each border\n`);
for (const name of values.border) {
  const module = borderModule(name);
  const border = await loadBorder(module);
  process.stdout.write(`\n${name}: held by ${border.oracle}\n`);
  const corpus = readCorpus(name);
  let returned = 0;
  for (const { file, input } of corpus) {
    const given = await answer(border, input);
    if (!("what" in given)) continue;
    returned++;
    process.stdout.write(`  again    ${path.relative(".", file)}: ${given.what}\n`);
  }
  const { right, refused, finds, repeats, peakMegabytes } = await hunt(module, { runs, seed, seconds });
  const count = (kind: string) => finds.filter((find) => find.kind === kind).length;
  process.stdout.write(
    `  ${right} right, ${refused} refused; ${count("wrong answer")} wrong answers, ${count("foreign error")} foreign errors, ` +
      `${count("hang")} hangs, ${count("memory")} for memory (causes; ${repeats} more inputs of these); ` +
      `${returned} of ${corpus.length} in the corpus again; memory +${peakMegabytes.toFixed(0)} MB\n`,
  );
  for (const { kind, what, input } of finds) {
    const file = keepInCorpus(name, `${kind}: ${what}`, input);
    process.stdout.write(`  ${kind.padEnd(8)} ${what}\n           kept in ${path.relative(".", file)}\n`);
  }
  if (returned + finds.length > 0) process.exitCode = 1;
}
