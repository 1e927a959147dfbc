// Who may read: with API_TOKEN set people show it once.

import { expect, open, row, test } from "./test.ts";

const API_TOKEN = "correct-horse-battery-staple";

test.use({ allowed: [/Failed to load resource: the server responded with a status of 401/] });

test("a token opens the page, a wrong one does not, and signing out closes it", async ({ page, start, context }) => {
  const pingu = await start({
    targets: [{ name: "loopback", type: "icmp", host: "127.0.0.1", interval_seconds: 1 }],
    environment: { API_TOKEN },
  });
  await page.goto(pingu.url);
  await expect(page.getByRole("heading", { name: "Sign in to Pingu" })).toBeVisible();
  await expect(row(page, "loopback")).toHaveCount(0);
  const token = page.getByLabel("Token");
  await expect(token).toBeFocused();

  await token.fill("correct-horse-battery-stapl");
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("alert")).toContainText("This is not the token");

  await token.fill(API_TOKEN);
  await token.press("Enter");
  await expect(row(page, "loopback")).toBeVisible();
  // the stream of events goes by the session, too
  await expect(page.getByText("live", { exact: true })).toBeVisible();
  const beats = row(page, "loopback").getByRole("img", { name: /^last \d+ results/ });
  const before = (await beats.getAttribute("aria-label")) ?? "";
  await expect(beats).not.toHaveAccessibleName(before);

  // no script can read what was given, and nothing of it is kept where one could
  expect(await page.evaluate(() => document.cookie + JSON.stringify({ ...localStorage, ...sessionStorage }))).not.toContain(API_TOKEN);
  expect((await context.cookies()).every((cookie) => cookie.httpOnly)).toBe(true);

  await page.reload();
  await expect(row(page, "loopback")).toBeVisible();
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByRole("heading", { name: "Sign in to Pingu" })).toBeVisible();
  await page.reload();
  await expect(page.getByRole("heading", { name: "Sign in to Pingu" })).toBeVisible();
});

test("without a token nobody is asked to sign in or out", async ({ page, village }) => {
  await open(page, village.url);
  await expect(page.getByText("live", { exact: true })).toBeVisible();
  await expect(page.getByRole("button", { name: "Sign out" })).toHaveCount(0);
});
