// Lets programs of this repository import "rotor" and its entries from the sources, as a project imports the built package:
// node --import ./scripts/resolveRotor.ts examples/ownModel.ts
import { registerHooks } from "node:module";

registerHooks({
  resolve(specifier, context, next) {
    const entry = /^rotor(?:\/(.+))?$/.exec(specifier);
    if (entry === null) return next(specifier, context);
    const file = entry[1] === undefined ? "index.ts" : `${entry[1]}/index.ts`;
    return next(new URL(`../src/${file}`, import.meta.url).href, context);
  },
});
