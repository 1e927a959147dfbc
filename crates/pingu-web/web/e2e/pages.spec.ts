// Every page, for everybody: no finding of axe, no complaint of the browser, no sideways scroll, in both themes and on a phone.

import AxeBuilder from "@axe-core/playwright";
import type { Pingu } from "./pingu.ts";
import { expect, open, test } from "./test.ts";

/** A path for each page, in each of its views. */
const PAGES: Record<string, (pingu: Pingu) => Promise<string> | string> = {
  Targets: () => "/",
  Tiles: () => "/?view=tiles",
  Wall: () => "/?view=tiles&kiosk=1",
  "Target (ICMP)": async (pingu) => `/t/${(await pingu.get("/api/v1/targets?type=icmp&limit=1")).items[0].id}`,
  "Target (HTTP)": async (pingu) => `/t/${(await pingu.get("/api/v1/targets?type=http&limit=1")).items[0].id}`,
  Incidents: () => "/incidents",
  Incident: async (pingu) => `/incidents/${(await pingu.get("/api/v1/incidents?limit=1")).items[0]?.id ?? 1}`,
  Compare: async (pingu) => {
    const { items } = await pingu.get("/api/v1/targets?type=icmp&limit=3");
    return `/compare?t=${items.map(({ id }: { id: string }) => id).join(",")}`;
  },
  "Compare (nothing chosen)": () => "/compare",
  About: () => "/about",
  "No page": () => "/no/such/page",
};

// the filled history tells of certificates whose chains nobody has seen
test.use({ allowed: [/status of 404 \(Not Found\) \(.*\/certificate\)/] });

for (const [name, path] of Object.entries(PAGES))
  for (const [device, viewport] of Object.entries({ desktop: { width: 1280, height: 800 }, phone: { width: 360, height: 740 } }))
    test(`${name} can be used by everybody (${device})`, async ({ page, town }) => {
      // axe looks at each of a thousand cells
      test.setTimeout(90_000);
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
      await open(page, town.url + (await path(town)));
      // what is still on its way would not be looked at
      await expect(page.locator(".skeleton, [aria-busy=true]")).toHaveCount(0);
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        await expect.poll(() => page.evaluate(() => document.getAnimations().length)).toBe(0);
        const axe = new AxeBuilder({ page });
        // in other colours nothing else is different
        const { violations } = await (colorScheme === "dark" ? axe.withRules("color-contrast") : axe).analyze();
        const told = violations.map(
          ({ id, help, nodes }) => `${id}: ${help}, ${nodes.length} times, first ${nodes[0]?.html}\n${nodes[0]?.failureSummary}`,
        );
        expect(told, `in ${colorScheme}`).toEqual([]);
      }
      const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      expect(wider, "pixels that the page is wider than the window").toBe(0);
    });

test("a deep link opens the page it names, and one that names none says so and leads back", async ({ page, town }) => {
  const [target] = (await town.get("/api/v1/targets?limit=1")).items;
  await open(page, `${town.url}/t/${target.id}`);
  await expect(page.getByRole("main")).toContainText(target.name);
  await open(page, `${town.url}/no/such/page`);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Nothing is here");
  await expect(page.getByText("/no/such/page")).toBeVisible();
  await page.getByRole("link", { name: "To the targets" }).click();
  await expect(page.getByRole("group", { name: "Targets, 240 shown" })).toBeVisible();
});

test("every page is reached by the navigation, and its tab says which it is", async ({ page, town }) => {
  await open(page, town.url);
  for (const name of ["Incidents", "Compare", "About"]) {
    await page
      .getByRole("navigation")
      .getByRole("link", { name: new RegExp(`^${name}`) })
      .click();
    await expect(page).toHaveURL(`${town.url}/${name.toLowerCase()}`);
    await expect(page).toHaveTitle(new RegExp(`${name} · Pingu$`));
    await expect(page.getByRole("navigation").locator("[aria-current=page]")).toHaveText(new RegExp(name));
  }
  await page.goBack();
  await expect(page).toHaveTitle(/Compare · Pingu$/);
});
