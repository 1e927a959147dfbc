// What a browser has to load, as gzip: what is too much fails here, before anybody waits for it.

import { readdirSync } from "node:fs";
import { resolve } from "node:path";
import { expect, open, row, test } from "./test.ts";
import { zipped } from "./zipped.ts";

/** In bytes. */
const FIRST = 45_000;
const ALL = 110_000;

test("the scripts of the first page, and all there are, stay small", async ({ page, village }) => {
  const scripts = new Set<string>();
  page.on("request", (request) => {
    if (request.resourceType() === "script") scripts.add(request.url());
  });
  await open(page, village.url);
  await expect(row(page, "wiki")).toBeVisible();
  const sum = async (urls: string[]) => (await Promise.all(urls.map(zipped))).reduce((a, b) => a + b, 0);
  expect(scripts.size).toBeGreaterThan(0);
  expect(await sum([...scripts])).toBeLessThanOrEqual(FIRST);
  const all = readdirSync(resolve(import.meta.dirname, "../dist/assets")).filter((name) => name.endsWith(".js"));
  expect(await sum(all.map((name) => `${village.url}/assets/${name}`))).toBeLessThanOrEqual(ALL);
});

test("what keeps its name forever is kept forever, and everything else is asked for anew", async ({ page, village }) => {
  const kept: string[] = [];
  page.on("response", (answer) => {
    if (new URL(answer.url()).pathname.startsWith("/assets/")) kept.push(answer.headers()["cache-control"] ?? "");
  });
  const answer = await page.goto(village.url);
  await expect(row(page, "wiki")).toBeVisible();
  expect(answer?.headers()["cache-control"]).toBe("no-cache");
  expect(kept.length).toBeGreaterThan(1);
  // the one hash in 700 that looks like a word is asked for, too
  expect(kept.filter((how) => how.includes("immutable")).length).toBeGreaterThan(kept.length / 2);
});
