// Targets side by side, as the address says.

import { expect, open, test } from "./test.ts";

test("targets are added, taken away and drawn in one chart, and the address holds it", async ({ page, town }) => {
  const { items } = await town.get("/api/v1/targets?type=icmp&limit=2");
  const names: string[] = items.map(({ name }: { name: string }) => name);
  await open(page, `${town.url}/compare`);
  const field = page.getByRole("combobox", { name: /Add a target/ }).or(page.getByPlaceholder("Add a target…"));
  for (const name of names) {
    await field.first().fill(name);
    await page
      .getByRole("option", { name: new RegExp(name) })
      .first()
      .click();
    await expect(page.getByRole("region", { name, exact: true }).getByRole("img", { name: new RegExp(`^${name}`) })).toBeVisible();
  }
  await expect(page).toHaveURL(/\?t=[0-9a-f-]{36},[0-9a-f-]{36}$/);
  await page.getByRole("group", { name: "Charts" }).getByRole("button", { name: "all in one" }).click();
  await expect(page).toHaveURL(/view=overlay/);
  await expect(page.getByRole("region", { name: "All in one chart" }).getByRole("img").first()).toBeVisible();
  await page.reload();
  await expect(page.getByRole("region", { name: "All in one chart" })).toBeVisible();
  await page.getByRole("button", { name: `Take ${names[0]} away` }).click();
  await expect(page).toHaveURL(({ searchParams }) => searchParams.get("t") === items[1].id && searchParams.get("view") === "overlay");
  await page.goBack();
  await expect(page.getByRole("button", { name: `Take ${names[0]} away` })).toBeVisible();
});

test.describe(() => {
  test.use({ allowed: [/status of 404/] });

  test("targets are known by name in an address too, and who is none is told", async ({ page, town }) => {
    const [{ name }] = (await town.get("/api/v1/targets?type=icmp&limit=1")).items;
    await open(page, `${town.url}/compare?t=${encodeURIComponent(name)},nobody`);
    await expect(page.getByRole("button", { name: `Take ${name} away` })).toBeVisible();
    await expect(page.getByText("No target is called “nobody”.")).toBeVisible();
  });
});
