// The packets of results, one by one. Pure.

import type { Result } from "./results.svelte.ts";

export interface Dot {
  /** When, in milliseconds. */
  at: number;
  /** How long it took, in microseconds; null of a lost one. */
  us: number | null;
}

/** Packets of one probe are drawn beside each other, over this share of the time to the next one. */
const SPREAD = 0.5;

/** The packets of these results since `since`. A probe that could not be made sent none. */
export function dots(results: readonly Result[], since: number, intervalSeconds: number): Dot[] {
  const found: Dot[] = [];
  for (const { ts, outcome, latency_us, packets } of results) {
    const at = Date.parse(ts);
    if (at < since) break;
    if (outcome === "unknown") continue;
    if (packets?.rtts_us?.length) {
      const apart = (intervalSeconds * 1000 * SPREAD) / packets.rtts_us.length;
      packets.rtts_us.forEach((us, nth) => {
        found.push({ at: at + nth * apart, us });
      });
    } else found.push({ at, us: latency_us ?? null });
  }
  return found;
}

/** How far back to look so that there is something to see: a minute, or as long as twenty probes take. */
export const lookback = (intervalSeconds: number, perProbe: number): number =>
  Math.max(60, (perProbe > 4 ? 10 : 20) * intervalSeconds) * 1000;
