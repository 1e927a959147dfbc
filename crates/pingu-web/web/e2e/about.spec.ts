// How Pingu itself is.

import { expect, open, test } from "./test.ts";

test("tells version, where every result is, and what the file lacks", async ({ page, start }) => {
  const pingu = await start({ targets: [{ name: "loopback", type: "icmp", host: "127.0.0.1", interval_seconds: 1 }] });
  await pingu.probed();
  const { version } = await pingu.get("/version");
  await open(page, `${pingu.url}/about`);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText(`Pingu ${version}`);
  await expect(page.getByRole("heading", { name: "Where every result is" })).toBeVisible();
  await expect(page.getByText(/\d+ produced/)).toBeVisible();
  pingu.write("targets:\n  - name: loopback\n    type: icmp\n    hots: 127.0.0.1\n");
  await expect(page.getByText(/hots/).first()).toBeVisible();
  await expect(page.getByText(/did you mean/).first()).toBeVisible();
});
