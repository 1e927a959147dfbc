// Instants in words, in the zone that people chose. Pure.

export type Zone = "local" | "utc";

const made = new Map<string, Intl.DateTimeFormat>();

function format(zone: Zone, options: Intl.DateTimeFormatOptions, key: string): Intl.DateTimeFormat {
  const id = `${zone} ${key}`;
  let found = made.get(id);
  if (!found) {
    found = new Intl.DateTimeFormat("en-US", zone === "utc" ? { ...options, timeZone: "UTC" } : options);
    made.set(id, found);
  }
  return found;
}

const PARTS = { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" } as const;

/** The parts of an instant on the clocks of a zone. */
export function parts(ms: number, zone: Zone): Record<string, string> {
  const found: Record<string, string> = {};
  for (const { type, value } of format(zone, { ...PARTS, hourCycle: "h23" }, "parts").formatToParts(ms)) found[type] = value;
  return found;
}

/** `Nov 22, 09:33:36`, with the year where it is not this one. */
export function instant(ms: number, zone: Zone, now = Date.now()): string {
  const at = parts(ms, zone);
  const year = at.year === parts(now, zone).year ? "" : ` ${at.year}`;
  return `${at.month} ${at.day}${year}, ${at.hour}:${at.minute}:${at.second}`;
}

/** `Nov 22, 09:33`. */
export const minute = (ms: number, zone: Zone, now = Date.now()): string => instant(ms, zone, now).slice(0, -3);

/** `Nov 22`, with the year where it is not this one. */
export function day(ms: number, zone: Zone, now = Date.now()): string {
  const at = parts(ms, zone);
  return `${at.month} ${at.day}${at.year === parts(now, zone).year ? "" : ` ${at.year}`}`;
}

/** `09:33:36`. */
export function clock(ms: number, zone: Zone): string {
  const at = parts(ms, zone);
  return `${at.hour}:${at.minute}:${at.second}`;
}

/** The zone as the API wants it. */
export const zoneName = (zone: Zone): string => (zone === "utc" ? "UTC" : Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC");

/** What an RFC 3339 text names, in milliseconds; null for null and for what is none. */
export function parse(text: string | null | undefined): number | null {
  const ms = text ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) ? null : ms;
}

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
