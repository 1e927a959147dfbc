// The real program in a folder of its own: started, stopped, started again; and what it may probe.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "../../../..");
export const target = resolve(root, process.env.CARGO_TARGET_DIR ?? "target");
/** The folder of the build that is tested: `debug`, or `release` where time is measured. */
export const built = join(target, process.env.PINGU_BUILD ?? "debug");

/** Far more than anything takes: only a fault reaches it. */
const PATIENCE = 20_000;

export interface Options {
  /** Those of the file, or the whole file. */
  targets: object[] | string;
  environment?: Record<string, string>;
  /** `run` or one of its halves. */
  command?: string;
  /** What has to be in the folder before it starts. */
  prepare?: (folder: string, port: number) => void;
}

export class Pingu {
  readonly folder = mkdtempSync(join(tmpdir(), "pingu-e2e-"));
  readonly #options: Options;
  #port = 0;
  #child: ChildProcess | null = null;
  #log = "";

  private constructor(options: Options) {
    this.#options = options;
  }

  static async start(options: Options): Promise<Pingu> {
    const pingu = new Pingu(options);
    try {
      pingu.#port = await freePort();
      pingu.write(options.targets);
      options.prepare?.(pingu.folder, pingu.#port);
      await pingu.start();
    } catch (error) {
      await pingu.end().catch(() => {});
      throw error;
    }
    return pingu;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get log(): string {
    return this.#log;
  }

  /** As an editor does it: a new file takes the old one's place. */
  write(targets: object[] | string): void {
    // JSON is YAML
    const text = typeof targets === "string" ? targets : JSON.stringify({ targets }, null, 1);
    writeFileSync(join(this.folder, "targets.new"), text);
    renameSync(join(this.folder, "targets.new"), join(this.folder, "targets.yaml"));
  }

  /** Again on the same address, too. */
  async start(): Promise<void> {
    const child = spawn(join(built, "pingu"), [this.#options.command ?? "run"], {
      cwd: this.folder,
      env: { PATH: process.env.PATH, LISTEN: `127.0.0.1:${this.#port}`, ...this.#options.environment },
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#child = child;
    child.stderr?.on("data", (text) => {
      this.#log += text;
    });
    const failed = new Promise<never>((_, reject) => child.on("error", reject));
    const ready = until("Pingu to be ready", async () => {
      if (child.exitCode !== null) throw new Ended(`Pingu ended at once:\n${this.#log}`);
      return (await fetch(`${this.url}/readyz`)).ok;
    });
    await Promise.race([ready, failed]);
  }

  /** Asks it to stop, and waits until it has. */
  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (!child || child.exitCode !== null) return;
    const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    const late = setTimeout(() => child.kill("SIGKILL"), PATIENCE);
    const code = await ended;
    clearTimeout(late);
    if (code !== 0) throw new Error(`Pingu did not end as it should (${code}):\n${this.#log}`);
  }

  /** For good. Fails where the log tells of a fault. */
  async end(): Promise<void> {
    try {
      await this.stop();
    } finally {
      rmSync(this.folder, { recursive: true, force: true });
    }
    const faults = this.#log
      .split("\n")
      .filter((line) => /panicked| ERROR /.test(line) && !line.includes("the targets file was not applied"));
    if (faults.length > 0) throw new Error(`the log tells of a fault:\n${this.#log}`);
  }

  /** What the API answers. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers as they come
  async get(path: string): Promise<any> {
    const answer = await fetch(this.url + path);
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  /** Waits until every target has a result. */
  async probed(): Promise<void> {
    await until("results of every target", async () => {
      const [targets, latest] = [await this.get("/targets"), await this.get("/results/latest-by-target")];
      return latest.items.length >= targets.items.length;
    });
  }
}

/** No use in trying again. */
class Ended extends Error {}

/** Asks until it is so. What fails is asked again. */
export async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + PATIENCE;
  let last: unknown = "it is not so";
  while (performance.now() < end) {
    try {
      if (await holds()) return;
    } catch (error) {
      if (error instanceof Ended) throw error;
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`waited in vain for ${what}: ${last}`);
}

export async function freePort(): Promise<number> {
  const door = await Door.open();
  await door.close();
  return door.port;
}

/** A port of this machine that takes connections while it is open. */
export class Door {
  port: number;
  #server: Server | null = null;

  constructor(port = 0) {
    this.port = port;
  }

  static async open(): Promise<Door> {
    const door = new Door();
    await door.open();
    return door;
  }

  async open(): Promise<void> {
    const server = createServer((socket) => socket.on("error", () => {}).end());
    await new Promise<void>((resolve, reject) => server.once("error", reject).listen(this.port, "127.0.0.1", resolve));
    this.port = (server.address() as { port: number }).port;
    this.#server = server;
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server) await new Promise((resolve) => server.close(resolve));
  }
}
