import { lastPart, nameForms, normalizedName } from "./columnName.ts";
import { batchFactors, fields, modelParallel } from "./fields.ts";
import type { FieldSource } from "./findFields.ts";
import { holdsNumbers } from "./findFields.ts";
import type { SayMend } from "./mend.ts";
import type { Column } from "./table.ts";

/** The batch of one update as a product of columns. */
export interface EffectiveBatch {
  readonly times: readonly Column[];
  readonly over: readonly Column[];
  readonly unit: "sequences" | "tokens";
}

/** The names that a column may go by, of a path its last part too: `config.data.n_gpus`. */
const formsOf = (column: Column) => [...nameForms(column.name, "parameter"), lastPart(column.name)];

const groupOf = (column: Column) => {
  const forms = formsOf(column);
  return fields.batchSize.names.findIndex((names) =>
    forms.some((form) => (names as readonly string[]).includes(form)),
  );
};

export const isTokens = (name: string) => /(^|_)(tokens?|toks)(_|$)/.test(normalizedName(name));

/**
 * What the batch of one update is, all devices and accumulated steps together: a column that says so as it stands, else the batch of one
 * device times whatever columns speak of accumulation and devices.
 */
export function effectiveBatch(
  source: FieldSource,
  columns: readonly Column[],
  say: SayMend,
  notes: string[],
): EffectiveBatch {
  const unit = isTokens(source.name) ? "tokens" : "sequences";
  const column = source.columns[0]!;
  const found = (names: readonly string[]) => {
    for (const name of names) {
      const match = columns.find(
        (candidate) => candidate !== column && formsOf(candidate).includes(name) && holdsNumbers(candidate),
      );
      if (match !== undefined) return match;
    }
    return null;
  };
  const varying = (candidate: Column | null) =>
    candidate?.numbers().some((value) => value !== 1 && !Number.isNaN(value)) ?? false;
  const [accumulation, devices, perNode, nodes] = batchFactors.map(({ names }) => found(names));
  let times: Column[] = [];
  let over: Column[] = [];
  if (varying(accumulation!)) times.push(accumulation!);
  if (perNode !== null && devices === null)
    times.push(...[perNode!, nodes!].filter((factor) => varying(factor)));
  else if (devices !== null) {
    if (varying(devices!)) times.push(devices!);
    const name = lastPart(devices!.name);
    // Lightning's and Slurm's count of devices is that of one node.
    if (/(devices|gpus?)$/.test(name) && !/world|total/.test(name) && varying(nodes!)) times.push(nodes!);
    if (/world_size|num_gpus|n_gpus|gpus$|num_processes/.test(name))
      over = modelParallel.flatMap((wanted) => {
        const match = columns.find(
          (candidate) => normalizedName(candidate.name) === wanted || formsOf(candidate).includes(wanted),
        );
        return match !== undefined && varying(match) ? [match] : [];
      });
  }
  const factors = [...times, ...over].map(({ name }) => JSON.stringify(name));
  if (source.expression !== null) return { times: [], over: [], unit };
  const group = groupOf(column);
  const perDevice = group === 3;
  if (source.given || group === 0 || group === 2) {
    if (source.given && factors.length > 0)
      notes.push(
        `the batch size is ${JSON.stringify(source.name)} as it stands: ${factors.join(", ")} ${factors.length === 1 ? "isn't" : "aren't"} counted`,
      );
    times = [];
    over = [];
  } else if (times.length > 0) {
    const product = [column, ...times].map(({ name }) => JSON.stringify(name)).join(" × ");
    notes.push(
      `the effective batch size is ${product}${over.length > 0 ? ` / ${over.map(({ name }) => JSON.stringify(name)).join(" / ")}` : ""}; if ${JSON.stringify(column.name)} is that of an update already: ${say({ kind: "column", field: "batchSize", column: column.name })}`,
    );
  } else if (perDevice)
    notes.push(
      `${JSON.stringify(source.name)} is the batch size of one device, and no column tells the devices or accumulated steps: if there were several, ${say({ kind: "column", field: "batchSize", column: `${quoted(source.name)}*8` })}`,
    );
  return { times, over: times.length > 0 ? over : [], unit };
}

const quoted = (name: string) => (/^[\p{L}_][\p{L}\p{N}_]*$/u.test(name) ? name : `\`${name}\``);
