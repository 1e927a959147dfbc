// The columns of a series as a chart needs them: what is drawn where, how high it goes, and what a bucket says. Pure.

import { instant, minute, type Zone } from "../model/time.ts";
import { count, micros, percent } from "../model/words.ts";

type Column = readonly (number | null)[];

/** The history of a target in buckets, as the API tells it; a bucket without results is null. */
export interface Series {
  /** When each bucket begins, in seconds since 1970. */
  t: readonly number[];
  total: Column;
  failed: Column;
  unknown: Column;
  min_us: Column;
  p25_us: Column;
  p50_us: Column;
  p75_us: Column;
  p95_us: Column;
  max_us: Column;
  step_seconds: number;
}

export interface Incident {
  from: number;
  until: number | null;
  open: boolean;
}

/** What a bucket of the loss strip is. */
export type Loss = "empty" | "none" | "some" | "all" | "unknown";

export function loss(total: number | null | undefined, failed: number | null | undefined, unknown: number | null | undefined): Loss {
  if (!total) return "empty";
  const judged = total - (unknown ?? 0);
  if (judged <= 0) return "unknown";
  if (!failed) return "none";
  return failed >= judged ? "all" : "some";
}

/** Where each bucket is drawn, in seconds: in the middle of what of it lies in the span (in milliseconds). */
export const middles = ({ t, step_seconds }: Pick<Series, "t" | "step_seconds">, since: number, until: number): number[] =>
  t.map((begin) => {
    const [from, end] = [Math.max(begin, since / 1000), Math.min(begin + step_seconds, until / 1000)];
    return end > from ? (from + end) / 2 : begin + step_seconds / 2;
  });

/** Runs of buckets that have a latency, as [first, end): what lies between them is a gap, and never bridged. */
export function runs(values: Column): [first: number, end: number][] {
  const found: [number, number][] = [];
  let first = -1;
  for (let at = 0; at <= values.length; at += 1) {
    const has = at < values.length && values[at] != null;
    if (has && first < 0) first = at;
    if (!has && first >= 0) {
      found.push([first, at]);
      first = -1;
    }
  }
  return found;
}

/** With nothing to go by. */
const NOTHING: [number, number] = [0, 1000];

/** The value below which this share of those in a column lie. */
function quantile(values: Column, share: number): number | null {
  const sorted = values.filter((value) => value != null).sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? null;
}

/**
 * From where to where the latencies of the buckets in view go. Without outliers as high as nearly all 95th percentiles: one spike then
 * leaves by the top instead of flattening everything.
 */
export function reach(series: Series, { log, outliers }: { log: boolean; outliers: boolean }): [low: number, high: number] {
  let high: number | null = null;
  if (outliers) for (const value of series.max_us) high = value == null ? high : Math.max(high ?? 0, value);
  else high = Math.max(quantile(series.p95_us, 0.97) ?? 0, quantile(series.p75_us, 0.995) ?? 0) || null;
  if (high === null) return log ? [100, 1000] : NOTHING;
  high = Math.max(1, high) * (outliers ? 1.06 : 1.15);
  if (!log) return [0, high];
  const low = Math.max(1, (outliers ? quantile(series.min_us, 0) : quantile(series.min_us, 0.03)) ?? 1);
  return [low * 0.85, Math.max(high, low * 2)];
}

/** The span of a bucket in words: `Nov 22, 09:30–09:35`. */
export function spanWords(from: number, until: number, zone: Zone, now?: number): string {
  const seconds = (until - from) % 60_000 !== 0 || from % 60_000 !== 0;
  const [begin, end] = [
    seconds ? instant(from, zone, now) : minute(from, zone, now),
    seconds ? instant(until, zone, now) : minute(until, zone, now),
  ];
  const [beginDay, endDay] = [begin.split(", ")[0], end.split(", ")[0]];
  return `${begin} – ${beginDay === endDay ? end.split(", ")[1] : end}`;
}

export interface Line {
  name: string;
  value: string;
  /** What colours it. */
  tone?: "smoke" | "slow" | "down" | "unknown";
  /** The colour of what it names, where that is drawn as an area. */
  swatch?: "dns" | "connect" | "tls" | "ttfb" | "transfer";
}

/** What a bucket says, line by line. */
export function bucket(series: Series, at: number): Line[] {
  const [total, failed, unknown] = [series.total[at] ?? 0, series.failed[at] ?? 0, series.unknown[at] ?? 0];
  if (!total) return [{ name: "no results", value: "" }];
  const lines: Line[] = [];
  const { p50_us, p25_us, p75_us, min_us, max_us, p95_us } = series;
  const told = (value: number | null | undefined) => (value == null ? "–" : micros(value));
  if (p50_us[at] == null) lines.push({ name: "no answer", value: "" });
  else if (total - failed - unknown === 1 && min_us[at] === max_us[at])
    lines.push({ name: "latency", value: told(p50_us[at]), tone: "smoke" });
  else
    lines.push(
      { name: "median", value: told(p50_us[at]), tone: "smoke" },
      { name: "p25–p75", value: `${told(p25_us[at])} – ${told(p75_us[at])}` },
      { name: "min–max", value: `${told(min_us[at])} – ${told(max_us[at])}` },
      { name: "p95", value: told(p95_us[at]) },
    );
  const judged = total - unknown;
  if (judged > 0)
    lines.push({
      name: "loss",
      value: failed ? `${percent((100 * failed) / judged)} (${count(failed)})` : "none",
      tone: failed ? (failed >= judged ? "down" : "slow") : undefined,
    });
  if (unknown) lines.push({ name: "unknown", value: count(unknown), tone: "unknown" });
  lines.push({ name: "results", value: count(total) });
  return lines;
}

/** The whole chart in words. */
export function summary(series: Series, since: number, until: number, zone: Zone, incidents: readonly Incident[] = []): string {
  const span = `from ${minute(since, zone)} to ${minute(until, zone)}`;
  const median = mixed(series, [0.5])[0];
  const { total, failed, unknown } = sums(series);
  if (total === 0) return `No results ${span}`;
  const parts = [`${count(total)} results ${span}`];
  if (median != null) {
    const [low, high] = [quantile(series.min_us, 0), quantile(series.max_us, 1)];
    parts.push(`median latency ${micros(median)}, from ${micros(low ?? 0)} to ${micros(high ?? 0)}`);
  } else parts.push("no answers");
  parts.push(failed ? `${percent((100 * failed) / Math.max(1, total - unknown))} failed` : "none failed");
  if (unknown) parts.push(`${count(unknown)} unknown`);
  if (incidents.length) parts.push(`${count(incidents.length)} ${incidents.length === 1 ? "incident" : "incidents"}`);
  return parts.join("; ");
}

export function sums({ total, failed, unknown }: Pick<Series, "total" | "failed" | "unknown">): {
  total: number;
  failed: number;
  unknown: number;
} {
  const sum = (column: Column) => column.reduce<number>((all, value) => all + (value ?? 0), 0);
  return { total: sum(total), failed: sum(failed), unknown: sum(unknown) };
}

/** The shares below which each of the told latencies of a bucket lies. */
const KNOTS = [0, 0.25, 0.5, 0.75, 0.95, 1];

/**
 * Percentiles of all answers of a span, reckoned from what its buckets tell: each says where six of its shares lie, and between them
 * answers are taken as spread evenly. Exact where a bucket holds one answer, within a few percent otherwise; null without answers.
 */
export function mixed(series: Series, shares: readonly number[]): (number | null)[] {
  const pieces: { weight: number; knots: number[] }[] = [];
  let all = 0;
  series.t.forEach((_, at) => {
    const knots = [series.min_us, series.p25_us, series.p50_us, series.p75_us, series.p95_us, series.max_us].map((column) => column[at]);
    if (knots.some((value) => value == null)) return;
    const weight = Math.max(1, (series.total[at] ?? 0) - (series.failed[at] ?? 0) - (series.unknown[at] ?? 0));
    pieces.push({ weight, knots: knots as number[] });
    all += weight;
  });
  if (pieces.length === 0) return shares.map(() => null);
  const below = (value: number) => pieces.reduce((sum, { weight, knots }) => sum + weight * share(knots, value), 0) / all;
  return shares.map((wanted) => {
    let low = Math.min(...pieces.map(({ knots }) => knots[0] ?? 0));
    let high = Math.max(...pieces.map(({ knots }) => knots[5] ?? 0));
    for (let turn = 0; turn < 40 && high - low > 0.5; turn += 1) {
      const middle = (low + high) / 2;
      if (below(middle) < wanted) low = middle;
      else high = middle;
    }
    return high;
  });
}

/** The share of a bucket's answers that lie at or below a value. */
function share(knots: number[], value: number): number {
  if (value >= (knots[5] ?? 0)) return 1;
  for (let at = 4; at >= 0; at -= 1) {
    const [begin, end] = [knots[at] ?? 0, knots[at + 1] ?? 0];
    if (value < begin) continue;
    const [from, until] = [KNOTS[at] ?? 0, KNOTS[at + 1] ?? 1];
    return end > begin ? from + ((value - begin) / (end - begin)) * (until - from) : until;
  }
  return 0;
}
