import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { after } from "node:test";
import {
  loadCheckpoint,
  readSafetensors,
  type StoredTensor,
  writeSafetensors,
} from "../../checkpoint/index.ts";
import { ExchangeError } from "../../errors.ts";
import { exportHuggingFace, importRun, optimizerFile } from "../index.ts";
import { modelFolder, modelNames, weightsIn } from "../testing/modelFolder.ts";

const home = mkdtempSync(path.join(tmpdir(), "rotor-optimizer-state-"));
after(() => rmSync(home, { recursive: true }));

type Tensors = Map<string, StoredTensor>;

interface Group {
  readonly optimizer: string;
  readonly params: readonly string[];
  readonly [key: string]: unknown;
}

const adamw = { optimizer: "AdamW", lr: 0.01, betas: [0.9, 0.99], eps: 1e-8, weight_decay: 0 };
const muon = {
  optimizer: "Muon",
  lr: 0.02,
  weight_decay: 0.1,
  momentum: 0.75,
  nesterov: true,
  ns_coefficients: [3.4445, -4.775, 2.0315],
  eps: 1e-7,
  ns_steps: 5,
  adjust_lr_fn: "match_rms_adamw",
};

function writeState(tensors: Tensors, groups: readonly object[] | null): string {
  const file = path.join(home, "state.safetensors");
  const parts: Buffer[] = [];
  const metadata = groups === null ? {} : { optimizer: JSON.stringify(groups) };
  writeSafetensors(tensors, metadata, (bytes) => parts.push(Buffer.from(bytes)));
  writeFileSync(file, Buffer.concat(parts));
  return file;
}

const scalar = (value: number): StoredTensor => ({
  dtype: "float32",
  shape: [],
  data: Float32Array.of(value),
});

/** What the parameters of a model are, as means; and once more, squared, as mean squares. */
function stateOf(weights: Tensors, muons: readonly string[] = []): Tensors {
  const state: Tensors = new Map();
  for (const [name, tensor] of weights) {
    if (muons.includes(name)) {
      state.set(`${name}.momentum_buffer`, tensor);
      continue;
    }
    state.set(`${name}.exp_avg`, tensor);
    const squares = (tensor.data as Float32Array).map((value) => value * value);
    state.set(`${name}.exp_avg_sq`, { ...tensor, data: squares as Float32Array<ArrayBuffer> });
    state.set(`${name}.step`, scalar(7));
  }
  return state;
}

for (const name of modelNames)
  test(`moments of parameters lie where the parameters do, and go out bit by bit as they came: ${name}`, async () => {
    using folder = modelFolder(name);
    const weights = weightsIn(folder.path);
    const file = writeState(stateOf(weights), [{ ...adamw, params: [...weights.keys()] }]);
    const { run, step } = importRun(folder.path, { home, name: `of-${name}`, optimizer: file });
    assert.equal(step, 7);
    const { tensors } = loadCheckpoint(run.directory, 7);
    const parameters = [...tensors].filter(([own]) => own.startsWith("params."));
    for (const [own, { data }] of parameters) {
      const bare = own.slice("params.".length);
      assert.deepEqual(tensors.get(`optimizer.0.mu.${bare}`)!.data, data, bare);
      const squares = (data as Float32Array).map((value) => value * value);
      assert.deepEqual(tensors.get(`optimizer.0.nu.${bare}`)!.data, squares, bare);
    }
    assert.deepEqual(
      ["0", "2"].map((stage) => tensors.get(`optimizer.${stage}.count`)!.data[0]),
      [7, 7],
    );
    assert.equal(tensors.size, 3 * parameters.length + 2);

    const out = path.join(home, `out-${name}`);
    await exportHuggingFace(run.id, out, { home, optimizer: true });
    const again = readSafetensors(path.join(out, optimizerFile));
    const before = readSafetensors(file).tensors;
    const rename = (own: string) => own.replace("embed_out.weight", "lm_head.weight");
    const after = again.tensors;
    assert.deepEqual([...after.keys()].sort(), [...before.keys()].map(rename).sort());
    for (const [own, tensor] of before) assert.deepEqual(after.get(rename(own)), tensor, own);
    const groups = JSON.parse(again.metadata.optimizer!) as Group[];
    assert.deepEqual(
      groups.map(({ params, ...group }) => [group, [...params].sort()]),
      [[adamw, [...weights.keys()].map(rename).sort()]],
    );
  });

/** A model with Muon on its hidden matrices, and slower norms that don't decay. */
function mixture(weights: Tensors) {
  const names = [...weights.keys()];
  const isHidden = (name: string) => name.includes("proj");
  const isNorm = (name: string) => name.includes("norm");
  const muons = names.filter(isHidden);
  const groups: Group[] = [
    { ...muon, params: muons },
    { ...adamw, weight_decay: 0.3, params: names.filter((name) => !isHidden(name) && !isNorm(name)) },
    { ...adamw, lr: 0.005, params: names.filter(isNorm) },
  ];
  return { groups, muons };
}

test("Muon's average becomes a sum, and groups become options and rules", async () => {
  using folder = modelFolder("llama");
  const weights = weightsIn(folder.path);
  const { groups, muons } = mixture(weights);
  const file = writeState(stateOf(weights, muons), groups);
  const { run } = importRun(folder.path, { home, name: "mixture", optimizer: file });
  const config = run.config as { optimizer: unknown; parameters: { match: string }[] };
  const { b1, b2 } = { b1: 0.9, b2: 0.99 };
  assert.deepEqual(config.optimizer, {
    kind: "muon",
    learningRate: 0.02,
    weightDecay: 0.1,
    momentum: 0.75,
    nesterov: true,
    steps: 5,
    scale: "match-adamw-rms",
    coefficients: "keller-jordan",
    adamw: { learningRate: 0.01, weightDecay: 0.3, b1, b2, eps: 1e-8 },
  });
  assert.deepEqual(
    new Set(config.parameters.map(({ match, ...rule }) => JSON.stringify(rule))),
    new Set(['{"learningRateFactor":0.5}']),
  );
  assert.equal(config.parameters.length, 5);
  const { tensors } = loadCheckpoint(run.directory, 7);
  const up = tensors.get("params.blocks.1.mlp.up")!.data as Float32Array;
  const momentum = tensors.get("optimizer.0.muon.0.momentum.blocks.1.mlp.up")!.data;
  assert.deepEqual(
    momentum,
    up.map((value) => 4 * value),
  );
  const out = path.join(home, "mixture-out");
  await exportHuggingFace(run.id, out, { home, optimizer: true });
  const again = readSafetensors(path.join(out, optimizerFile));
  for (const [own, tensor] of stateOf(weights, muons)) assert.deepEqual(again.tensors.get(own), tensor, own);
  const sorted = (all: readonly Group[]) =>
    all
      .map(({ params, ...group }): Group => ({ ...group, params: [...params].sort() }) as Group)
      .sort((a, b) => Number(b.lr) - Number(a.lr));
  assert.deepEqual(sorted(JSON.parse(again.metadata.optimizer!)), sorted(groups));
});

test("a state that can't be gone on with is refused in one line that names what it is", () => {
  using folder = modelFolder("llama");
  const weights = weightsIn(folder.path);
  const names = [...weights.keys()];
  const refuses = (
    message: RegExp,
    change: {
      group?: object;
      groups?: readonly object[] | null;
      tensors?: (tensors: Tensors) => void;
      muons?: readonly string[];
    },
  ) => {
    const tensors = stateOf(weights, change.muons);
    change.tensors?.(tensors);
    const groups =
      change.groups === undefined ? [{ ...adamw, params: names, ...change.group }] : change.groups;
    assert.throws(
      () => importRun(folder.path, { home, name: "refused", optimizer: writeState(tensors, groups) }),
      (error: Error) => {
        assert.ok(error instanceof ExchangeError, error.stack);
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /\n/);
        return true;
      },
    );
  };
  const up = "model.layers.1.mlp.up_proj.weight";
  const others = names.filter((name) => name !== up);
  refuses(/has no "optimizer" in its metadata/, { groups: null });
  refuses(/expected a list of groups/, { groups: [] });
  refuses(/group 0: optimizer "Adagrad": expected one of Muon, AdamW$/, { group: { optimizer: "Adagrad" } });
  refuses(/group 0: amsgrad true: expected false/, { group: { amsgrad: true } });
  refuses(/group 0: maximize true: expected false/, { group: { maximize: true } });
  refuses(/group 0: lookahead 5: isn't known/, { group: { lookahead: 5 } });
  refuses(/group 0: lr missing: expected a number ≥ 0/, { group: { lr: undefined } });
  refuses(/group 0: betas \[0\.9\]: expected two numbers/, { group: { betas: [0.9] } });
  refuses(/up_proj\.weight": is in no group/, { group: { params: others } });
  refuses(/is in two groups/, { group: { params: [...names, up] } });
  refuses(/parameter "model\.layers\.2\.mlp": isn't of llama: it is another model's state/, {
    group: { params: [...names, "model.layers.2.mlp"] },
  });
  refuses(/up_proj\.weight": has no exp_avg_sq$/, { tensors: (own) => own.delete(`${up}.exp_avg_sq`) });
  refuses(/exp_avg is float32\[32,48\], expected float32\[48,32\]$/, {
    tensors: (own) => own.set(`${up}.exp_avg`, { ...own.get(`${up}.exp_avg`)!, shape: [32, 48] }),
  });
  refuses(/up_proj\.weight": step is 8, and 7 of others/, {
    tensors: (own) => own.set(`${up}.step`, scalar(8)),
  });
  refuses(/step is 0: expected a positive integer/, {
    tensors: (own) => own.set(`${names[0]}.step`, scalar(0)),
  });
  refuses(/tensor "model\.norm\.weight\.max_exp_avg_sq": is no state of Muon or AdamW/, {
    tensors: (own) => own.set("model.norm.weight.max_exp_avg_sq", own.get("model.norm.weight.exp_avg")!),
  });
  refuses(/exp_avg\[3\] is NaN: expected finite numbers/, {
    tensors: (own) => {
      const { shape, dtype } = own.get(`${up}.exp_avg`)!;
      const data = new Float32Array(48 * 32).fill(Number.NaN, 3, 4);
      own.set(`${up}.exp_avg`, { shape, dtype, data });
    },
  });
  refuses(/exp_avg_sq\[3\] is -1: expected finite numbers of at least 0/, {
    tensors: (own) => {
      const { shape, dtype } = own.get("model.norm.weight.exp_avg_sq")!;
      own.set("model.norm.weight.exp_avg_sq", { shape, dtype, data: new Float32Array(32).fill(-1, 3, 4) });
    },
  });
  const two = (one: object, other: object) => ({
    groups: [
      { ...adamw, params: others, ...one },
      { ...adamw, params: [up], ...other },
    ],
  });
  refuses(/groups of AdamW: b2 0\.99 and 0\.9: expected one of all/, two({}, { betas: [0.9, 0.9] }));
  refuses(/groups of AdamW: weight_decay 0\.1 and 0\.2/, two({ weight_decay: 0.1 }, { weight_decay: 0.2 }));
  refuses(/groups of AdamW: lr 0 and 0\.01/, two({}, { lr: 0 }));
  // Muon on what is AdamW's here, or the other way.
  const { groups, muons } = mixture(weights);
  const [ofMuon, ofRest, ofNorms] = groups as [Group, Group, Group];
  refuses(/"model\.embed_tokens\.weight": is Muon's, and adamw's here: it is embedding table/, {
    groups: [{ ...ofMuon, params: [...muons, ...ofRest.params] }, ofNorms],
    muons: [...muons, ...ofRest.params],
  });
  refuses(/adjust_lr_fn "cubic": expected original or match_rms_adamw or spectral_unclamped/, {
    groups: [{ ...ofMuon, adjust_lr_fn: "cubic" }, ofRest, ofNorms],
    muons,
  });
  refuses(/ns_coefficients \[1,2\]: expected three numbers/, {
    groups: [{ ...ofMuon, ns_coefficients: [1, 2] }, ofRest, ofNorms],
    muons,
  });
});

test("Muon on matrices that are several here is refused", () => {
  using folder = modelFolder("gpt2");
  const weights = weightsIn(folder.path);
  const names = [...weights.keys()];
  const isHidden = (name: string) => /h\.\d.*weight/.test(name) && weights.get(name)!.shape.length === 2;
  const muons = names.filter(isHidden);
  const groups = [
    { ...muon, params: muons },
    { ...adamw, params: names.filter((name) => !isHidden(name)) },
  ];
  const file = writeState(stateOf(weights, muons), groups);
  assert.throws(
    () => importRun(folder.path, { home, optimizer: file }),
    /c_attn\.weight": is one matrix to torch\.optim\.Muon, and .*wq, .*wk, .*wv here/,
  );
});

test("pickles are never loaded, and a damaged file is named", () => {
  using folder = modelFolder("arcee");
  const refuses = (name: string, bytes: Uint8Array, message: RegExp) => {
    const file = path.join(home, name);
    writeFileSync(file, bytes);
    assert.throws(() => importRun(folder.path, { home, optimizer: file }), message);
  };
  const zip = Uint8Array.of(0x50, 0x4b, 3, 4, 20, 0, 0, 0, 0, 0);
  refuses("state.safetensors", zip, /is a pickle of PyTorch, whose loading runs code: expected safetensors/);
  refuses("state.pt", Uint8Array.of(1, 2, 3), /state\.pt: is a pickle of PyTorch/);
  refuses("short.safetensors", Uint8Array.of(9, 9), /shorter than 8 bytes/);
  const missing = path.join(home, "missing.safetensors");
  assert.throws(
    () => importRun(folder.path, { home, optimizer: missing }),
    /missing\.safetensors: no such file/,
  );
});
