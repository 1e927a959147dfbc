// The days of a year and the hours of a week as cells.

import { describe, expect, test } from "vitest";
import { dayTone, hours, weeks } from "../src/pages/target/calendar.ts";

const day = (day: string, failed = 0, uptime: number | null = 100, total = 100, unknown = 0) => ({
  day,
  uptime_percent: uptime,
  total_probes: total,
  failed_probes: failed,
  unknown_probes: unknown,
});

describe("a year of weeks", () => {
  // a Wednesday
  const { columns, cells } = weeks([day("2026-02-25"), day("2026-02-23", 5, 95)], "2026-02-25", 3);
  test("begins on Mondays and ends today", () => {
    expect(columns.map(({ name }) => name)).toEqual(["week of Feb 9", "week of Feb 16", "week of Feb 23"]);
    expect(cells.map((row) => row.length)).toEqual([3, 3, 3, 3, 3, 3, 3]);
    expect(cells.map((row) => row[2] === null)).toEqual([false, false, false, true, true, true, true]);
  });
  test("tells each day", () => {
    expect(cells[0]?.[2]?.words).toEqual(["Mon, Feb 23 2026", "95.000\u00a0% up", "100 results, 5 failed"]);
    expect(cells[0]?.[2]?.bad).toBe(true);
    expect(cells[1]?.[2]).toMatchObject({ tone: null, words: ["Tue, Feb 24 2026", "no results"] });
  });
  test("says months where they begin", () => {
    expect(weeks([], "2026-03-04", 3).columns.map(({ shown }) => shown)).toEqual(["", "", "Mar"]);
  });
});

test("a day is as good as its uptime, and what is unknown is neither good nor bad", () => {
  const tones = [100, 99.95, 99.5, 95, 10].map((uptime) => dayTone(day("2026-01-01", 1, uptime)));
  expect(new Set(tones).size).toBe(5);
  expect(dayTone(day("2026-01-01", 0, null))).toBe("var(--unknown)");
  expect(dayTone(day("2026-01-01", 0, null, 0))).toBeNull();
});

describe("the hours of a week", () => {
  const grid = (value: (row: number, hour: number) => number | null) =>
    Array.from({ length: 7 }, (_, row) => Array.from({ length: 24 }, (_, hour) => value(row, hour)));
  test("are warm where they are slow", () => {
    const { cells, median } = hours(
      grid((_, hour) => (hour === 20 ? 4000 : 1000)),
      grid(() => 10),
      grid(() => 0),
    );
    expect(median).toBe(1000);
    expect(cells[0]?.[20]?.tone).toContain("100%");
    expect(cells[0]?.[3]?.tone).toContain("35%");
    expect(cells[0]?.[20]?.words).toEqual(["Mon, 20:00 – 21:00", "median 4.00 ms", "10 results"]);
  });
  test("that differ little look alike", () => {
    const { cells } = hours(
      grid((_, hour) => 1000 + hour),
      grid(() => 10),
      grid(() => 0),
    );
    expect(Number(cells[0]?.[23]?.tone?.match(/(\d+)%/)?.[1])).toBeLessThan(45);
  });
  test("without results are empty, without answers bad", () => {
    const { cells } = hours(
      grid(() => null),
      grid((row) => (row === 0 ? null : 5)),
      grid((row) => (row === 0 ? null : 5)),
    );
    expect(cells[0]?.[0]?.tone).toBeNull();
    expect(cells[1]?.[0]).toMatchObject({ bad: true, words: ["Tue, 00:00 – 01:00", "no answers", "5 results, 5 failed"] });
  });
});
