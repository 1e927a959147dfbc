// The page of one target: its history, in spans that the address names, and every single result.

import { readFileSync } from "node:fs";
import { expect, open, type Page, type Pingu, test } from "./test.ts";

const first = async (pingu: Pingu, type: string) => (await pingu.get(`/api/v1/targets?type=${type}&limit=1`)).items[0];
const ranges = (page: Page) => page.getByRole("group", { name: "Range" });
/** The chart, whose name says what is in it. */
const chart = (page: Page) => page.getByRole("img", { name: /^Latency and loss: / });

test("shows what is known of a target: name, address, state, uptime, history", async ({ page, town }) => {
  const target = await first(town, "icmp");
  await open(page, `${town.url}/t/${target.id}`);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText(target.name);
  const main = page.getByRole("main");
  await expect(main).toContainText(target.host);
  for (const tag of target.tags) await expect(page.getByRole("list", { name: "Type, group and tags" })).toContainText(tag);
  await expect(chart(page)).toBeVisible();
  for (const name of ["Latency and loss", "Live packets", "When is it slow?", "Days", "Incidents", "Results"])
    await expect(page.getByRole("heading", { level: 2, name, exact: true })).toBeVisible();
  const summary = await town.get(`/api/v1/summary/${target.id}?window=7d`);
  const share = Math.floor(summary.uptime_percent * 1000) / 1000;
  await expect(main).toContainText(new RegExp(`${share === 100 ? "100" : share.toFixed(3).replace(".", "\\.")}\\s%`));
});

test("a target is found by its name, too", async ({ page, village }) => {
  await open(page, `${village.url}/t/front%20door`);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("front door");
});

test.describe(() => {
  test.use({ allowed: [/status of 404/] });

  test("a target that is not there is told", async ({ page, town }) => {
    await open(page, `${town.url}/t/nobody`);
    await expect(page.getByRole("heading", { level: 1 })).toHaveText("No such target");
  });
});

test("a range changes the address and what is drawn; a reload keeps it", async ({ page, town }) => {
  const target = await first(town, "icmp");
  await open(page, `${town.url}/t/${target.id}?range=24h`);
  await expect(ranges(page).getByRole("button", { pressed: true })).toHaveText("24h");
  const day = await chart(page).getAttribute("aria-label");
  await ranges(page).getByRole("button", { name: "1h", exact: true }).click();
  await expect(page).toHaveURL(/\?range=1h$/);
  await expect(chart(page)).not.toHaveAccessibleName(day ?? "");
  await page.getByRole("button", { name: "log", exact: true }).click();
  await expect(page).toHaveURL(/range=1h&log=1$/);
  await page.reload();
  await expect(ranges(page).getByRole("button", { pressed: true })).toHaveText("1h");
  await expect(page.getByRole("button", { name: "log", exact: true })).toHaveAttribute("aria-pressed", "true");
});

test("a drag zooms into the span, and Back, Escape and double-click go back", async ({ page, town }) => {
  const target = await first(town, "icmp");
  await open(page, `${town.url}/t/${target.id}?range=24h`);
  await chart(page).scrollIntoViewIfNeeded();
  const drag = async () => {
    const box = (await chart(page).boundingBox())!;
    const y = box.y + box.height / 3;
    await page.mouse.move(box.x + box.width * 0.4, y);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.5, y, { steps: 4 });
    await page.mouse.move(box.x + box.width * 0.6, y, { steps: 4 });
    await page.mouse.up();
  };
  await drag();
  await expect(page).toHaveURL(/since=[^&]+&until=/);
  const query = new URL(page.url()).searchParams;
  const length = Date.parse(query.get("until") ?? "") - Date.parse(query.get("since") ?? "");
  // a fifth of a day, less the axis on the left
  expect(length).toBeGreaterThan(3.5 * 3_600_000);
  expect(length).toBeLessThan(6 * 3_600_000);
  await expect(page.getByRole("heading", { name: "Results in view" })).toBeVisible();
  await page.goBack();
  await expect(page).toHaveURL(/\?range=24h$/);
  await expect(page.getByRole("heading", { name: "Results", exact: true })).toBeVisible();
  await drag();
  await expect(page).toHaveURL(/since=/);
  await page.keyboard.press("Escape");
  await expect(page).not.toHaveURL(/since=/);
  await drag();
  await expect(page).toHaveURL(/since=/);
  await page.getByRole("button", { name: "back to 24h" }).click();
  await expect(page).not.toHaveURL(/since=/);
});

test("lists every result, more of them on demand, and only the failures", async ({ page, town }) => {
  const { target_id } = (await town.get("/api/v1/incidents?limit=1")).items[0];
  await open(page, `${town.url}/t/${target_id}`);
  const results = page.locator("section").filter({ has: page.getByRole("heading", { name: "Results", exact: true }) });
  await expect(results.getByRole("row")).toHaveCount(26);
  await results.getByRole("button", { name: "Load older" }).click();
  await expect.poll(() => results.getByRole("row").count()).toBeGreaterThan(100);
  await results.getByRole("button", { name: "only not up" }).click();
  await expect(results.getByRole("cell", { name: "up", exact: true })).toHaveCount(0);
});

test("saves the results of the span as CSV", async ({ page, town }) => {
  const target = await first(town, "icmp");
  const until = new Date(Date.now() - 6 * 3_600_000);
  const since = new Date(until.getTime() - 2 * 3_600_000);
  const span = `since=${since.toISOString()}&until=${until.toISOString()}`;
  const { items } = await town.get(`/api/v1/targets/${target.id}/results?limit=1000&${span}`);
  expect(items.length).toBeGreaterThan(50);
  await open(page, `${town.url}/t/${target.id}?${span}`);
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "CSV" }).click()]);
  expect(download.suggestedFilename()).toMatch(/\.csv$/);
  const lines = readFileSync(await download.path(), "utf8")
    .trim()
    .split(/\r?\n/);
  expect(lines).toHaveLength(items.length + 1);
  expect(lines[0]).toMatch(/^ts,/);
  expect(lines.slice(1).map((line) => line.slice(0, 19))).toEqual(items.map(({ ts }: { ts: string }) => ts.slice(0, 19)));
});

test("packets come in before one's eyes", async ({ page, start }) => {
  const pingu = await start({ targets: [{ name: "loopback", type: "icmp", host: "127.0.0.1", interval_seconds: 1 }] });
  await pingu.probed();
  await open(page, `${pingu.url}/t/loopback`);
  const results = page.locator("section").filter({ has: page.getByRole("heading", { name: "Results", exact: true }) });
  const before = await results.getByRole("row").count();
  await expect.poll(() => results.getByRole("row").count()).toBeGreaterThan(before + 1);
});

test("a target without results says so, and one that is paused too", async ({ page, start }) => {
  const pingu = await start({
    targets: [
      { name: "off", type: "icmp", host: "127.0.0.1", enabled: false },
      { name: "loopback", type: "icmp", host: "127.0.0.1", interval_seconds: 1 },
    ],
  });
  await open(page, `${pingu.url}/t/off`);
  await expect(page.getByText(/Paused\. It is disabled in the targets file/)).toBeVisible();
});

test("an HTTP target tells where the time goes", async ({ page, village }) => {
  await open(page, `${village.url}/t/wiki`);
  await expect(page.getByRole("heading", { name: "Where the time goes" })).toBeVisible();
  await expect(page.getByRole("heading", { name: "Last request" })).toBeVisible();
});
