import { defaultDevice, init } from "@jax-js/jax";
import { encodeModelFile, OriginCheckpoints } from "rotor/browser";
import type { Device } from "rotor/compile";
import { keepText, keptText } from "./keptText.ts";
import { modelOptions, type Options, Training } from "./training.ts";

/** Steps between two checkpoints; leaving the page loses no more. */
const checkpointEvery = 25;

interface About {
  readonly options: Options;
  readonly losses: readonly number[];
}

const element = <T extends Element>(id: string) => document.getElementById(id) as unknown as T;
const input = (id: string) => element<HTMLInputElement>(id);
const button = (id: string) => element<HTMLButtonElement>(id);
const names = ["numLayers", "modelDim", "numHeads", "length", "batchSize", "learningRate"] as const;

let text: Uint8Array<ArrayBuffer> | null = null;
let training: Training | null = null;
let options: Options | null = null;
let losses: number[] = [];
let isPaused = true;
let isBusy = false;

const checkpoints = await OriginCheckpoints.open("browser-training", { warn: say });
const last = await checkpoints.latest();

function say(message: string): void {
  element("problem").textContent = message;
}

function show(status: string): void {
  element("status").textContent = status;
  const points = losses.map((loss, i) => `${(100 * i) / Math.max(1, losses.length - 1)},${100 - 16 * loss}`);
  document.querySelector("#curve polyline")!.setAttribute("points", points.join(" "));
  const hasStarted = losses.length > 0;
  button("start").disabled = text === null || !isPaused || isBusy;
  button("pause").disabled = isPaused;
  for (const id of ["sample", "export"]) button(id).disabled = training === null || !isPaused || isBusy;
  button("forget").disabled = !hasStarted || !isPaused || isBusy;
  // A model of another size is another training.
  element<HTMLFieldSetElement>("options").disabled = hasStarted;
}

/** Runs what a button does; one at a time, and what goes wrong is said. */
async function act(work: () => Promise<void>): Promise<void> {
  if (isBusy) return;
  isBusy = true;
  say("");
  try {
    await work();
  } catch (error) {
    isPaused = true;
    say((error as Error).message);
  } finally {
    isBusy = false;
    show(element("status").textContent ?? "");
  }
}

async function save(): Promise<void> {
  const about: About = { options: options!, losses };
  await checkpoints.save(training!.numSteps, await training!.state(), about);
}

async function train(): Promise<void> {
  const target = Number(input("steps").value);
  const device = element<HTMLSelectElement>("device").value as Device;
  isPaused = false;
  if (training === null) {
    show("Preparing: tracing the step, making kernels …");
    options ??= Object.fromEntries(
      names.map((name) => [name, Number(input(name).value)]),
    ) as unknown as Options;
    training = await Training.begin(text!, options, device, last);
    losses.length = training.numSteps;
  }
  let saved = training.numSteps;
  while (!isPaused && training.numSteps < target) {
    losses.push(await training.advance());
    const { numSteps } = training;
    show(`Step ${numSteps}: loss ${losses.at(-1)!.toFixed(3)} nats per byte`);
    if (numSteps % checkpointEvery === 0) {
      await save();
      saved = numSteps;
    }
  }
  if (saved !== training.numSteps) await save();
  isPaused = true;
  show(`Paused at step ${training.numSteps}: loss ${losses.at(-1)?.toFixed(3)} nats per byte, saved`);
}

async function take(file: File): Promise<void> {
  if (losses.length > 0) throw new Error("forget the training before you begin another");
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (bytes.length === 0) throw new Error(`${file.name}: is empty`);
  await keepText(bytes);
  text = bytes;
  show(`${file.name}: ${text.length} bytes`);
}

async function sample(): Promise<void> {
  const prompt = input("prompt").value;
  const output = element<HTMLPreElement>("text");
  output.textContent = prompt;
  for await (const piece of training!.sample(prompt, Number(input("temperature").value)))
    output.append(piece);
  output.dataset.done = "true";
}

async function exportModel(): Promise<void> {
  const { params } = await training!.state();
  const about = {
    name: "browser-training",
    step: training!.numSteps,
    model: modelOptions(options!),
    tokenizer: "bytes",
  };
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(await encodeModelFile(about, params)));
  link.download = "model.safetensors";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

async function forget(): Promise<void> {
  await training?.dispose();
  await checkpoints.remove();
  location.reload();
}

// Parameters are drawn on jax-js's own CPU kernels, so that every device begins with the same ones.
await init("wasm");
defaultDevice("wasm");
text = await keptText();
if (last !== null) {
  const about = last.about as About;
  options = about.options;
  losses = [...about.losses];
  for (const name of names) input(name).value = String(options[name]);
}
button("start").onclick = () => act(train);
button("pause").onclick = () => {
  isPaused = true;
};
button("sample").onclick = () => act(sample);
button("export").onclick = () => act(exportModel);
button("forget").onclick = () => act(forget);
input("file").onchange = () => act(() => take(input("file").files![0]!));
const drop = element<HTMLElement>("drop");
drop.ondragover = (event) => {
  event.preventDefault();
  drop.classList.add("over");
};
drop.ondragleave = () => drop.classList.remove("over");
drop.ondrop = (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  const file = event.dataTransfer?.files[0];
  if (file !== undefined) void act(() => take(file));
};
show(
  last === null
    ? text === null
      ? "No text yet."
      : `A text of ${text.length} bytes.`
    : `Saved at step ${last.step}: start goes on from there.`,
);
