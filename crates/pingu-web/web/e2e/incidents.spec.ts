// What was down, when, and what happened in it.

import { Door } from "./pingu.ts";
import { expect, open, test } from "./test.ts";

test("lists the incidents of the span, each with a page of its own", async ({ page, town }) => {
  await open(page, `${town.url}/incidents`);
  const since = new Date(Date.now() - 3 * 86_400_000).toISOString();
  const { items } = await town.get(`/api/v1/incidents?limit=1000&since=${since}`);
  expect(items.length).toBeGreaterThan(3);
  const table = page.getByRole("region", { name: "The incidents" });
  await expect(table.getByRole("row").nth(1)).toContainText(items[0].target_name);
  await expect(page.getByRole("region", { name: "When each target was down" })).toBeVisible();
  await table.getByRole("row").nth(1).getByRole("link").last().click();
  await expect(page).toHaveURL(`${town.url}/incidents/${items[0].id}`);
  await expect(page.getByRole("heading", { level: 1 })).toContainText(items[0].target_name);
  await expect(page.getByRole("region", { name: "What happened" })).toBeVisible();
  await expect(page.getByRole("heading", { name: "Around it" })).toBeVisible();
  await page.goBack();
  await expect(page).toHaveURL(`${town.url}/incidents`);
});

test("keeps range, state and search in the address, and a reload brings them back", async ({ page, town }) => {
  await open(page, `${town.url}/incidents`);
  const range = page.getByRole("group", { name: "Range" });
  const usual = await range.getByRole("button", { pressed: true }).innerText();
  const other = range.getByRole("button", { pressed: false }).first();
  const name = await other.innerText();
  expect(name).not.toBe(usual);
  await other.click();
  await page.getByRole("searchbox").fill("nothing is called so");
  await expect(page.getByRole("heading", { name: "No incident matches" })).toBeVisible();
  await expect(page).toHaveURL(/q=nothing\+is\+called\+so/);
  await page.reload();
  await expect(page.getByRole("searchbox")).toHaveValue("nothing is called so");
  await expect(range.getByRole("button", { pressed: true })).toHaveText(name);
});

test("an incident opens and ends before one's eyes", async ({ page, start }) => {
  const door = await Door.open();
  const pingu = await start({ targets: [{ name: "gate", type: "tcp", host: "127.0.0.1", port: door.port, interval_seconds: 1 }] });
  await pingu.probed();
  await open(page, `${pingu.url}/incidents`);
  await expect(page.getByRole("heading", { name: "Nothing was down" })).toBeVisible();
  await door.close();
  const incident = page.getByRole("region", { name: "The incidents" }).getByRole("row").nth(1);
  await expect(incident).toContainText("gate");
  await expect(incident).toContainText("open");
  await expect(page.getByRole("link", { name: /^Incidents/ }).getByLabel("1 open")).toBeVisible();
  await door.open();
  await expect(incident).not.toContainText("open");
  await expect(page.getByRole("link", { name: /^Incidents/ }).getByLabel("1 open")).toHaveCount(0);
  await door.close();
});

test.describe(() => {
  test.use({ allowed: [/status of 404/] });

  test("an incident that is not there is told", async ({ page, town }) => {
    await open(page, `${town.url}/incidents/999999999`);
    await expect(page.getByRole("heading", { level: 1 })).toHaveText("There is no incident 999999999");
  });
});
