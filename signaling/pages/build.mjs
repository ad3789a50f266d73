// Bundles every page into ../static: one folder with an index.html here makes one page there.
// Names carry a hash of the contents, so the server may let browsers keep /static/ for ever.
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "..", "static");
const watching = process.argv.includes("--watch");
const pages = readdirSync(here, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && existsSync(join(here, entry.name, "index.html")))
  .map((entry) => entry.name);

/** The licences of the packages that end up in the bundle, which must travel with it. */
function licences(inputs) {
  const packages = new Set();
  for (const input of Object.keys(inputs)) {
    const found = /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (found) packages.add(found[1]);
  }
  return [...packages].sort().map((name) => {
    const folder = join(here, "node_modules", name);
    const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const text = join(folder, "LICENSE");
    return `${name} ${version} (${license})\n\n${existsSync(text) ? readFileSync(text, "utf8") : ""}`;
  }).join("\n----\n\n");
}

/** Writes the pages beside their old place first, then swaps: a running server never sees half a build. */
function publish(result) {
  const fresh = `${target}.${process.pid}`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  const tags = Object.fromEntries(pages.map((page) => [page, []]));
  for (const file of result.outputFiles) {
    writeFileSync(join(fresh, relative(target, file.path)), file.contents);
  }
  for (const [path, output] of Object.entries(result.metafile.outputs)) {
    if (!output.entryPoint) continue;
    const page = dirname(output.entryPoint);
    const url = (name) => `/static/${relative(target, join(here, name))}`;
    if (output.cssBundle) tags[page].push(`<link rel="stylesheet" href="${url(output.cssBundle)}">`);
    tags[page].push(`<script type="module" src="${url(path)}"></script>`);
  }
  for (const page of pages) {
    const html = readFileSync(join(here, page, "index.html"), "utf8");
    writeFileSync(join(fresh, `${page}.html`), html.replace("<!-- bundle -->", tags[page].join("\n    ")));
  }
  writeFileSync(join(fresh, "icon.svg"), readFileSync(join(here, "shared", "icon.svg")));
  writeFileSync(join(fresh, "licences.txt"), licences(result.metafile.inputs));
  rmSync(target, { recursive: true, force: true });
  renameSync(fresh, target);
}

const options = {
  absWorkingDir: here,
  entryPoints: pages.map((page) => `${page}/${page}.tsx`),
  entryNames: "[name]-[hash]",
  chunkNames: "shared-[hash]",
  outdir: target,
  bundle: true,
  splitting: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  minify: !watching,
  sourcemap: watching ? "inline" : false,
  metafile: true,
  write: false,
  logLevel: "warning",
};

if (watching) {
  const announce = {
    name: "publish",
    setup: (build) => build.onEnd((result) => { if (result.metafile) publish(result); }),
  };
  await (await esbuild.context({ ...options, plugins: [announce] })).watch();
} else {
  try {
    publish(await esbuild.build(options));
  } catch (error) {
    if (!error.errors) throw error;
    process.exitCode = 1; // esbuild has said where and why; a stack of its own says nothing more
  }
}
