// What every test stands on: a page that may neither complain nor break its policy, and Pingus that end with the test.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test as base, type Page } from "@playwright/test";
import { filled } from "./history.ts";
import { Door, type Options, Pingu } from "./pingu.ts";

export { expect, type Page } from "@playwright/test";
export type { Pingu } from "./pingu.ts";

interface Fixtures {
  /** What a console may say in this test. */
  allowed: RegExp[];
  /** Starts a Pingu that ends with the test. */
  start: (options: Options) => Promise<Pingu>;
  /** Fails the test where any page complained. */
  silence: undefined;
}
interface Shared {
  /** A Pingu with 240 targets and their history, for all who only read. */
  town: Pingu;
  /** A Pingu with a target in each state, which it stays in: see `village`. */
  village: Pingu;
}

export const test = base.extend<Fixtures, Shared>({
  allowed: [[], { option: true }],

  silence: [
    async ({ context, allowed }, use) => {
      const complaints: string[] = [];
      const complain = (text: string) => {
        if (!allowed.some((pattern) => pattern.test(text))) complaints.push(text);
      };
      context.on("console", (message) => {
        if (["error", "warning"].includes(message.type())) complain(`${message.type()}: ${message.text()} (${message.location().url})`);
      });
      context.on("weberror", (error) => complain(`thrown: ${error.error().stack ?? error.error().message}`));
      await context.addInitScript(() => {
        document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sourceFile, lineNumber }) => {
          console.error(`against the policy: ${violatedDirective} ${blockedURI} ${sourceFile}:${lineNumber}`);
        });
      });
      await use(undefined);
      if (complaints.length > 0) throw new Error(`the page complained:\n${complaints.join("\n")}`);
    },
    { auto: true },
  ],

  start: async ({ context }, use) => {
    const started: Pingu[] = [];
    await use(async (options) => {
      const pingu = await Pingu.start(options);
      started.push(pingu);
      return pingu;
    });
    // a page that is still there would complain that nobody answers
    for (const page of context.pages()) await page.close();
    for (const pingu of started) await pingu.end();
  },

  town: [
    async ({ browserName: _ }, use) => {
      const town = await filled();
      await use(town);
      await town.end();
    },
    { scope: "worker", timeout: 60_000 },
  ],

  village: [
    async ({ browserName: _ }, use) => {
      const [open, closed] = [await Door.open(), await Door.open()];
      await closed.close();
      const web = createServer((request, answer) => {
        setTimeout(() => answer.end("fine"), request.url === "/slow" ? 60 : 0);
      });
      await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
      const url = `http://127.0.0.1:${(web.address() as AddressInfo).port}`;
      const often = { interval_seconds: 1 };
      const village = await Pingu.start({
        targets: [
          { name: "front door", type: "tcp", host: "127.0.0.1", port: open.port, group: "Home", tags: ["edge", "critical"], ...often },
          { name: "garden wall", type: "tcp", host: "127.0.0.1", port: closed.port, group: "Home", tags: ["edge"], ...often },
          { name: "attic", type: "tcp", host: "127.0.0.1", port: open.port, group: "Home", enabled: false, ...often },
          { name: "shop", type: "http", url: `${url}/slow`, slow_ms: 20, group: "Web", tags: ["web"], ...often },
          { name: "wiki", type: "http", url: `${url}/wiki`, group: "Web", tags: ["web"], description: "everything we know", ...often },
          { name: "loopback", type: "icmp", host: "127.0.0.1", ...often },
        ],
      });
      await village.probed();
      await use(village);
      await village.end();
      web.closeAllConnections();
      web.close();
      await open.close();
    },
    { scope: "worker", timeout: 60_000 },
  ],
});

/** The list of targets. */
export const list = (page: Page) => page.getByRole("group", { name: /^Targets, / });

/** The row or tile of a target. */
export const row = (page: Page, name: string | RegExp) =>
  list(page).getByRole("link", { name: typeof name === "string" ? new RegExp(name.replace(/[^\w ]/g, "\\$&")) : name });

/** The page, with the list of targets on it. */
export async function open(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await page.getByRole("main").getByRole("heading", { level: 1 }).and(page.locator(":not(.skeleton)")).waitFor();
}
