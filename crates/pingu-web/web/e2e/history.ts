// A database with a plausible history, made once by the tool that `make fill` runs, and copied for each Pingu that is started on it.

import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { built, Pingu, target } from "./pingu.ts";

/** What CI can afford: half a million results, ten seconds of one core in a debug build. */
export const CI = ["--targets", "240", "--days", "3", "--interval", "120"];
/** It ends when it was made. One older than this has no last hours to show. */
const FRESH = 4 * 3_600_000;

/** Where the history with these options is. */
function place(options: string[]): string {
  return join(target, "e2e", options.join("").replaceAll("--", "-").slice(1));
}

/** Fills a database, unless there is a recent one. */
export function fill(options: string[] = CI): string {
  const folder = place(options);
  const [stamp, tool] = [join(folder, "until"), join(built, "fill")];
  const made = existsSync(stamp) ? Number(readFileSync(stamp, "utf8")) : 0;
  // another tool may fill otherwise
  if (Date.now() - made < FRESH && statSync(tool).mtimeMs < made) return folder;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const now = Date.now();
  const where = ["--database", "sqlite://filled.db", "--file", "targets.yaml", "--until", new Date(now).toISOString()];
  execFileSync(tool, [...options, ...where], { cwd: folder, stdio: ["ignore", "ignore", "inherit"], timeout: 10 * 60_000 });
  writeFileSync(stamp, String(now));
  return folder;
}

/** A Pingu on such a history. Its URLs lead to itself. */
export async function filled(options: string[] = CI, command?: string): Promise<Pingu> {
  const from = fill(options);
  return Pingu.start({
    targets: [],
    command,
    environment: { DATABASE_URL: "sqlite://filled.db" },
    prepare(folder, port) {
      for (const name of readdirSync(from)) if (name.startsWith("filled.db")) copyFileSync(join(from, name), join(folder, name));
      writeFileSync(join(folder, "targets.yaml"), readFileSync(join(from, "targets.yaml"), "utf8").replaceAll(":8000/", `:${port}/`));
    },
  });
}

/** Before all tests. */
export default function setup(): void {
  fill();
}
