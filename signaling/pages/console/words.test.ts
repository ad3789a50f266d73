import assert from "node:assert/strict";
import { test } from "node:test";
import type { Dictionary } from "../shared/i18n";
import { DICTIONARY } from "./words";
import { en, type Words } from "./words.en";
import { ja } from "./words.ja";

const { title: _left, ...withoutTitle } = ja;
// @ts-expect-error A language with a missing string must not compile.
export const incomplete: Dictionary<Words> = { en, ja: withoutTitle };

test("every English string has a Japanese one of its own", () => {
  const english = strings(DICTIONARY.en);
  const japanese = strings(DICTIONARY.ja);
  assert.deepEqual([...japanese.keys()], [...english.keys()]);
  for (const [key, text] of english) {
    assert.notEqual(japanese.get(key), text, key);
    assert.notEqual(text.trim(), "", key);
  }
});

function strings(value: unknown, path = ""): Map<string, string> {
  if (typeof value === "string") return new Map([[path, value]]);
  if (typeof value !== "object" || value === null) return new Map();
  return new Map(Object.entries(value).flatMap(([key, inner]) => [...strings(inner, path ? `${path}.${key}` : key)]));
}
