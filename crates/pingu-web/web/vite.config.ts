// Builds the dashboard into dist/, with a .gz and a .br twin of whatever shrinks: build.rs embeds all three.

import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, type Plugin } from "vite";

/** Whom `make dev` asks for data. */
const API = process.env.PINGU ?? "http://127.0.0.1:8000";
const DATA = ["/api", "/health", "/version", "/livez", "/openapi.json", "/docs", "/metrics"];

function pages(): Plugin {
  const out = join(import.meta.dirname, "dist");
  return {
    name: "pages",
    apply: "build",
    async buildStart() {
      for (const name of await readdir(out)) if (name !== ".gitignore") await rm(join(out, name), { recursive: true });
    },
    async closeBundle() {
      for (const entry of await readdir(out, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || !/\.(html|js|css|svg|webmanifest)$/.test(entry.name)) continue;
        const path = join(entry.parentPath, entry.name);
        const bytes = await readFile(path);
        const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } };
        const twins = { gz: gzipSync(bytes, { level: 9 }), br: brotliCompressSync(bytes, quality) };
        for (const [suffix, twin] of Object.entries(twins))
          if (twin.length < bytes.length * 0.9) await writeFile(`${path}.${suffix}`, twin);
      }
    },
  };
}

export default defineConfig({
  plugins: [svelte(), pages()],
  build: {
    target: "es2022",
    // emptied above, but for its .gitignore
    emptyOutDir: false,
    // an inline script would break the policy under which the page is served
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  server: {
    // the words of the fallback page are those of the dashboard
    fs: { allow: [".."] },
    proxy: Object.fromEntries(DATA.map((path) => [path, { target: API, changeOrigin: true }])),
  },
});
