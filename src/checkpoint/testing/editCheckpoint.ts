import { readFileSync, writeFileSync } from "node:fs";

/** Numbers from 0 to 1, the same for the same seed. Source: mulberry32 (Tommy Ettinger). */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Edit = (bytes: Buffer, random: () => number) => Buffer;

const below = (random: () => number, end: number) => Math.floor(random() * end);

/** Places of numbers in a text. */
const numbersIn = (text: string) => [...text.matchAll(/-?\d+(\.\d+)?/g)];

/** Changes of any file. */
const byteEdits: Readonly<Record<string, Edit>> = {
  bit(bytes, random) {
    const copy = Buffer.from(bytes);
    copy[below(random, copy.length)]! ^= 1 << below(random, 8);
    return copy;
  },
  byte(bytes, random) {
    const copy = Buffer.from(bytes);
    copy[below(random, copy.length)] = below(random, 256);
    return copy;
  },
  cut: (bytes, random) => bytes.subarray(0, below(random, bytes.length)),
  append: (bytes, random) => Buffer.concat([bytes, Buffer.from([below(random, 256)])]),
  insert(bytes, random) {
    const at = below(random, bytes.length);
    return Buffer.concat([bytes.subarray(0, at), Buffer.from([below(random, 256)]), bytes.subarray(at)]);
  },
  leaveOut(bytes, random) {
    const at = below(random, bytes.length);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]);
  },
  exchange(bytes, random) {
    const copy = Buffer.from(bytes);
    const [a, b] = [below(random, copy.length), below(random, copy.length)];
    [copy[a], copy[b]] = [copy[b]!, copy[a]!];
    return copy;
  },
};

type Fields = Record<string, unknown>;

const ofFields =
  (change: (fields: Fields, random: () => number) => unknown): Edit =>
  (bytes, random) => {
    const fields = JSON.parse(bytes.toString()) as Fields;
    return Buffer.from(`${JSON.stringify(change(fields, random))}\n`);
  };
const anyKey = (fields: Fields, random: () => number) =>
  Object.keys(fields)[below(random, Object.keys(fields).length)]!;

/** Changes that leave a sidecar JSON. */
const sidecarEdits: Readonly<Record<string, Edit>> = {
  number(bytes, random) {
    const text = bytes.toString();
    const numbers = numbersIn(text);
    const { 0: old, index } = numbers[below(random, numbers.length)]!;
    const value = String(Number(old) * (1 + random()) + 1);
    return Buffer.from(text.slice(0, index) + value + text.slice(index + old.length));
  },
  sameNumber: (bytes) => Buffer.from(bytes.toString().replace(/:(\d+),/, ":$1.0,")),
  missing: ofFields((fields, random) => {
    delete fields[anyKey(fields, random)];
    return fields;
  }),
  extra: ofFields((fields) => ({ ...fields, extra: 1 })),
  twice(bytes, random) {
    const fields = JSON.parse(bytes.toString()) as Fields;
    const key = anyKey(fields, random);
    return Buffer.from(
      bytes.toString().replace("{", `{${JSON.stringify(key)}:${JSON.stringify(fields[key])},`),
    );
  },
  null: ofFields((fields, random) => ({ ...fields, [anyKey(fields, random)]: null })),
  order: ofFields((fields) => Object.fromEntries(Object.entries(fields).reverse())),
  spaces: (bytes) => Buffer.from(JSON.stringify(JSON.parse(bytes.toString()), null, 1)),
  escaped: (bytes) => Buffer.from(bytes.toString().replace("step", "\\u0073tep")),
  older: ofFields(({ seal: _, ...fields }) => ({ ...fields, version: 1 })),
  learningRate: (bytes) =>
    Buffer.from(bytes.toString().replace(/"learningRate":[\d.e-]+/, '"learningRate":9')),
  proto: (bytes) => Buffer.from(bytes.toString().replace("{", '{"__proto__":{"seal":1},')),
};

/**
 * Edits a checkpoint in many ways, one at a time, and puts it back.
 *
 * @param sidecar - path of the sidecar, with the tensors beside it
 * @param open - must throw for each edit
 * @returns the edits that were accepted
 */
export function editRounds(
  sidecar: string,
  open: () => unknown,
  { seed, count }: { readonly seed: number; readonly count: number },
): string[] {
  const random = randomNumbers(seed);
  const tensors = sidecar.replace(/json$/, "safetensors");
  const accepted: string[] = [];
  const edits = [
    ...Object.entries({ ...byteEdits, ...sidecarEdits }).map(([name, edit]) => ({
      name,
      edit,
      file: sidecar,
    })),
    ...Object.entries(byteEdits).map(([name, edit]) => ({ name, edit, file: tensors })),
  ];
  for (let done = 0; done < count; ) {
    const { name, edit, file } = edits[below(random, edits.length)]!;
    const whole = readFileSync(file);
    const edited = edit(whole, random);
    if (edited.equals(whole)) continue;
    done++;
    writeFileSync(file, edited);
    try {
      open();
      accepted.push(
        `${name} of ${file === sidecar ? "the sidecar" : "the tensors"}, edit ${done} of seed ${seed}`,
      );
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ROTOR_CHECKPOINT"))
        accepted.push(`${name}: foreign error ${String(error)}`);
    } finally {
      writeFileSync(file, whole);
    }
  }
  return accepted;
}
