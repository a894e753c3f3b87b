/** Names whose number may follow without a sign between: `lr0.01`, `bs32`. */
const short = "lr|learning_rate|bs|batch|batch_size|batchsize|seed|wd|weight_decay|eps";

/**
 * Settings that the names of files and folders hold: `lr=0.01_bs=32/metrics.csv`, `lr0.01-bs32.csv`. The last one of a name counts.
 */
export function settingsInName(path: string): Record<string, string> {
  const settings: Record<string, string> = {};
  const plain = path.replace(/\.(csv|tsv|txt|json|jsonl|ndjson|gz|log)(?=$|\.)/gi, "");
  for (const [, name, value] of plain.matchAll(
    /(?:^|[/\\_,;\s.-])([A-Za-z][A-Za-z0-9]*(?:_[A-Za-z][A-Za-z0-9]*)*)=([^/\\,;\s_]+?)(?=[/\\,;\s_]|-[A-Za-z]|$)/g,
  ))
    settings[name!] = value!;
  for (const [, name, value] of plain.matchAll(
    new RegExp(
      `(?:^|[/\\\\_,;\\s.-])(${short})[_-]?(\\d+(?:\\.\\d+)?(?:e-?\\d+)?)(?=[/\\\\,;\\s_-]|$)`,
      "gi",
    ),
  ))
    settings[name!] ??= value!;
  return settings;
}
