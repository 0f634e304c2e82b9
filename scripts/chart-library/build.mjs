// Builds the UI's chart library: Plotly with the trace types that ui/assets draws, and nothing else. Whole, Plotly is four times as
// large, and to evaluate it takes a browser ten times as long. The UI serves the result itself, so it works offline.
//
// Writes into ui/vendored: plotly.min.js, the licences of all that is in it, and checksums of both, which a test compares.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const TRACES = ["heatmap"]; // scatter is in every build. None in WebGL: they make code of text, which pages may not
const HERE = fileURLToPath(new URL(".", import.meta.url));
const OUT = fileURLToPath(new URL("../../ui/vendored/", import.meta.url));
const LICENCES = "plotly.licences.md";

function described(name) {
  return JSON.parse(readFileSync(`${HERE}node_modules/${name}/package.json`, "utf8"));
}

// The options are those of Plotly's own esbuild-config.js, whose plugins these loaders replace
const made = await build({
  stdin: {
    contents: `const Plotly = require("plotly.js/lib/core");
      Plotly.register([${TRACES.map((trace) => `require("plotly.js/lib/${trace}")`).join(", ")}]);
      module.exports = Plotly;`,
    resolveDir: HERE,
  },
  bundle: true,
  minify: true,
  format: "iife",
  globalName: "Plotly",
  target: "es2020",
  loader: { ".glsl": "text", ".css": "empty" }, // the style is that of maps
  alias: { regl: "@plotly/regl", stream: "stream-browserify" },
  define: { global: "window", "define.amd": "false" },
  banner: { js: `/* plotly.js ${described("plotly.js").version}, MIT licence, with ${TRACES.join(", ")}; see ${LICENCES} */` },
  legalComments: "none", // they stand in the licences
  metafile: true,
  write: false,
  absWorkingDir: HERE,
});

const [output] = Object.values(made.metafile.outputs);
const names = new Set();
for (const [path, input] of Object.entries(output.inputs)) {
  const found = path.match(/.*node_modules\/((?:@[^/]+\/)?[^/]+)\//);
  if (found && input.bytesInOutput && !path.endsWith(".css")) names.add(found[1]);
}
const licences = [...names].sort().map((name) => {
  const { version, license } = described(name);
  const file = readdirSync(`${HERE}node_modules/${name}`).find((each) => /^licen[cs]e/i.test(each));
  const text = file ? readFileSync(`${HERE}node_modules/${name}/${file}`, "utf8").trim() : "Its package carries no text.";
  return `## ${name} ${version}: ${license}\n\n\`\`\`text\n${text.replaceAll("\r", "")}\n\`\`\`\n`;
});
const files = {
  "plotly.min.js": made.outputFiles[0].text,
  [LICENCES]: `# What plotly.min.js is made of\n\nBuilt by \`make chart-library\`.\n\n${licences.join("\n")}`,
};
let sums = "";
for (const [name, text] of Object.entries(files)) {
  writeFileSync(OUT + name, text);
  sums += `${createHash("sha256").update(text).digest("hex")}  ${name}\n`;
}
writeFileSync(`${OUT}SHA256SUMS`, sums); // as sha256sum writes them
console.log(`${names.size} packages, ${(files["plotly.min.js"].length / 1e6).toFixed(2)} MB`);
