// The page shows the present by itself, says when it cannot, and is never wrong about time.

import { Door } from "./pingu.ts";
import { expect, list, open, row, test } from "./test.ts";

const gate = (door: Door) => ({ name: "gate", type: "tcp", host: "127.0.0.1", port: door.port, interval_seconds: 1 });
const loopback = { name: "loopback", type: "icmp", host: "127.0.0.1", interval_seconds: 1 };

test("a target goes down and comes back before one's eyes", async ({ page, start }) => {
  const door = await Door.open();
  const pingu = await start({ targets: [gate(door), loopback] });
  await open(page, pingu.url);
  const [mark, sentence] = [row(page, "gate").getByRole("img").first(), page.getByRole("heading", { level: 1 })];
  await expect(mark).toHaveAccessibleName("up");
  await expect(sentence).toHaveText("All 2 up");
  await expect(page).toHaveTitle("Pingu");

  await door.close();
  await expect(mark).toHaveAccessibleName("down");
  await expect(sentence).toHaveText("1 down");
  await expect(page).toHaveTitle("(1 down) Pingu");
  const attention = page.getByRole("region", { name: "Needs attention" });
  await expect(attention.getByRole("link")).toHaveText(/gate.*refused/s);
  await expect(row(page, "gate")).toContainText(/refused/);
  await expect(row(page, "gate").getByRole("img", { name: /^last \d+ results: .*\d+ down/ })).toBeVisible();

  await door.open();
  await expect(mark).toHaveAccessibleName("up");
  await expect(sentence).toHaveText("All 2 up");
  await expect(page).toHaveTitle("Pingu");
  await expect(attention).toHaveCount(0);
  await door.close();
});

test("the order rests while somebody points into the list", async ({ page, start }) => {
  const [door, closed] = [await Door.open(), await Door.open()];
  await closed.close();
  const pingu = await start({
    // of what is down from the beginning there is a card above the list, so that a second one moves nothing
    targets: [
      { ...gate(closed), name: "broken" },
      { ...loopback, name: "alpha" },
      { ...loopback, name: "beta" },
      { ...gate(door), name: "gamma" },
    ],
  });
  await pingu.probed();
  await open(page, pingu.url);
  const names = list(page).getByRole("link").locator("strong");
  await expect(names).toHaveText(["broken", "alpha", "beta", "gamma"]);
  await row(page, "alpha").hover();
  await door.close();
  await expect(row(page, "gamma").getByRole("img").first()).toHaveAccessibleName("down");
  await expect(names).toHaveText(["broken", "alpha", "beta", "gamma"]);
  await page.getByRole("heading", { level: 1 }).hover();
  await expect(names).toHaveText(["broken", "gamma", "alpha", "beta"]);
});

test("targets come and go as the file says", async ({ page, start }) => {
  const pingu = await start({ targets: [] });
  await open(page, pingu.url);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("No targets yet");
  await expect(page.getByRole("heading", { name: "Tell Pingu what to watch" })).toBeVisible();
  await expect(page.getByText("- name: router")).toBeVisible();
  pingu.write([loopback]);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("The only target is up");
  await expect(row(page, "loopback")).toBeVisible();
  pingu.write([loopback, { ...loopback, name: "another" }]);
  await expect(row(page, "another")).toBeVisible();
  pingu.write([{ ...loopback, name: "another" }]);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText(/The only target is up|All 1 up/);
});

test.describe("while Pingu is away", () => {
  test.use({
    allowed: [/Failed to load resource: net::ERR_(CONNECTION_REFUSED|INCOMPLETE_CHUNKED_ENCODING|CONNECTION_RESET|EMPTY_RESPONSE)/],
  });

  test("the page says that it shows the past, greys it, and comes back by itself", async ({ page, start }) => {
    const pingu = await start({ targets: [loopback] });
    await open(page, pingu.url);
    await expect(page.getByText("live", { exact: true })).toBeVisible();
    const faint = () =>
      row(page, "loopback").evaluate((it) => {
        let opacity = 1;
        for (let at: Element | null = it; at; at = at.parentElement) opacity *= Number(getComputedStyle(at).opacity);
        return opacity < 0.9;
      });
    await expect.poll(faint).toBe(false);

    await pingu.stop();
    const banner = page.getByRole("status").filter({ hasText: "Reconnecting… what you see is" });
    await expect(banner).toBeVisible();
    await expect(page.getByText("reconnecting…", { exact: true })).toBeVisible();
    await expect(row(page, "loopback")).toBeVisible();
    await expect.poll(faint).toBe(true);

    await pingu.start();
    await expect(page.getByText("live", { exact: true })).toBeVisible();
    await expect(banner).toHaveCount(0);
    await expect.poll(faint).toBe(false);
    const beats = row(page, "loopback").getByRole("img", { name: /^last \d+ results/ });
    const before = (await beats.getAttribute("aria-label")) ?? "";
    await expect(beats).not.toHaveAccessibleName(before);
  });

  test("a page that is opened then says so, and tries again on demand", async ({ page, start }) => {
    const pingu = await start({ targets: [loopback] });
    // the page is there, its data is not
    await page.route("**/api/v1/targets?**", (route) => route.abort("connectionrefused"));
    await page.goto(pingu.url);
    await expect(page.getByRole("alert")).toContainText("The targets could not be read");
    // by itself it asks every three seconds: so often in so short a time is on demand
    let asked = 0;
    page.on("request", (request) => {
      if (request.url().includes("/api/v1/targets?")) asked += 1;
    });
    for (let time = 1; time <= 3; time += 1) {
      await page.getByRole("button", { name: "Retry" }).click();
      await expect.poll(() => asked, { timeout: 900, intervals: [50] }).toBeGreaterThanOrEqual(time);
    }
    await page.unroute("**/api/v1/targets?**");
    await expect(row(page, "loopback")).toBeVisible();
  });
});

test("a targets file that is refused is told with its place, and no longer when it is right", async ({ page, start }) => {
  const pingu = await start({ targets: [loopback] });
  await open(page, pingu.url);
  pingu.write("targets:\n  - name: loopback\n    type: icmp\n    hots: 127.0.0.1\n");
  const banner = page.getByRole("alert");
  await expect(banner).toContainText(/The targets file was refused, the last good one stays: 4:\d+ /);
  await expect(banner).toContainText("hots");
  await expect(row(page, "loopback")).toBeVisible();
  await page.reload();
  await expect(banner).toContainText("hots");
  pingu.write([loopback]);
  await expect(banner).toHaveCount(0);
});

for (const [what, hours] of [
  ["behind", -5],
  ["ahead", 5],
] as const)
  test(`durations are right where this device's clock is ${what}`, async ({ page, start }) => {
    await page.addInitScript((shift) => {
      const Real = Date;
      globalThis.Date = class extends Real {
        constructor(...given: []) {
          super(...((given.length ? given : [Real.now() + shift]) as []));
        }
        static override now() {
          return Real.now() + shift;
        }
      } as DateConstructor;
    }, hours * 3_600_000);
    const door = await Door.open();
    await door.close();
    const pingu = await start({ targets: [gate(door)] });
    await pingu.probed();
    await open(page, pingu.url);
    // seconds, not hours
    await expect(page.getByRole("region", { name: "Needs attention" }).getByRole("link")).toContainText(/\b[1-9]\d?\u00a0s/);
    await expect(page.getByRole("status").filter({ hasText: "Reconnecting" })).toHaveCount(0);
  });

test("a target without results waits, and one with a single result is shown with it", async ({ page, start }) => {
  const pingu = await start({ targets: [loopback, { ...loopback, name: "never", enabled: false }] });
  await open(page, pingu.url);
  await expect(row(page, "never").getByRole("img", { name: "no results yet" })).toBeVisible();
  await expect(row(page, "never").getByRole("img", { name: "paused" })).toBeVisible();
  pingu.write([loopback, { ...loopback, name: "once", interval_seconds: 3600 }]);
  await expect(row(page, "once").getByRole("img", { name: "last 1 results: 1 up" })).toBeVisible();
});
