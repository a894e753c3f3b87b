// The @example blocks of docstrings as one program: each is a scope of its own in which all of "rotor" and jax-js can be named without an
// import, and `// => value` after a statement says what it gives. Numbers are compared to the digits that are written.
import path from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Names of jax-js that examples use. */
const jaxNames = ["grad", "jit", "jvp", "lax", "nn", "numpy as np", "random", "tree", "valueAndGrad", "vmap"];

export interface DocExample {
  /** Of the function that it explains. */
  readonly name: string;
  readonly file: string;
  /** Of its first line of code in the file, from 1. */
  readonly line: number;
  readonly code: string;
}

export interface DocExamples {
  readonly examples: readonly DocExample[];
  /** `file:line name` of exported functions and classes that have none. */
  readonly missing: readonly string[];
}

const lineOf = (file: ts.SourceFile, position: number) =>
  file.getLineAndCharacterOfPosition(position).line + 1;

/** Parsed once for all programs. */
const parsed = new Map<string, ts.SourceFile | undefined>();

/** The compiler's view of the sources, with one more file that lies nowhere. */
function createProgram(
  entries: readonly string[],
  extra?: readonly [file: string, text: string],
): ts.Program {
  const { config } = ts.readConfigFile(path.join(root, "tsconfig.json"), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  // Examples needn't use all that they declare.
  const all = { ...options, noUnusedLocals: false, noUnusedParameters: false };
  const host = ts.createCompilerHost(all);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (file) => file === extra?.[0] || fileExists(file);
  host.getSourceFile = (file, ...rest) => {
    if (file === extra?.[0]) return ts.createSourceFile(file, extra[1], rest[0], true);
    if (!parsed.has(file)) parsed.set(file, getSourceFile(file, ...rest));
    return parsed.get(file);
  };
  return ts.createProgram(entries, all, host);
}

function exportsOf(program: ts.Program, entry: string): readonly ts.Symbol[] {
  const checker = program.getTypeChecker();
  const file = program.getSourceFile(entry)!;
  return checker
    .getExportsOfModule(checker.getSymbolAtLocation(file)!)
    .map((symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol));
}

/** The code of a docstring's @example tags: what stands in fences, or all where there are none. */
function codeOf(tag: ts.JSDocTag, source: ts.SourceFile): { code: string; line: number } {
  const lines = source.text.slice(tag.pos, tag.end).split("\n");
  const first = lineOf(source, tag.pos);
  const plain = lines.map((line, i) =>
    (i === 0 ? line.replace(/^@example/, "") : line.replace(/^\s*\* ?/, "")).replace(/\*\/\s*$/, ""),
  );
  const open = plain.findIndex((line) => /^```ts\s*$/.test(line));
  if (open < 0) return { code: plain.join("\n"), line: first };
  const close = plain.findIndex((line, i) => i > open && /^```\s*$/.test(line));
  return { code: plain.slice(open + 1, close < 0 ? undefined : close).join("\n"), line: first + open + 1 };
}

/** All examples in the docstrings of what folders of `src` export, and the functions without one. */
export function readDocExamples(folders: readonly string[]): DocExamples {
  const entries = folders.map((folder) => path.join(root, "src", folder, "index.ts"));
  const program = createProgram(entries);
  const checker = program.getTypeChecker();
  const examples: DocExample[] = [];
  const missing: string[] = [];
  for (const entry of entries) {
    for (const symbol of exportsOf(program, entry)) {
      const declaration = symbol.declarations![0]!;
      const source = declaration.getSourceFile();
      const file = path.relative(root, source.fileName);
      const tags = ts.getJSDocTags(declaration).filter((tag) => tag.tagName.text === "example");
      for (const tag of tags) examples.push({ name: symbol.name, file, ...codeOf(tag, source) });
      const isCalled =
        (symbol.flags & ts.SymbolFlags.Class) !== 0 ||
        ((symbol.flags & ts.SymbolFlags.Value) !== 0 &&
          checker.getTypeOfSymbol(symbol).getCallSignatures().length > 0);
      if (isCalled && tags.length === 0)
        missing.push(`${file}:${lineOf(source, declaration.getStart())} ${symbol.name}`);
    }
  }
  return { examples, missing };
}

/** A statement with what it is said to give, as one that checks it. */
function checked({ name, file, line, code }: DocExample): string {
  const source = ts.createSourceFile("example.ts", code, ts.ScriptTarget.Latest, true);
  let text = "";
  let done = 0;
  let isChecked = /\bassert\b/.test(code);
  for (const statement of source.statements) {
    const said = (ts.getTrailingCommentRanges(code, statement.end) ?? [])
      .map(({ pos, end }) => /^\/\/ => (.*)$/.exec(code.slice(pos, end))?.[1])
      .find((each) => each !== undefined);
    text += code.slice(done, statement.getStart());
    done = statement.end;
    const own = code.slice(statement.getStart(), statement.end);
    if (ts.isImportDeclaration(statement)) continue;
    const place = JSON.stringify(`${file}:${line + lineOf(source, statement.getStart()) - 1}`);
    if (said === undefined) {
      text += own;
    } else if (ts.isExpressionStatement(statement)) {
      const expression = own.replace(/;$/, "");
      text += `$check(${expression}, ${JSON.stringify(said)}, ${place});`;
    } else if (ts.isVariableStatement(statement)) {
      const variable = statement.declarationList.declarations[0]!.name.getText();
      text += `${own} $check($kept(${variable}), ${JSON.stringify(said)}, ${place});`;
    } else {
      throw new Error(`${file}:${line} ${name}: "// =>" after what gives nothing`);
    }
    isChecked ||= said !== undefined;
  }
  if (!isChecked) throw new Error(`${file}:${line} ${name}: the example says nothing that can be checked`);
  return text + code.slice(done);
}

/** One program that runs all examples, prints a line for each that fails, and at the end how many ran. */
export function programOf(examples: readonly DocExample[]): string {
  const program = createProgram([path.join(root, "src/index.ts")]);
  const exported = exportsOf(program, path.join(root, "src/index.ts"));
  const words = new Set(examples.flatMap(({ code }) => code.match(/[A-Za-z_$][\w$]*/g) ?? []));
  const used = exported.filter(({ name }) => words.has(name) && !jaxNames.includes(name));
  const isValue = ({ flags }: ts.Symbol) => (flags & ts.SymbolFlags.Value) !== 0;
  const names = used.map((symbol) => (isValue(symbol) ? symbol.name : `type ${symbol.name}`));
  const bodies = examples.map(
    (example) =>
      `await $run(${JSON.stringify(`${example.file}:${example.line} ${example.name}`)}, async () => {\n${checked(example)}\n});`,
  );
  return `import assert from "node:assert/strict";
import { ${jaxNames.join(", ")} } from "@jax-js/jax";
import { ${[...new Set(names)].join(", ")} } from "rotor";
import { check as $check, kept as $kept, run as $run, summarize as $summarize } from "./scripts/checkExample.ts";
${bodies.join("\n")}
$summarize();
`;
}

/** What the compiler says against a program, with the places of the examples. */
export function typeErrors(text: string): string[] {
  const file = path.join(root, "docExamples.ts");
  const program = createProgram([file], [file, text]);
  const source = program.getSourceFile(file)!;
  const lines = text.split("\n");
  return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(
    ({ start, messageText }) => {
      const at = lineOf(source, start!);
      const example = lines.slice(0, at).findLast((line) => line.startsWith("await $run("));
      const place = /"(.*?)"/.exec(example ?? "")?.[1] ?? "imports";
      return `${place}: ${ts.flattenDiagnosticMessageText(messageText, " ")}\n    ${lines[at - 1]}`;
    },
  );
}
