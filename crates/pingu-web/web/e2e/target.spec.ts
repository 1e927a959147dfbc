// The page of a target: its history and how one moves in it, its results, and what comes while somebody looks.

import { readFileSync } from "node:fs";
import type { Pingu } from "./pingu.ts";
import { expect, open, type Page, test } from "./test.ts";

const icmp = async (town: Pingu) => (await town.get("/api/v1/targets?type=icmp&limit=1")).items[0];
const plot = (page: Page) => page.locator(".u-over").first();
const query = (page: Page) => new URL(page.url()).searchParams;

/** From one share of the plot's width to another. */
async function drag(page: Page, from: number, to: number): Promise<void> {
  const box = await plot(page).boundingBox();
  if (!box) throw new Error("there is no plot");
  await page.mouse.move(box.x + box.width * from, box.y + 60);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * to, box.y + 70, { steps: 5 });
  await page.mouse.up();
}

test("a drag zooms, and each way back leads back", async ({ page, town }) => {
  const { id } = await icmp(town);
  await open(page, `${town.url}/t/${id}`);
  await expect(page.getByRole("img", { name: /^Latency and loss: [\d,]+ results/ })).toBeVisible();
  await drag(page, 0.3, 0.6);
  await expect(page.getByRole("button", { name: "back to 24h" })).toBeVisible();
  const span = Date.parse(query(page).get("until") ?? "") - Date.parse(query(page).get("since") ?? "");
  expect(span / 3_600_000).toBeCloseTo(24 * 0.3, 0);
  // what is opened anew shows the same
  const zoomed = page.url();
  await page.reload();
  await expect(page.getByRole("button", { name: "back to 24h" })).toBeVisible();
  expect(page.url()).toBe(zoomed);

  await page.keyboard.press("[");
  await expect(page).not.toHaveURL(zoomed);
  await page.goBack();
  await expect(page).toHaveURL(zoomed);
  await page.keyboard.press("Escape");
  await expect(page).toHaveURL(`${town.url}/t/${id}`);
  await drag(page, 0.5, 0.7);
  await expect(page.getByRole("button", { name: "back to 24h" })).toBeVisible();
  await plot(page).dblclick();
  await expect(page).toHaveURL(`${town.url}/t/${id}`);
});

test("ranges, the axis and outliers are in the address", async ({ page, town }) => {
  const { id } = await icmp(town);
  await open(page, `${town.url}/t/${id}?range=7d`);
  await expect(page.getByRole("button", { name: "7d", exact: true })).toHaveAttribute("aria-pressed", "true");
  await page.getByRole("button", { name: "6h", exact: true }).click();
  await page.getByRole("button", { name: "log", exact: true }).click();
  await page.getByRole("button", { name: "outliers" }).click();
  await expect(page).toHaveURL(`${town.url}/t/${id}?range=6h&log=1&outliers=0`);
  await expect(page.getByText(/\d+ points of .+ · resolution/)).toBeVisible();
});

test("the keys walk along the chart, select and zoom", async ({ page, town }) => {
  const { id } = await icmp(town);
  await open(page, `${town.url}/t/${id}`);
  const keys = page.getByRole("slider", { name: /^Latency and loss/ });
  await page.getByRole("button", { name: "1y", exact: true }).focus();
  await page.keyboard.press("Tab");
  await expect(keys).toBeFocused();
  for (let step = 0; step < 5; step += 1) await page.keyboard.press("ArrowLeft");
  await expect(keys).toHaveAttribute("aria-valuetext", /results/);
  await expect(page.locator(".tooltip").first()).toContainText("median");
  for (let step = 0; step < 4; step += 1) await page.keyboard.press("Shift+ArrowLeft");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("button", { name: "back to 24h" })).toBeVisible();
});

test("the results of the span in view are a file for spreadsheets", async ({ page, town }) => {
  const { id } = await icmp(town);
  await open(page, `${town.url}/t/${id}?range=6h`);
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "CSV" }).click();
  const file = await download;
  expect(file.suggestedFilename()).toMatch(/\.csv$/);
  const [head, ...lines] = readFileSync(await file.path(), "utf8").trimEnd().split("\r\n");
  expect(head).toMatch(/^ts,outcome,reason,error,latency_us/);
  // one every two minutes
  expect(lines.length).toBeGreaterThan(150);
  expect(lines.length).toBeLessThan(200);
  await expect(page.getByText(`${lines.length} results saved`)).toBeVisible();
});

test("only what was not up is looked for among older results, too", async ({ page, town }) => {
  const { id } = await icmp(town);
  await open(page, `${town.url}/t/${id}`);
  await page.getByRole("button", { name: "only not up" }).click();
  const older = page.getByRole("button", { name: "Load older" });
  while (await older.isVisible()) {
    await older.click();
    await expect(page.getByRole("button", { name: "Reading…" })).toHaveCount(0);
  }
  const states = page.getByRole("table").last().locator("td.state");
  await expect(states.filter({ hasText: /^up$/ })).toHaveCount(0);
});

test("hours and days tell what they are to the keys", async ({ page, town }) => {
  const { id } = await icmp(town);
  await open(page, `${town.url}/t/${id}`);
  const grid = page.getByRole("grid", { name: "Median latency by weekday and hour" });
  await grid.locator('[tabindex="0"]').focus();
  await page.keyboard.press("ArrowRight");
  await expect(page.getByRole("tooltip")).toContainText("Mon, 01:00 – 02:00");
  await page.keyboard.press("Escape");
  await expect(page.getByRole("tooltip")).toHaveCount(0);
});

test("results come by themselves, and wait where somebody reads", async ({ page, start }) => {
  const pingu = await start({ targets: [{ name: "loop", type: "icmp", host: "127.0.0.1", interval_seconds: 1 }] });
  await pingu.probed();
  await open(page, `${pingu.url}/t/loop`);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("loop");
  const newest = page.getByRole("table").last().locator("td.when").first();
  const first = await newest.innerText();
  await expect(newest).not.toHaveText(first);
  await expect(page.getByRole("img", { name: /^Packets of the last 1.m: [2-9] sent, 0 lost/ })).toBeVisible();
  // it has just begun: its first hour is shown
  await expect(page.getByRole("button", { name: "1h", exact: true })).toHaveAttribute("aria-pressed", "true");
});

test.describe("what is not there", () => {
  test.use({ allowed: [/404/] });
  test("a target that nobody knows", async ({ page, town }) => {
    await open(page, `${town.url}/t/nobody`);
    await expect(page.getByRole("heading", { level: 1 })).toHaveText("No such target");
    await page.getByRole("link", { name: "To the targets" }).click();
    await expect(page).toHaveURL(`${town.url}/`);
  });
});

test.describe("what cannot be read", () => {
  test.use({ allowed: [/Failed to load resource/] });
  test("says so, and is read again", async ({ page, town }) => {
    const { id } = await icmp(town);
    await page.route("**/series?**", (route) => route.abort("connectionrefused"));
    await open(page, `${town.url}/t/${id}`);
    const alert = page.getByRole("alert").filter({ hasText: "The history could not be read" });
    await expect(alert).toBeVisible();
    await page.unroute("**/series?**");
    await alert.getByRole("button", { name: "Retry" }).click();
    await expect(page.getByRole("img", { name: /^Latency and loss/ })).toBeVisible();
  });
});
