// Results as a table for spreadsheets (RFC 4180). Pure.

import type { Result } from "./results.svelte.ts";

/** Texts that a spreadsheet would take for a formula. */
const FORMULA = /^[=+\-@\t\r]/;

export function cell(value: string | number | boolean | null | undefined): string {
  if (value == null) return "";
  if (typeof value !== "string") return String(value);
  const text = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

type Value = string | number | boolean | null | undefined;
const COLUMNS: [name: string, value: (result: Result) => Value][] = [
  ["ts", ({ ts }) => ts],
  ["outcome", ({ outcome }) => outcome],
  ["reason", ({ reason }) => reason],
  ["error", ({ error }) => error],
  ["latency_us", ({ latency_us }) => latency_us],
  ["slow", ({ slow }) => slow],
  ["lossy", ({ lossy }) => lossy],
  ["location", ({ location }) => location],
  ["status_code", ({ status_code }) => status_code],
  ["resolved_ip", ({ resolved_ip }) => resolved_ip],
  ["lag_us", ({ lag_us }) => lag_us],
  ["dns_us", ({ phases }) => phases?.dns_us],
  ["connect_us", ({ phases }) => phases?.connect_us],
  ["tls_us", ({ phases }) => phases?.tls_us],
  ["ttfb_us", ({ phases }) => phases?.ttfb_us],
  ["transfer_us", ({ phases }) => phases?.transfer_us],
  ["packets_sent", ({ packets }) => packets?.sent],
  ["packets_received", ({ packets }) => packets?.received],
  ["jitter_us", ({ packets }) => packets?.jitter_us],
];

export const HEAD = `${COLUMNS.map(([name]) => name).join(",")}\r\n`;

export const rows = (results: readonly Result[]): string =>
  results.map((result) => `${COLUMNS.map(([, value]) => cell(value(result))).join(",")}\r\n`).join("");

/** A name of a file that every system takes. */
export const fileName = (target: string, since: number, until: number): string => {
  const day = (ms: number) => new Date(ms).toISOString().slice(0, 16).replace(/[-:]/g, "").replace("T", "-");
  const safe = target
    .replace(/[^\p{L}\p{N}._-]+/gu, "-")
    .replace(/^[-.]+|[-.]+$/g, "")
    .slice(0, 60);
  return `${safe || "target"}_${day(since)}_${day(until)}.csv`;
};
