// The small page that Pingu has where no dashboard was built: its files, on the real program's data and under its policy.

import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Door } from "./pingu.ts";
import { expect, test } from "./test.ts";

const folder = resolve(import.meta.dirname, "../../fallback");
const TYPES: Record<string, string> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
};

test("the small page shows the targets, live", async ({ page, start }) => {
  const door = await Door.open();
  const pingu = await start({
    targets: [
      { name: "<b>gate</b>", type: "tcp", host: "127.0.0.1", port: door.port, interval_seconds: 1 },
      { name: "loopback", type: "icmp", host: "127.0.0.1", interval_seconds: 1 },
    ],
  });
  const policy = (await fetch(pingu.url)).headers.get("content-security-policy") ?? "";
  expect(policy).toContain("script-src 'self'");
  await page.route(/\/($|\?|assets\/)/, async (route) => {
    const { pathname } = new URL(route.request().url());
    const name = pathname === "/" ? "index.html" : pathname;
    const headers = {
      "content-type": TYPES[name.split(".").at(-1) ?? ""] ?? "",
      "content-security-policy": policy,
      "x-content-type-options": "nosniff",
    };
    await route.fulfill({ body: readFileSync(join(folder, name)), headers });
  });
  await page.goto(pingu.url);
  await expect(page.getByText("<b>gate</b>")).toBeVisible();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("All 2 up");
  await door.close();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("1 down");
  await expect(page.getByText(/refused/).first()).toBeVisible();
});
