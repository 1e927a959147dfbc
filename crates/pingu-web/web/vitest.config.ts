import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

// apart from vite.config.ts, whose plug-ins belong to the build
export default defineConfig({
  plugins: [svelte()],
  test: { include: ["test/**/*.test.ts"], environment: "node" },
});
