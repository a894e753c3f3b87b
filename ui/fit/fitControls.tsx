import { columnOptions } from "../../src/cli/readOptions.ts";
import type { SweepField } from "../../src/scaling/index.ts";
import { texts, useText } from "../core/text.ts";
import { Choice } from "../parts/choice.tsx";
import { Field } from "../parts/field.tsx";
import type { FitFlags } from "./fitFlags.ts";

const words = texts({
  en: {
    fields: {
      learningRate: "Learning rate",
      batchSize: "Batch size",
      loss: "Loss",
      epsilon: "Epsilon",
      steps: "Steps",
      tokens: "Tokens",
      seed: "Seed",
      weightDecay: "Weight decay",
      standardError: "Standard error",
    } satisfies Record<SweepField, string>,
    fieldHint: "column or formula",
    at: "At batch sizes",
    atHint: "512 1024",
    atGroupsHint: "N=1e9,batch=512",
    by: "Groups",
    byHint: "N,D",
    where: "Rows",
    whereHint: "optimizer=adamw; seed!=3",
    best: "Better is",
    directions: { name: "as the name says", minimize: "smaller", maximize: "larger" },
    more: "More options",
    history: "Row of a run",
    histories: { auto: "as it is found", last: "last", best: "best", mean: "mean", rows: "each" },
    run: "Column of the run",
    finished: "Words of those that finished",
    decimal: "Decimal sign",
    signs: { auto: "as it is found", ".": ".", ",": "," },
  },
  zh: {
    fields: {
      learningRate: "学习率",
      batchSize: "批量",
      loss: "损失",
      epsilon: "ε",
      steps: "步数",
      tokens: "词元数",
      seed: "种子",
      weightDecay: "权重衰减",
      standardError: "标准误差",
    },
    fieldHint: "列名或公式",
    at: "批量为",
    atHint: "512 1024",
    atGroupsHint: "N=1e9,batch=512",
    by: "分组",
    byHint: "N,D",
    where: "行",
    whereHint: "optimizer=adamw; seed!=3",
    best: "更好",
    directions: { name: "依名称", minimize: "更小", maximize: "更大" },
    more: "更多选项",
    history: "训练的行",
    histories: { auto: "自动", last: "最后", best: "最佳", mean: "平均", rows: "每一行" },
    run: "训练所在列",
    finished: "表示已完成的词",
    decimal: "小数点",
    signs: { auto: "自动", ".": ".", ",": "," },
  },
});

const split = (text: string, between: RegExp) =>
  text
    .split(between)
    .map((part) => part.trim())
    .filter((part) => part !== "");

type Change = (flags: FitFlags) => void;

/** The flags with one of them changed; an empty one is left out. */
function changed<Name extends keyof FitFlags>(
  flags: FitFlags,
  name: Name,
  value: FitFlags[Name] | undefined,
): FitFlags {
  const { [name]: _, ...others } = flags;
  return (value === undefined ? others : { ...others, [name]: value }) as FitFlags;
}

/** Where to predict. */
export function PlacesField({ flags, onChange }: { readonly flags: FitFlags; readonly onChange: Change }) {
  const t = useText(words);
  const isGrouped = (flags.by ?? []).length > 0;
  return (
    <Field
      label={`${t.at} (--at)`}
      value={flags.at.join(" ")}
      hint={isGrouped ? t.atGroupsHint : t.atHint}
      onChange={(text) => onChange({ ...flags, at: split(text, isGrouped ? /[\s;]+/ : /[\s;,]+/) })}
    />
  );
}

const firstFields: readonly SweepField[] = ["learningRate", "batchSize", "loss"];
const otherFields = (Object.keys(columnOptions) as SweepField[]).filter(
  (field) => !firstFields.includes(field),
);

/** What a fit may have to be told of a table: the options that its refusals and notes name. */
export function FitControls({
  flags,
  columns,
  onChange,
}: {
  readonly flags: FitFlags;
  /** Of the table, to choose from. */
  readonly columns: readonly string[];
  readonly onChange: Change;
}) {
  const t = useText(words);
  const set = <Name extends keyof FitFlags>(name: Name, value: FitFlags[Name] | undefined) =>
    onChange(changed(flags, name, value));
  const orNone = (text: string) => (text === "" ? undefined : text);
  const listOrNone = (list: readonly string[]) => (list.length === 0 ? undefined : list);
  const fieldOf = (field: SweepField) => {
    const [option, flag] = columnOptions[field];
    return (
      <Field
        key={field}
        label={`${t.fields[field]} (${option})`}
        value={flags[flag] ?? ""}
        hint={t.fieldHint}
        list="columns"
        onChange={(text) => set(flag, orNone(text))}
      />
    );
  };
  const direction = flags.maximize === true ? "maximize" : flags.minimize === true ? "minimize" : "name";
  return (
    <>
      <datalist id="columns">
        {columns.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <div class="controls">
        {firstFields.map(fieldOf)}
        <Choice
          label={`${t.best} (--minimize, --maximize)`}
          value={direction}
          names={["name", "minimize", "maximize"]}
          wordOf={(name) => t.directions[name]}
          onChange={(name) => {
            const { minimize: _, maximize: __, ...others } = flags;
            onChange(name === "name" ? others : { ...others, [name]: true });
          }}
        />
        <Field
          label={`${t.where} (--where)`}
          value={flags.where.join("; ")}
          hint={t.whereHint}
          onChange={(text) => set("where", split(text, /;/))}
        />
        <Field
          label={`${t.by} (--by)`}
          value={(flags.by ?? []).join(",")}
          hint={t.byHint}
          list="columns"
          onChange={(text) => set("by", listOrNone(split(text, /,/)))}
        />
        <PlacesField flags={flags} onChange={onChange} />
      </div>
      <details>
        <summary>{t.more}</summary>
        <div class="controls">
          {otherFields.map(fieldOf)}
          <Choice
            label={`${t.history} (--history)`}
            value={flags.history ?? "auto"}
            names={["auto", "last", "best", "mean", "rows"]}
            wordOf={(name) => t.histories[name]}
            onChange={(name) => set("history", name === "auto" ? undefined : name)}
          />
          <Field
            label={`${t.run} (--run)`}
            value={flags.run ?? ""}
            list="columns"
            onChange={(text) => set("run", orNone(text))}
          />
          <Field
            label={`${t.finished} (--finished)`}
            value={(flags.finished ?? []).join(",")}
            onChange={(text) => set("finished", listOrNone(split(text, /,/)))}
          />
          <Choice
            label={`${t.decimal} (--decimal)`}
            value={flags.decimal ?? "auto"}
            names={["auto", ".", ","]}
            wordOf={(name) => t.signs[name]}
            onChange={(name) => set("decimal", name === "auto" ? undefined : name)}
          />
        </div>
      </details>
    </>
  );
}
