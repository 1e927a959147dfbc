// All that keys do, where they do it and where they do not.

import { expect, list, open, row, test } from "./test.ts";

test("/ goes to the search, Escape empties it and leaves it", async ({ page, village }) => {
  await open(page, village.url);
  const search = page.getByRole("searchbox", { name: "Search" });
  await page.keyboard.press("/");
  await expect(search).toBeFocused();
  await page.keyboard.type("jkxud?/");
  await expect(search).toHaveValue("jkxud?/");
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await page.keyboard.press("Escape");
  await expect(search).toHaveValue("");
  await page.keyboard.press("Escape");
  await expect(search).not.toBeFocused();
});

test("j and k walk along the list, Enter opens, Back comes back", async ({ page, village }) => {
  await open(page, `${village.url}/?group=none&sort=name`);
  const chosen = list(page).locator("a.chosen strong");
  for (const [key, name] of [
    ["j", "attic"],
    ["j", "front door"],
    ["j", "garden wall"],
    ["k", "front door"],
  ] as const) {
    await page.keyboard.press(key);
    await expect(chosen).toHaveText(name);
  }
  const { items } = await village.get("/api/v1/targets");
  const id = items.find((item: { name: string }) => item.name === "front door").id;
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(`${village.url}/t/${id}`);
  await page.goBack();
  await expect(page).toHaveURL(`${village.url}/?group=none&sort=name`);
  await expect(row(page, "front door")).toBeVisible();
});

test("x shows only what is not up, and all again", async ({ page, village }) => {
  await open(page, village.url);
  await page.keyboard.press("x");
  await expect(list(page)).toHaveAccessibleName("Targets, 2 shown");
  await expect(page).toHaveURL(/\?is=down,unknown,slow$/);
  await page.keyboard.press("x");
  await expect(list(page)).toHaveAccessibleName("Targets, 6 shown");
});

test("u switches between local time and UTC, and the browser remembers", async ({ page, village }) => {
  await open(page, village.url);
  const since = page.getByRole("region", { name: "Needs attention" }).getByText(/^since /);
  const hour = async () => Number(/, (\d\d):/.exec(await since.innerText())?.[1]);
  await expect(since).toBeVisible();
  const local = await hour();
  await page.keyboard.press("u");
  await expect(page.getByRole("button", { name: "UTC" })).toBeVisible();
  // Zürich is one or two hours ahead
  expect([1, 2]).toContain((local - (await hour()) + 24) % 24);
  await page.reload();
  await expect(page.getByRole("button", { name: "UTC" })).toBeVisible();
  await page.keyboard.press("u");
  await expect(page.getByRole("button", { name: "Local" })).toBeVisible();
});

test("d switches between light and dark, and the browser remembers", async ({ page, village }) => {
  const background = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  await page.emulateMedia({ colorScheme: "light" });
  await open(page, village.url);
  const light = await background();
  await page.keyboard.press("d");
  await expect(page.getByRole("button", { name: "Use light colours" })).toBeVisible();
  const dark = await background();
  expect(dark).not.toBe(light);
  await page.reload();
  await expect(list(page)).toBeVisible();
  expect(await background()).toBe(dark);
  await page.keyboard.press("d");
  expect(await background()).toBe(light);
  // whoever is back at what the system says follows it
  await page.emulateMedia({ colorScheme: "dark" });
  await expect.poll(background).toBe(dark);
});

test("? explains, and Escape closes", async ({ page, village }) => {
  await open(page, village.url);
  await page.keyboard.press("?");
  const help = page.getByRole("dialog", { name: "Keyboard and search" });
  await expect(help).toBeVisible();
  await page.keyboard.press("x");
  await page.keyboard.press("Escape");
  await expect(help).toHaveCount(0);
  await expect(page).toHaveURL(`${village.url}/`);
});

test("Ctrl+K jumps to a target or a page", async ({ page, village }) => {
  await open(page, village.url);
  await page.keyboard.press("Control+k");
  const dialog = page.getByRole("dialog", { name: "Jump to" });
  const field = page.getByRole("combobox", { name: "Jump to a target or page" });
  await expect(field).toBeFocused();
  await page.keyboard.type("wi");
  await expect(dialog.getByRole("option").first()).toHaveText(/wiki/);
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/t\/[0-9a-f-]{36}$/);
  await expect(page.getByRole("dialog")).toHaveCount(0);

  await page.keyboard.press("Control+k");
  await expect(field).toBeFocused();
  await page.keyboard.type("incid");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/incidents$/);
  await page.keyboard.press("Control+k");
  await expect(field).toBeFocused();
  await page.keyboard.press("ArrowDown");
  await expect(dialog.getByRole("option", { selected: true })).toHaveText(/Incidents/);
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);
});

test("a link to the content comes first, and the page can be walked with Tab", async ({ page, village }) => {
  await open(page, village.url);
  await page.keyboard.press("Tab");
  const skip = page.getByRole("link", { name: "Skip to the content" });
  await expect(skip).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("main")).toBeFocused();
  await page.keyboard.press("Tab");
  await expect(page.getByRole("region", { name: "Needs attention" }).getByRole("link").first()).toBeFocused();
});
