// Texts from outside are text: they run nothing, load nothing, deceive nobody and break no layout.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, list, open, type Page, row, test } from "./test.ts";

const PAYLOADS = [
  `<img src=x onerror="window.hit=1">`,
  `<script>window.hit=1</script>`,
  `"><svg onload=window.hit=1>`,
  `' onmouseover='window.hit=1`,
  `{{constructor.constructor('window.hit=1')()}}`,
  "javascript:window.hit=1",
  `</title><iframe srcdoc="<script>parent.hit=1</script>">`,
];

// of a target that is none
test.use({ allowed: [/status of 404/] });

const hit = () => (globalThis as { hit?: number }).hit;

test("payloads in every text of the file and of an answer are shown as text and run nothing", async ({ page, start }) => {
  const web = createServer((_, answer) => {
    answer.statusMessage = "<img src=x onerror=window.hit=1>";
    answer.statusCode = 500;
    answer.setHeader("location", "javascript:window.hit=1");
    answer.end(PAYLOADS.join("\n"));
  });
  await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(web.address() as AddressInfo).port}/?q=${encodeURIComponent(PAYLOADS[0] ?? "")}&<script>window.hit=1</script>`;
  const targets = PAYLOADS.map((text, at) => ({
    name: `${at} ${text}`,
    type: "http",
    url,
    group: text,
    tags: [text.slice(0, 50).replaceAll(",", "")],
    description: text,
    expect_body: "never",
    interval_seconds: 1,
  }));
  const pingu = await start({ targets });
  await pingu.probed();
  // every row is in view
  await page.setViewportSize({ width: 1280, height: 2400 });
  await open(page, pingu.url);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText(`${PAYLOADS.length} down`);
  for (const [at, text] of PAYLOADS.entries()) {
    await expect(row(page, `${at} ${text}`)).toBeVisible();
    await expect(list(page).getByRole("button").filter({ hasText: text })).toBeVisible();
  }
  await page.getByRole("button", { name: "Tiles" }).click();
  for (const link of await list(page).getByRole("link").all()) await link.hover();
  await expect(page.getByRole("tooltip")).toBeVisible();

  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Jump to a target or page" }).fill("script");
  await expect(page.getByRole("dialog").getByRole("option").first()).toContainText("script");
  await page.keyboard.press("Escape");
  const { items } = await pingu.get("/api/v1/targets");
  for (const path of [
    ...items.map(({ id }: { id: string }) => `/t/${id}`),
    "/incidents",
    `/compare?t=${items[0].id},${items[1].id}`,
    "/about",
  ]) {
    await page.goto(pingu.url + path);
    await expect(page.getByRole("main").getByRole("heading").first()).toBeVisible();
  }
  for (const query of ["?q=", "?group=", "?is=", "?sort="]) {
    await page.goto(`${pingu.url}/${query}${encodeURIComponent(PAYLOADS[0] ?? "")}`);
    await expect(page.getByRole("heading", { level: 1 })).toHaveText(`${PAYLOADS.length} down`);
  }
  await page.goto(`${pingu.url}/t/${encodeURIComponent("<img src=x onerror=window.hit=1>")}`);
  await expect(page.getByRole("main")).toContainText("No such target");
  expect(await page.evaluate(hit)).toBe(undefined);
  web.closeAllConnections();
  web.close();
});

for (const [width, height] of [
  [1280, 800],
  [360, 740],
] as const)
  test(`names of 300 characters break nothing at ${width} pixels`, async ({ page, start }) => {
    const long = (text: string) => text.repeat(300).slice(0, 300);
    const closed = { type: "tcp", host: "127.0.0.1", port: 1, interval_seconds: 1 };
    const pingu = await start({
      targets: [
        { ...closed, name: long("W"), group: long("G").slice(0, 100), tags: ["t".repeat(50)] },
        { ...closed, name: long("ab "), description: long("d ") },
        { ...closed, name: long("名前") },
      ],
    });
    await pingu.probed();
    await page.setViewportSize({ width, height });
    for (const view of ["/", "/?view=tiles", "/?view=tiles&kiosk=1"]) {
      await open(page, pingu.url + view);
      await expect(list(page).getByRole("link").first()).toBeVisible();
      await expectNoSidewaysScroll(page);
    }
  });

async function expectNoSidewaysScroll(page: Page) {
  expect(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)).toBe(0);
}
