// What the page of a target shows, as its address says it. Pure.

import { DAY, HOUR, parse } from "../../model/time.ts";

export const RANGES = { "1h": HOUR, "6h": 6 * HOUR, "24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY, "90d": 90 * DAY, "1y": 365 * DAY } as const;
export type Range = keyof typeof RANGES;
export const RANGE_NAMES = Object.keys(RANGES) as Range[];
export const USUAL: Range = "24h";

/** A range as the window of a summary. */
export const windowOf = (range: Range): string => (range === "1y" ? "365d" : range);

/** A range in words: `the last 24 hours`. */
export const RANGE_WORDS: Record<Range, string> = {
  "1h": "the last hour",
  "6h": "the last 6 hours",
  "24h": "the last 24 hours",
  "7d": "the last 7 days",
  "30d": "the last 30 days",
  "90d": "the last 90 days",
  "1y": "the last year",
};

export interface Span {
  since: number;
  until: number;
}

export interface View {
  /** What is shown unless somebody zoomed, and where one comes back to from there. */
  range: Range;
  /** The part that somebody zoomed to; null where the end is now. */
  zoomed: Span | null;
  log: boolean;
  outliers: boolean;
}

/** The least that one can zoom to. */
const LEAST = 10_000;

export function view(query: URLSearchParams, usual: Range = USUAL): View {
  const range = query.get("range") ?? "";
  const [since, until] = [parse(query.get("since")), parse(query.get("until"))];
  return {
    range: Object.hasOwn(RANGES, range) ? (range as Range) : usual,
    zoomed: since !== null && until !== null && until - since >= 1000 ? { since, until } : null,
    log: query.get("log") === "1",
    outliers: query.get("outliers") !== "0",
  };
}

/** An instant in the query: to the second, as nobody zooms finer. */
export const stamp = (ms: number): string => new Date(Math.round(ms / 1000) * 1000).toISOString().replace(".000Z", "Z");

/** A span as a part of the query. One that is too narrow becomes as wide as it has to be. */
export function zoomTo({ since, until }: Span): { since: string; until: string } {
  const short = Math.max(0, LEAST - (until - since)) / 2;
  return { since: stamp(since - short), until: stamp(until + short) };
}

/** The span before or after, half of it in common; none goes beyond `now`. */
export function beside({ since, until }: Span, direction: -1 | 1, now: number): Span {
  const step = Math.min((direction * (until - since)) / 2, now - until);
  return { since: since + step, until: until + step };
}

/** Twice as much around the same middle, until `now` at the most. */
export function wider({ since, until }: Span, now: number): Span {
  const half = (until - since) / 2;
  const end = Math.min(until + half, Math.max(now, until));
  return { since: Math.max(0, end - 4 * half), until: end };
}

/**
 * How many buckets to ask for: as many as one can see, and no more than there are results, or most would be empty. Two more than that, as
 * those at the ends are cut.
 */
export function points(span: Span, intervalSeconds: number, most: number): number {
  const results = Math.floor((span.until - span.since) / 1000 / Math.max(intervalSeconds, 0.001));
  return Math.min(most, results + (results < 20 ? 1 : 2));
}

/** `30 s`, `5 m`, `1 h`, `200 ms`. */
export function width(seconds: number): string {
  for (const [size, unit] of [
    [86_400, "d"],
    [3600, "h"],
    [60, "m"],
  ] as const)
    if (seconds >= size && seconds % size === 0) return `${seconds / size}\u00a0${unit}`;
  return seconds < 1 ? `${Math.round(seconds * 1000)}\u00a0ms` : `${seconds}\u00a0s`;
}

/** How many days a certificate is still good for at `now`; negative once it has ended. */
export const daysLeft = (until: number, now: number): number => Math.floor((until - now) / DAY);

/** The least of the shorter ranges that has all there is of the usual one, where that is nearly empty. */
export function fitting({ t, total }: { t: readonly number[]; total: readonly (number | null)[] }, now: number): Range {
  const first = t[total.findIndex((results) => !!results)];
  if (first === undefined) return USUAL;
  return (["1h", "6h"] as const).find((range) => first * 1000 > now - RANGES[range]) ?? USUAL;
}

/** `CN` of a distinguished name (RFC 4514), or all of it. */
export const commonName = (name: string): string => name.match(/(?:^|[,+]\s*)CN=((?:\\.|[^,+\\])+)/)?.[1]?.replace(/\\(.)/g, "$1") ?? name;

/** An address as a link, if a browser should follow it. */
export function linkOf(url: string | null | undefined): string | null {
  try {
    const parsed = new URL(url ?? "");
    return parsed.protocol === "http:" || parsed.protocol === "https:" ? parsed.href : null;
  } catch {
    return null;
  }
}
