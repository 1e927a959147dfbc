// The first page: is all well, what needs somebody, and every target, as its address says.

import { expect, list, open, row, test } from "./test.ts";

test("says how all are, as the API does", async ({ page, town }) => {
  await open(page, town.url);
  await expect(async () => {
    const { targets } = await town.get("/api/v1/overview");
    const worst = targets.down ? `${targets.down} down` : targets.unknown ? `${targets.unknown} unknown` : `All ${targets.up} up`;
    await expect(page.getByRole("heading", { level: 1 })).toHaveText(worst, { timeout: 500 });
    await expect(page.getByText(`${targets.up} of 240 up`)).toBeVisible({ timeout: 500 });
    if (targets.down) await expect(page.getByRole("button", { name: /^down/ })).toHaveText(`down ${targets.down}`, { timeout: 500 });
    else await expect(page.getByRole("button", { name: /^down/ })).toHaveCount(0);
  }).toPass({ timeout: 20_000 });
  await expect(page.getByRole("group", { name: "Targets, 240 shown" })).toBeVisible();
});

test("tells what needs somebody, why and for how long", async ({ page, village }) => {
  await open(page, village.url);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("1 down");
  await expect(page).toHaveTitle("(1 down) Pingu");
  const attention = page.getByRole("region", { name: "Needs attention" });
  const wall = attention.getByRole("link", { name: /garden wall/ });
  await expect(wall).toContainText(/refused/);
  await expect(wall).toContainText(/\d+\s(s|m)/);
  await expect(attention.getByRole("link", { name: /shop/ })).toContainText(/of the last 10 results slow or lossy/);
  await expect(attention.getByRole("link", { name: /wiki|attic|loopback|front door/ })).toHaveCount(0);
  await wall.click();
  await expect(page).toHaveURL(/\/t\/[0-9a-f-]{36}$/);
});

test("shows each state by a mark of its own, in words too", async ({ page, village }) => {
  await open(page, village.url);
  const marks = { "front door": "up", "garden wall": "down", attic: "paused", shop: "slow or lossy" };
  for (const [name, label] of Object.entries(marks))
    await expect(row(page, name).getByRole("img", { name: label, exact: true })).toBeVisible();
  const shapes = await list(page)
    .locator("a svg path")
    .evaluateAll((paths) => paths.map((path) => path.getAttribute("d")));
  expect(new Set(shapes).size).toBe(4);
});

test("keeps search, chips, order and groups in the address, and a reload brings them back", async ({ page, village }) => {
  await open(page, village.url);
  const search = page.getByRole("searchbox", { name: "Search" });
  await search.fill("tag:edge -critical");
  await expect(row(page, "garden wall")).toBeVisible();
  await expect(list(page)).toHaveAccessibleName("Targets, 1 shown");
  await expect(page).toHaveURL(/\?q=tag:edge\+-critical$/);
  await page.reload();
  await expect(search).toHaveValue("tag:edge -critical");
  await expect(list(page)).toHaveAccessibleName("Targets, 1 shown");

  await search.press("Escape");
  await expect(search).toHaveValue("");
  await expect(list(page)).toHaveAccessibleName("Targets, 6 shown");
  const chip = page.getByRole("button", { name: /^slow or lossy/ });
  await chip.click();
  await expect(chip).toHaveAttribute("aria-pressed", "true");
  await expect(list(page)).toHaveAccessibleName("Targets, 1 shown");
  await expect(page).toHaveURL(/\?is=slow$/);
  await page.getByRole("combobox", { name: "Groups" }).selectOption("by type");
  await page.getByRole("combobox", { name: "Order" }).selectOption("by name");
  await expect(page).toHaveURL(/\?is=slow&group=type&sort=name$/);
  await page.reload();
  await expect(list(page).getByRole("button")).toHaveText([/HTTP 1/]);
  await chip.click();
  await expect(list(page).getByRole("button")).toHaveText([/HTTP 2/, /ICMP 1/, /TCP 3/]);
  await page.getByRole("combobox", { name: "Groups" }).selectOption("no groups");
  await expect(list(page).getByRole("link").locator("strong")).toHaveText([
    "attic",
    "front door",
    "garden wall",
    "loopback",
    "shop",
    "wiki",
  ]);
  await page.getByRole("combobox", { name: "Order" }).selectOption("worst first");
  await expect(list(page).getByRole("link").locator("strong")).toHaveText([
    "garden wall",
    "shop",
    "front door",
    "loopback",
    "wiki",
    "attic",
  ]);
});

test("says so where nothing matches, and shows all again", async ({ page, village }) => {
  await open(page, `${village.url}/?q=nobody&is=down`);
  await expect(page.getByText("Nothing matches “nobody”.")).toBeVisible();
  await page.getByRole("button", { name: "Show all 6" }).click();
  await expect(list(page)).toHaveAccessibleName("Targets, 6 shown");
  await expect(page).toHaveURL(`${village.url}/`);
});

test("takes any address that people or programs write", async ({ page, village }) => {
  await open(page, `${village.url}/?sort=constructor&group=__proto__&is=nonsense,down&view=%00&q=%22`);
  await expect(list(page)).toHaveAccessibleName("Targets, 1 shown");
});

test("folds a group away and says what is in it", async ({ page, village }) => {
  await open(page, village.url);
  const home = list(page).getByRole("button", { name: /^Home/ });
  await expect(home).toHaveText(/Home 3\s+1 not up/);
  await expect(home).toHaveAttribute("aria-expanded", "true");
  await home.click();
  await expect(home).toHaveAttribute("aria-expanded", "false");
  await expect(row(page, "front door")).toHaveCount(0);
  await expect(row(page, "wiki")).toBeVisible();
  await home.click();
  await expect(row(page, "front door")).toBeVisible();
});

test("has tiles, and a wall without anything around it", async ({ page, village }) => {
  await open(page, village.url);
  await page.getByRole("button", { name: "Tiles" }).click();
  await expect(page).toHaveURL(/\?view=tiles$/);
  await expect(list(page).getByRole("link", { name: /^garden wall\s*: down/ })).toBeVisible();
  await page.reload();
  await expect(list(page).getByRole("link", { name: /^attic\s*: paused,\s*paused/ })).toBeVisible();
  await page.getByRole("link", { name: "Wall", exact: true }).click();
  await expect(page).toHaveURL(/\?view=tiles&kiosk=1$/);
  await expect(page.getByRole("navigation")).toHaveCount(0);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("1 down");
  await expect(list(page).getByRole("link")).toHaveCount(6);
  await page.keyboard.press("Escape");
  await expect(page.getByRole("navigation")).toBeVisible();
});

test("draws only what is in view of ten thousand targets, and finds each", async ({ page, start }) => {
  const targets = Array.from({ length: 10_000 }, (_, at) => ({
    name: `host ${at}`,
    type: "icmp",
    host: `127.${10 + Math.floor(at / 250)}.${at % 250}.1`,
    interval_seconds: 60,
    group: `rack ${at % 40}`,
  }));
  const pingu = await start({ targets });
  await open(page, `${pingu.url}/?sort=name`);
  await expect(list(page)).toHaveAccessibleName("Targets, 10,000 shown");
  expect(await list(page).getByRole("link").count()).toBeLessThan(100);
  await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
  await expect(row(page, /host 9999\b/)).toBeInViewport();
  expect(await list(page).getByRole("link").count()).toBeLessThan(100);
  await page.keyboard.press("/");
  await page.keyboard.type("host 4321");
  await expect(list(page)).toHaveAccessibleName("Targets, 1 shown");
  await expect(row(page, "host 4321")).toBeInViewport();
});
