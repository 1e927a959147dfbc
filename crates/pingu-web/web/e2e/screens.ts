// Draws the pictures of the documents, from a filled database: `make screenshots`.

import { mkdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { filled } from "./history.ts";
import { type Pingu, until } from "./pingu.ts";
import { expect, type Page, test } from "./test.ts";

const folder = resolve(import.meta.dirname, "../../../../docs/screens");
/** In bytes. */
const LARGEST = 250_000;
const TOWN = ["--targets", "240", "--days", "30"];

test.describe.configure({ mode: "serial", timeout: 600_000 });
// the filled history tells of certificates whose chains nobody has seen
test.use({ allowed: [/status of 404 \(Not Found\) \(.*\/certificate\)/] });

/** A seed with which a few targets are down just now. */
async function troubled(): Promise<string[]> {
  for (let seed = 1; seed <= 40; seed += 1) {
    const pingu = await filled(["--targets", "240", "--days", "0.05", "--seed", `${seed}`], "api");
    const { targets } = await pingu.get("/api/v1/overview");
    await pingu.end();
    if (targets.down >= 2 && targets.down <= 6) return ["--seed", `${seed}`];
  }
  return [];
}

async function draw(page: Page, name: string): Promise<void> {
  await expect(page.locator(".skeleton, [aria-busy=true]")).toHaveCount(0);
  await page.mouse.move(1, 1);
  // what moves has come to rest, and every canvas is drawn
  await page.waitForTimeout(1200);
  const path = join(folder, `${name}.png`);
  await page.screenshot({ path, animations: "disabled" });
  expect(statSync(path).size, `${name}.png is too large for a document`).toBeLessThan(LARGEST);
}

test("the pictures", async ({ page }) => {
  mkdirSync(folder, { recursive: true });
  // nobody probes: the history ends as it is told, in the middle of its troubles
  const town: Pingu = await filled([...TOWN, ...(await troubled())], "api");
  try {
    const { items } = await town.get("/api/v1/targets?sort=outcome&beats=1");
    const worst = items[0];
    // of those that are up the one with the most to tell
    const eventful = (type: string) =>
      items
        .filter(
          (item: { type: string; outcome: string; uptime_24h: number }) =>
            item.type === type && item.outcome === "up" && item.uptime_24h > 90,
        )
        .sort((a: { uptime_24h: number }, b: { uptime_24h: number }) => a.uptime_24h - b.uptime_24h)[0];
    const [icmp, http] = [eventful("icmp"), eventful("http")];
    const few = items
      .filter(({ type, name }: { type: string; name: string }) => type === "icmp" && /router|firewall/.test(name))
      .slice(0, 4);
    const incident =
      (await town.get(`/api/v1/incidents?target=${worst.id}&limit=1`)).items[0] ?? (await town.get("/api/v1/incidents?limit=1")).items[0];
    const pictures: [name: string, path: string, colours: "dark" | "light", width: number, height: number][] = [
      ["targets-dark", "/", "dark", 1440, 900],
      ["targets-light", "/?group=type&sort=latency", "light", 1440, 900],
      ["wall-dark", "/?view=tiles&kiosk=1", "dark", 1440, 810],
      ["target-icmp-dark", `/t/${icmp.id}?range=24h`, "dark", 1440, 1260],
      ["target-http-light", `/t/${http.id}?range=7d`, "light", 1440, 1260],
      ["compare-dark", `/compare?t=${few.map(({ id }: { id: string }) => id).join(",")}`, "dark", 1440, 900],
      ["incidents-light", "/incidents", "light", 1440, 900],
      ["incident-dark", `/incidents/${incident.id}`, "dark", 1440, 900],
      ["targets-phone", "/", "dark", 390, 844],
      ["target-phone", `/t/${icmp.id}?range=24h`, "light", 390, 844],
    ];
    for (const [name, path, colorScheme, width, height] of pictures) {
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.goto(town.url + path);
      await draw(page, name);
    }
    // one that probes has more to say of itself
    const running = await filled(["--targets", "60", "--days", "1"]);
    try {
      await until("results", async () => (await running.get("/api/v1/about")).accounting.stored >= 10);
      await page.setViewportSize({ width: 1440, height: 900 });
      await page.emulateMedia({ colorScheme: "dark", reducedMotion: "reduce" });
      await page.goto(`${running.url}/about`);
      await draw(page, "about-dark");
      await page.close();
    } finally {
      await running.end();
    }
  } finally {
    await page.close();
    await town.end();
  }
});
