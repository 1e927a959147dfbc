// Measures what docs/performance.md says of the dashboard, on the optimised program: `make web-hold` prints the table.

import { readdirSync } from "node:fs";
import { cpus, loadavg, release } from "node:os";
import { join, resolve } from "node:path";
import { filled } from "./history.ts";
import { expect, list, open, type Page, row, test } from "./test.ts";
import { zipped } from "./zipped.ts";

test.describe.configure({ mode: "serial", timeout: 240_000 });

interface Figure {
  what: string;
  how: string;
  figure: string;
  hold: string;
  ratio: string;
}
const figures: Figure[] = [];

function tell(what: string, how: string, value: number, unit: string, hold: number | null): void {
  const figure = `${value < 10 ? value.toFixed(2) : value.toFixed(value < 100 && !Number.isInteger(value) ? 1 : 0)} ${unit}`;
  figures.push({
    what,
    how,
    figure,
    hold: hold === null ? "" : `≤ ${hold} ${unit}`,
    ratio: hold === null ? "" : (value / hold).toFixed(2),
  });
}

const quantile = (values: number[], share: number): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
};

/** Ten thousand targets, each with results. */
const many = (interval: number) =>
  Array.from({ length: 10_000 }, (_, at) => ({
    name: `host ${at}`,
    type: "icmp",
    host: `127.${10 + Math.floor(at / 250)}.${at % 250}.1`,
    interval_seconds: interval,
    group: `rack ${at % 100}`,
    tags: [`row-${at % 7}`],
  }));

/** Milliseconds from the begin of the navigation until the first rows are on the screen. */
async function paintedAfter(page: Page, url: string): Promise<number> {
  await page.goto(url, { waitUntil: "commit" });
  const painted = await page.waitForFunction(() => (globalThis as { painted?: number }).painted, undefined, { polling: 50 });
  return (await painted.jsonValue()) as number;
}

const watchRows = (): void => {
  const look = () => {
    if (!document.querySelector("main a[data-id]")) return requestAnimationFrame(look);
    // the frame after the one with the rows in it
    requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => {
        (globalThis as { painted?: number }).painted = performance.now();
      };
      channel.port2.postMessage(null);
    });
  };
  requestAnimationFrame(look);
};

test("what is loaded", async ({ page, village }) => {
  const scripts = new Set<string>();
  let [requests, bytes] = [0, 0];
  const client = await page.context().newCDPSession(page);
  await client.send("Network.enable");
  client.on("Network.loadingFinished", ({ encodedDataLength }) => {
    bytes += encodedDataLength;
  });
  page.on("request", (request) => {
    requests += 1;
    if (request.resourceType() === "script") scripts.add(request.url());
  });
  await open(page, village.url);
  await expect(row(page, "wiki")).toBeVisible();
  await page.waitForLoadState("load");
  const first = await Promise.all([...scripts].map(zipped));
  const folder = resolve(import.meta.dirname, "../dist/assets");
  const all = readdirSync(folder).filter((name) => name.endsWith(".js"));
  const sizes = await Promise.all(all.map((name) => zipped(`${village.url}/${join("assets", name)}`)));
  const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0) / 1000;
  tell("scripts of the first page", "gzip", sum(first), "kB", 45);
  tell("scripts of all pages", "gzip", sum(sizes), "kB", 110);
  tell("the first page", "all that is loaded for 6 targets, brotli, headers included", bytes / 1000, "kB", null);
  tell("the first page", "requests, the stream of events included", requests, "requests", null);
});

test("ten thousand targets", async ({ browser, start }) => {
  const pingu = await start({ targets: many(10) });
  await pingu.probed();
  const times: number[] = [];
  // the first one warms the server up
  for (let at = 0; at < 6; at += 1) {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.addInitScript(watchRows);
    const time = await paintedAfter(page, pingu.url);
    if (at > 0) times.push(time / 1000);
    await context.close();
  }
  tell("10,000 targets on the screen", "from the begin of the navigation, nothing cached; median of 5", quantile(times, 0.5), "s", 1);

  const page = await browser.newPage();
  await open(page, pingu.url);
  await expect(list(page)).toHaveAccessibleName("Targets, 10,000 shown");
  const frames = await page.evaluate(async () => {
    const gaps: number[] = [];
    let [last, down] = [0, 1];
    const end = performance.now() + 8000;
    await new Promise<void>((done) => {
      const frame = (now: number) => {
        if (last) gaps.push(now - last);
        last = now;
        scrollBy(0, 40 * down);
        if (scrollY + innerHeight >= document.documentElement.scrollHeight || scrollY === 0) down = -down;
        if (performance.now() < end) requestAnimationFrame(frame);
        else done();
      };
      requestAnimationFrame(frame);
    });
    return gaps;
  });
  await page.close();
  const how = "between two frames, scrolling for 8 s while 1,000 results a second come in";
  tell("10,000 targets, scrolling", `${how}; 95th percentile`, quantile(frames, 0.95), "ms", 20);
  tell("10,000 targets, scrolling", "the same; median", quantile(frames, 0.5), "ms", null);
});

test("a range of a target", async ({ page }) => {
  const options = ["--targets", "60", "--days", "30"];
  const pingu = await filled(options);
  try {
    const [target] = (await pingu.get("/api/v1/targets?type=icmp&limit=1")).items;
    // each time that something draws a whole chart anew
    await page.addInitScript(() => {
      const state = globalThis as unknown as { drawn: number };
      const { clearRect } = CanvasRenderingContext2D.prototype;
      CanvasRenderingContext2D.prototype.clearRect = function (...box) {
        clearRect.apply(this, box);
        if (this.canvas.clientWidth < 500) return;
        requestAnimationFrame(() => {
          const channel = new MessageChannel();
          channel.port1.onmessage = () => {
            state.drawn = performance.now();
          };
          channel.port2.postMessage(null);
        });
      };
    });
    await open(page, `${pingu.url}/t/${target.id}`);
    const ranges = page.getByRole("group", { name: "Range" }).getByRole("button");
    await expect(ranges.first()).toBeVisible();
    const times: number[] = [];
    for (let round = 0; round < 3; round += 1)
      for (const name of ["1h", "24h", "7d", "30d"]) {
        const button = ranges.getByText(name, { exact: true });
        // a hand rests for that long before it clicks
        await button.hover();
        await page.waitForTimeout(200);
        const time = await button.evaluate(async (it: HTMLElement) => {
          const state = globalThis as unknown as { drawn: number };
          state.drawn = 0;
          const begin = performance.now();
          it.click();
          for (const end = begin + 5000; state.drawn === 0 && performance.now() < end; ) await new Promise((done) => setTimeout(done, 1));
          // what comes after the first drawing counts too
          let last = 0;
          while (last !== state.drawn) {
            last = state.drawn;
            await new Promise((done) => setTimeout(done, 150));
          }
          return last - begin;
        });
        times.push(time);
      }
    const how = "from the click to the drawn chart, pointed at for 200 ms before";
    tell("another range of a target", `${how}; median of ${times.length}`, quantile(times, 0.5), "ms", 80);
    tell("another range of a target", "the same; the slowest", quantile(times, 1), "ms", null);
  } finally {
    await page.close();
    await pingu.end();
  }
});

test.afterAll(() => {
  const load = loadavg()
    .map((number) => number.toFixed(1))
    .join(", ");
  console.log(`\nChromium on ${cpus().length} cores (${cpus()[0]?.model}), Linux ${release()}, load ${load}\n`);
  console.log("| what | how | figure | hold | ratio |\n| --- | --- | --- | --- | --- |");
  for (const { what, how, figure, hold, ratio } of figures) console.log(`| ${what} | ${how} | ${figure} | ${hold} | ${ratio} |`);
});
