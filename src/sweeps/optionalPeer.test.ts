import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError } from "../errors.ts";
import { optionalPeer } from "./optionalPeer.ts";

test("a package that is missing is named with what needs it; other errors pass, and so does what loads", async () => {
  await assert.rejects(
    optionalPeer("database postgres://…", ["a-package", "another"], () => import("a-package" as string)),
    (error: Error) =>
      error instanceof ConfigError &&
      error.message ===
        "database postgres://…: the packages a-package and another must be installed: npm install a-package another",
  );
  const damaged = new SyntaxError("damaged");
  await assert.rejects(
    optionalPeer("x", ["y"], () => Promise.reject(damaged)),
    damaged,
  );
  assert.equal(await optionalPeer("x", ["y"], () => Promise.resolve(3)), 3);
});
