// Targets side by side, as the address says.

import { expect, open, test } from "./test.ts";

test("targets are added, taken away and drawn in one chart, and the address holds it", async ({ page, town }) => {
  await open(page, `${town.url}/compare`);
  const field = page.getByRole("combobox", { name: /Add a target/ }).or(page.getByPlaceholder("Add a target…"));
  for (const name of ["Oslo router", "Paris router"]) {
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
  await page.getByRole("button", { name: "Take Oslo router away" }).click();
  await expect(page).toHaveURL(/\?t=[0-9a-f-]{36}&view=overlay$/);
  await page.goBack();
  await expect(page.getByRole("button", { name: "Take Oslo router away" })).toBeVisible();
});

test.describe(() => {
  test.use({ allowed: [/status of 404/] });

  test("targets are known by name in an address too, and who is none is told", async ({ page, town }) => {
    await open(page, `${town.url}/compare?t=Oslo%20router,nobody`);
    await expect(page.getByRole("button", { name: "Take Oslo router away" })).toBeVisible();
    await expect(page.getByText("No target is called “nobody”.")).toBeVisible();
  });
});
