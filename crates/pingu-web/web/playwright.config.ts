// Tests in a browser: Debian's chromium, the real program, a real database. Whatever hangs is ended by one of these bounds.

import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: "e2e",
  // the others measure and draw: `make web-hold`, `make screenshots`
  projects: [
    { name: "e2e", testMatch: "*.spec.ts" },
    { name: "hold", testMatch: "hold.ts" },
    { name: "screens", testMatch: "screens.ts" },
  ],
  globalSetup: "./e2e/history.ts",
  globalTimeout: (process.env.PINGU_BUILD ? 30 : 8) * 60_000,
  timeout: 40_000,
  expect: { timeout: 15_000 },
  workers: 2,
  fullyParallel: true,
  // a test that passes at the second try has failed
  retries: 0,
  forbidOnly: !!process.env.CI,
  reporter: [["list"]],
  use: {
    viewport: { width: 1280, height: 800 },
    timezoneId: "Europe/Zurich",
    locale: "en-GB",
    actionTimeout: 10_000,
    navigationTimeout: 15_000,
    trace: "off",
    screenshot: "only-on-failure",
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      // root has no sandbox; the rest keeps the browser from asking anybody but Pingu
      args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--no-first-run"],
    },
  },
});
