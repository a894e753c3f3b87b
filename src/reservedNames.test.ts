import assert from "node:assert/strict";
import { test } from "node:test";
import { getOwn, isReservedName, reservedNameIn, setOwn } from "./reservedNames.ts";

test("what every object inherits is no value of its own, and any name can be given one", () => {
  const object: Record<string, number> = {};
  for (const name of ["__proto__", "constructor", "toString", "a"]) {
    assert.equal(getOwn(object, name), undefined);
    setOwn(object, name, 3);
    assert.equal(getOwn(object, name), 3);
  }
  assert.deepEqual(Object.keys(object), ["__proto__", "constructor", "toString", "a"]);
  assert.equal(Object.getPrototypeOf(object), Object.prototype);
  assert.deepEqual(Object.keys({ ...object }).length, 4);
});

test("a reserved name is found wherever it stands", () => {
  assert.equal(reservedNameIn(JSON.parse('{"a":[{"b":{"__proto__":1}}]}')), "a.0.b.__proto__");
  assert.equal(reservedNameIn({ a: { b: [1, null, "constructor"] } }), null);
  assert.ok(isReservedName("constructor") && !isReservedName("toString"));
});
