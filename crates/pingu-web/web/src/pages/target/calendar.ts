// The days of a year as weeks side by side, and the hours of a week: what their cells are. Pure.

import { count, micros, percent } from "../../model/words.ts";
import type { Cell } from "./Grid.svelte";

export const WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"] as const;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"] as const;
const DAY = 86_400_000;

export interface Day {
  day: string;
  uptime_percent?: number | null;
  total_probes: number;
  failed_probes: number;
  unknown_probes: number;
}

/** The colour of a day. */
export function dayTone({ uptime_percent: uptime, total_probes }: Day): string | null {
  if (total_probes === 0) return null;
  if (uptime == null) return "var(--unknown)";
  if (uptime >= 100) return "color-mix(in srgb, var(--up) 62%, var(--surface))";
  if (uptime >= 99.9) return "color-mix(in srgb, var(--slow) 34%, color-mix(in srgb, var(--up) 62%, var(--surface)))";
  if (uptime >= 99) return "var(--slow)";
  return uptime >= 90 ? "color-mix(in srgb, var(--down) 70%, var(--slow))" : "var(--down)";
}

/** Weeks from Monday on as columns, the present one last. `today` is a day as the API writes it. */
export function weeks(
  days: readonly Day[],
  today: string,
  wanted = 53,
): { columns: { name: string; shown: string }[]; cells: (Cell | null)[][] } {
  const known = new Map(days.map((day) => [day.day, day]));
  const last = Date.parse(today);
  const monday = last - ((new Date(last).getUTCDay() + 6) % 7) * DAY;
  const first = monday - (wanted - 1) * 7 * DAY;
  const columns: { name: string; shown: string }[] = [];
  const cells: (Cell | null)[][] = WEEKDAYS.map(() => []);
  let month = new Date(first).getUTCMonth();
  for (let week = 0; week < wanted; week += 1) {
    const begin = first + week * 7 * DAY;
    const at = new Date(begin);
    const changes = at.getUTCMonth() !== month;
    month = at.getUTCMonth();
    columns.push({ name: `week of ${MONTHS[month]} ${at.getUTCDate()}`, shown: changes ? (MONTHS[month] ?? "") : "" });
    for (let weekday = 0; weekday < 7; weekday += 1) {
      const day = begin + weekday * DAY;
      cells[weekday]?.push(day > last ? null : cell(new Date(day), known.get(new Date(day).toISOString().slice(0, 10))));
    }
  }
  return { columns, cells };
}

function cell(date: Date, day: Day | undefined): Cell {
  const name = `${WEEKDAYS[(date.getUTCDay() + 6) % 7]}, ${MONTHS[date.getUTCMonth()]} ${date.getUTCDate()} ${date.getUTCFullYear()}`;
  if (!day || day.total_probes === 0) return { tone: null, words: [name, "no results"] };
  const told = [day.uptime_percent == null ? "unknown" : `${percent(day.uptime_percent, 3)} up`];
  told.push(
    `${count(day.total_probes)} results${day.failed_probes ? `, ${count(day.failed_probes)} failed` : ""}${day.unknown_probes ? `, ${count(day.unknown_probes)} unknown` : ""}`,
  );
  return { tone: dayTone(day), bad: day.uptime_percent != null && day.uptime_percent < 99, words: [name, ...told] };
}

type Hours = readonly (readonly (number | null)[])[];

/** How warm the median is, and by how many doublings an hour must at least differ from it to be as warm or cool as it gets. */
const MIDDLE = 0.35;
const LEAST = 0.4;

/** The hours of a week, coloured by how they compare with the median of them all. */
export function hours(p50: Hours, total: Hours, failed: Hours): { cells: Cell[][]; median: number | null } {
  const sorted = p50
    .flat()
    .filter((value) => value != null)
    .sort((a, b) => a - b);
  const median = sorted[sorted.length >> 1] ?? null;
  const ratio = (value: number) => Math.log2(value / Math.max(1, median ?? 1));
  // the whole scale is used where hours differ, but a week without differences shows none
  const [least, most] = [-Math.max(LEAST, ...sorted.map((value) => -ratio(value))), Math.max(LEAST, ...sorted.map(ratio))];
  const cells = WEEKDAYS.map((weekday, row) =>
    Array.from({ length: 24 }, (_, hour): Cell => {
      const name = `${weekday}, ${String(hour).padStart(2, "0")}:00 – ${String((hour + 1) % 24).padStart(2, "0")}:00`;
      const [value, results, lost] = [p50[row]?.[hour], total[row]?.[hour] ?? 0, failed[row]?.[hour] ?? 0];
      if (!results) return { tone: null, words: [name, "no results"] };
      const counted = `${count(results)} results${lost ? `, ${count(lost)} failed` : ""}`;
      if (value == null || median === null) return { tone: "var(--down-tile)", bad: true, words: [name, "no answers", counted] };
      const away = ratio(value);
      const warmth = Math.round(100 * (away < 0 ? MIDDLE * (1 - away / least) : MIDDLE + (1 - MIDDLE) * (away / most)));
      const tone = `color-mix(in srgb, var(--warm) ${warmth}%, var(--cool))`;
      return { tone, bad: lost / results >= 0.05, words: [name, `median ${micros(value)}`, counted] };
    }),
  );
  return { cells, median };
}
