import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { buildSite, deadLinks } from "../scripts/site.ts";
import { temporaryFolder } from "./command.ts";

test("the documentation site builds without warnings and has no dead links", async () => {
  using folder = temporaryFolder();
  const out = path.join(folder.path, "site");
  // The Chinese site has the same pages with other words around them: npm run docs builds both.
  await buildSite(out, "en");
  assert.deepEqual(deadLinks(out), []);
  for (const page of [
    "index.html",
    "functions/rotor_optim.adamw.html",
    "modules/rotor_train.html",
    "documents/Methods_Muon.html",
    "documents/中文.html",
    "assets/search.js",
  ]) {
    assert.ok(existsSync(path.join(out, page)), page);
  }
  const adamw = readFileSync(path.join(out, "functions/rotor_optim.adamw.html"), "utf8");
  assert.match(adamw, /<h4[^>]*>Example/);
});

test("links that lead nowhere are found", () => {
  using folder = temporaryFolder();
  mkdirSync(path.join(folder.path, "sub"));
  writeFileSync(
    path.join(folder.path, "a.html"),
    '<h1 id="top"></h1><a href="sub/b.html#x">b</a> <a href="https://x.y">x</a>',
  );
  writeFileSync(
    path.join(folder.path, "sub/b.html"),
    '<p id="x"></p><a href="../a.html#top">a</a> <a href="../a.html#end">e</a> <img src="c.png"> <a href="#y">y</a>',
  );
  assert.deepEqual(deadLinks(folder.path), [
    "sub/b.html: ../a.html#end",
    "sub/b.html: c.png",
    "sub/b.html: #y",
  ]);
});
