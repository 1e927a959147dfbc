// The words of the fallback page, which are the dashboard's too, and the few more that only the dashboard needs.

export * from "../../../fallback/assets/words.js";

import type { State } from "../../../fallback/assets/words.js";

export type { State };

/** A share in percent: `100 %`, `99.98 %`, `0.57 %`. Never rounded up to 100. */
export function percent(value: number | null | undefined, digits = 2): string {
  if (value == null) return "–";
  const floor = Math.floor(value * 10 ** digits) / 10 ** digits;
  return `${floor === 100 || floor === 0 ? (value > 0 && floor === 0 ? floor.toFixed(digits) : floor) : floor.toFixed(digits)}\u00a0%`;
}

/** How good an uptime is, as a state to colour it with. */
export function uptimeState(value: number | null | undefined): State | "none" {
  if (value == null || value >= 99.9) return "none";
  return value >= 99 ? "slow" : "down";
}

/** Days that a certificate is good for, in words. */
export function certificate(days: number): string {
  if (days < 0) return "expired";
  return days === 0 ? "ends today" : `${days}\u00a0d`;
}

/** Whether a certificate needs looking after. */
export const certificateState = (days: number): State | "none" => (days < 0 ? "down" : days < 15 ? "slow" : "none");

/** `1 target`, `2 targets`. */
export const plural = (n: number, noun: string): string => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;

/** Bytes as people write them: `812 B`, `4.2 MB`. */
export function bytes(n: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (n >= 999.5 && at < units.length - 1) {
    n /= 1000;
    at += 1;
  }
  return `${at === 0 || n >= 99.95 ? Math.round(n) : n.toFixed(1)}\u00a0${units[at]}`;
}

/** What a type of target is called on pages. */
export const TYPE: Record<string, string> = { icmp: "ICMP", http: "HTTP", tcp: "TCP", dns: "DNS", tls: "TLS" };
