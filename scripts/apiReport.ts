// What each entry of the package exports, with signatures and without comments: a change of the public surface shows as a change of these
// texts.
import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const root = fileURLToPath(new URL("..", import.meta.url));
const printer = ts.createPrinter({ removeComments: true, newLine: ts.NewLineKind.LineFeed });
/** Of a value's type; a table that is longer is told by its keys. */
const longestType = 300;

/** Entries of the package and their sources. */
export function packageEntries(): Map<string, string> {
  const { exports } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as {
    exports: Record<string, { default: string } | string>;
  };
  return new Map(
    Object.entries(exports).flatMap(([name, target]) =>
      typeof target === "string"
        ? []
        : [[`rotor${name.slice(1)}`, target.default.replace(/^\.\/dist\/(.*)\.js$/, "src/$1.ts")]],
    ),
  );
}

class Report {
  readonly #checker: ts.TypeChecker;

  constructor(checker: ts.TypeChecker) {
    this.#checker = checker;
  }

  #type(type: ts.Type, at: ts.Node): string {
    const flags = ts.TypeFormatFlags.NoTruncation | ts.TypeFormatFlags.UseAliasDefinedOutsideCurrentScope;
    return this.#checker.typeToString(type, at, flags);
  }

  #print(node: ts.Node): string {
    const text = printer.printNode(ts.EmitHint.Unspecified, node, node.getSourceFile());
    return text.replace(/^( {4})+/gm, (indent) => indent.slice(indent.length / 2));
  }

  #parameter(parameter: ts.ParameterDeclaration): string {
    const name = ts.isIdentifier(parameter.name) ? parameter.name.text : "options";
    const isOptional = parameter.questionToken !== undefined || parameter.initializer !== undefined;
    const type =
      parameter.type === undefined
        ? this.#type(this.#checker.getTypeAtLocation(parameter), parameter)
        : this.#print(parameter.type);
    return `${parameter.dotDotDotToken === undefined ? "" : "..."}${name}${isOptional ? "?" : ""}: ${type}`;
  }

  #call(declaration: ts.SignatureDeclaration): string {
    const { typeParameters = [], parameters } = declaration;
    const generic =
      typeParameters.length === 0 ? "" : `<${typeParameters.map((each) => this.#print(each)).join(", ")}>`;
    const given = parameters.map((each) => this.#parameter(each)).join(", ");
    if (ts.isConstructorDeclaration(declaration)) return `constructor(${given})`;
    const signature = this.#checker.getSignatureFromDeclaration(declaration)!;
    const result =
      declaration.type === undefined
        ? this.#type(signature.getReturnType(), declaration)
        : this.#print(declaration.type);
    return `${generic}(${given}): ${result}`;
  }

  #class(declaration: ts.ClassDeclaration): string {
    const members = declaration.members.flatMap((member): string[] => {
      if (member.name !== undefined && ts.isPrivateIdentifier(member.name)) return [];
      if (ts.isClassStaticBlockDeclaration(member) || ts.isSemicolonClassElement(member)) return [];
      const modifiers = ts.canHaveModifiers(member) ? (ts.getModifiers(member) ?? []) : [];
      const words = modifiers.map((each) => each.getText()).filter((word) => word !== "async");
      if (words.includes("private")) return [];
      const before = words.map((word) => `${word} `).join("");
      if (ts.isConstructorDeclaration(member)) return [`  ${before}${this.#call(member)};`];
      const name = member.name!.getText();
      if (ts.isMethodDeclaration(member)) return [`  ${before}${name}${this.#call(member)};`];
      if (ts.isSetAccessor(member)) return [];
      const type = this.#type(this.#checker.getTypeAtLocation(member), member);
      return [`  ${before}${ts.isGetAccessor(member) ? "get " : ""}${name}: ${type};`];
    });
    const generic = declaration.typeParameters?.map((each) => this.#print(each)).join(", ");
    const heritage =
      declaration.heritageClauses?.map((clause) => ` ${this.#print(clause).trim()}`).join("") ?? "";
    const head = `class ${declaration.name!.text}${generic === undefined ? "" : `<${generic}>`}${heritage}`;
    return members.length === 0 ? `${head} {}` : `${head} {\n${members.join("\n")}\n}`;
  }

  #value(name: string, declaration: ts.Declaration): string {
    const type = this.#checker.getTypeAtLocation(declaration);
    const text = this.#type(type, declaration);
    if (text.length <= longestType) return `const ${name}: ${text}`;
    const keys = type.getProperties().map((property) => property.name);
    if (keys.length === 0) return `const ${name}: ${text}`;
    // What another package makes.
    if (keys.includes("~standard")) return `const ${name}: ${type.symbol.name}`;
    return `const ${name}: { ${keys.join(", ")} }`;
  }

  symbol(name: string, { declarations = [] }: ts.Symbol): string {
    return declarations
      .filter(
        (each) => !ts.isFunctionDeclaration(each) || each.body !== undefined || declarations.length === 1,
      )
      .map((declaration) => {
        if (ts.isFunctionDeclaration(declaration)) return `function ${name}${this.#call(declaration)}`;
        if (ts.isClassDeclaration(declaration)) return this.#class(declaration);
        if (ts.isVariableDeclaration(declaration)) return this.#value(name, declaration);
        return this.#print(declaration).replace(/^export /, "");
      })
      .join("\n");
  }
}

/** The report of each entry, by the name of its file in `api`. */
export function apiReport(): Map<string, string> {
  const entries = packageEntries();
  const { config } = ts.readConfigFile(path.join(root, "tsconfig.json"), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const program = ts.createProgram(
    [...entries.values()].map((file) => path.join(root, file)),
    options,
  );
  const checker = program.getTypeChecker();
  const report = new Report(checker);
  const symbols = new Map(
    [...entries].map(([entry, file]) => {
      const source = program.getSourceFile(path.join(root, file))!;
      const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(source)!);
      return [
        entry,
        new Map(
          exported.map((each) => [
            each.name,
            each.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(each) : each,
          ]),
        ),
      ];
    }),
  );
  const texts = new Map<string, string>();
  for (const [entry, own] of symbols) {
    // The root has all of some other entries, which say it.
    const whole =
      entry === "rotor"
        ? [...symbols].filter(
            ([other, theirs]) => other !== entry && [...theirs.keys()].every((name) => own.has(name)),
          )
        : [];
    const elsewhere = new Set(whole.flatMap(([, theirs]) => [...theirs.keys()]));
    const blocks = [...own]
      .filter(([name]) => !elsewhere.has(name))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, symbol]) => report.symbol(name, symbol));
    const head = `// What ${entry} exports; written by npm run api.\n`;
    const all = whole.length === 0 ? "" : `// All of ${whole.map(([name]) => name).join(", ")}, and:\n`;
    texts.set(`${entry.replace("/", "-")}.txt`, `${head}${all}\n${blocks.join("\n\n")}\n`);
  }
  return texts;
}
