// Runs every *.test.ts with Node's own test runner, after esbuild has made it plain JavaScript.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const tests = ["shared", "phone", "console"].flatMap((folder) =>
  readdirSync(join(here, folder)).filter((name) => name.endsWith(".test.ts")).map((name) => join(folder, name)));
const outdir = mkdtempSync(join(tmpdir(), "cordboard-pages-"));
try {
  await esbuild.build({
    absWorkingDir: here, entryPoints: tests, outdir, bundle: true, platform: "node", format: "esm",
    outExtension: { ".js": ".mjs" }, jsx: "automatic", jsxImportSource: "preact", logLevel: "warning",
  });
  const files = tests.map((name) => join(outdir, name.replace(/\.ts$/, ".mjs")));
  process.exitCode = spawnSync(process.execPath, ["--test", ...files], { stdio: "inherit" }).status ?? 1;
} finally {
  rmSync(outdir, { recursive: true, force: true });
}
