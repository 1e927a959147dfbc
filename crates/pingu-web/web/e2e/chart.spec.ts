// The chart of a target and its grids, by the keys; what cannot be read is read again.

import type { Pingu } from "./pingu.ts";
import { expect, open, test } from "./test.ts";

const icmp = async (town: Pingu) => (await town.get("/api/v1/targets?type=icmp&limit=1")).items[0];

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

test("what has just begun is shown with its first hour, and its packets are counted", async ({ page, start }) => {
  const pingu = await start({ targets: [{ name: "loop", type: "icmp", host: "127.0.0.1", interval_seconds: 1 }] });
  await pingu.probed();
  await open(page, `${pingu.url}/t/loop`);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("loop");
  await expect(page.getByRole("img", { name: /^Packets of the last 1.m: [2-9] sent, 0 lost/ })).toBeVisible();
  await expect(page.getByRole("button", { name: "1h", exact: true })).toHaveAttribute("aria-pressed", "true");
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

test("earlier, later and wider are a key each, and Back undoes each", async ({ page, town }) => {
  const { id } = await icmp(town);
  await open(page, `${town.url}/t/${id}`);
  await expect(page.getByRole("img", { name: /^Latency and loss: [\d,]+ results/ })).toBeVisible();
  await page.keyboard.press("[");
  await expect(page).toHaveURL(/since=/);
  const earlier = page.url();
  await page.keyboard.press("-");
  await expect(page).not.toHaveURL(earlier);
  await page.goBack();
  await expect(page).toHaveURL(earlier);
  await page.goBack();
  await expect(page).not.toHaveURL(/since=/);
});
