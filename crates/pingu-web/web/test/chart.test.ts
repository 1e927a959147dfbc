// What charts draw where, and what they say.

import { describe, expect, test } from "vitest";
import { bucket, loss, middles, mixed, reach, runs, type Series, spanWords, summary } from "../src/chart/columns.ts";
import { layers, present, stack } from "../src/chart/phases.ts";
import { latencies, linear, logarithmic, times } from "../src/chart/ticks.ts";

type Bucket = [total: number | null, failed?: number, unknown?: number, values?: [number, number, number, number, number, number]];

function series(buckets: Bucket[], step = 60, begin = 1_771_804_800): Series {
  const column = (at: number) => buckets.map(([, , , values]) => values?.[at] ?? null);
  return {
    t: buckets.map((_, at) => begin + at * step),
    total: buckets.map(([total]) => total),
    failed: buckets.map(([total, failed]) => (total === null ? null : (failed ?? 0))),
    unknown: buckets.map(([total, , unknown]) => (total === null ? null : (unknown ?? 0))),
    min_us: column(0),
    p25_us: column(1),
    p50_us: column(2),
    p75_us: column(3),
    p95_us: column(4),
    max_us: column(5),
    step_seconds: step,
  };
}

const same = (us: number): [number, number, number, number, number, number] => [us, us, us, us, us, us];

describe("the loss of a bucket", () => {
  test("is nothing without results", () => {
    expect(loss(null, null, null)).toBe("empty");
    expect(loss(0, 0, 0)).toBe("empty");
  });
  test("leaves out what is unknown", () => {
    expect(loss(10, 0, 0)).toBe("none");
    expect(loss(10, 1, 0)).toBe("some");
    expect(loss(10, 4, 6)).toBe("all");
    expect(loss(10, 0, 10)).toBe("unknown");
    expect(loss(10, 0, 3)).toBe("none");
  });
});

describe("gaps", () => {
  test("are never bridged", () => {
    expect(runs([null, 1, 2, null, 3, null, null, 4, 5])).toEqual([
      [1, 3],
      [4, 5],
      [7, 9],
    ]);
    expect(runs([])).toEqual([]);
    expect(runs([null])).toEqual([]);
  });
  test("a zero is a value", () => {
    expect(runs([0, 0])).toEqual([[0, 2]]);
  });
});

test("buckets are drawn in the middle of what is in view of them", () => {
  expect(middles({ t: [0, 60, 120], step_seconds: 60 }, 30_000, 150_000)).toEqual([45, 90, 135]);
  // those of a span that was in view before stay in order
  expect(middles({ t: [0, 60], step_seconds: 60 }, 600_000, 900_000)).toEqual([30, 90]);
});

describe("the reach of the axis", () => {
  const calm: Bucket[] = Array.from({ length: 99 }, () => [10, 0, 0, [900, 950, 1000, 1050, 1100, 1200]]);
  const spiked = series([...calm, [10, 0, 0, [900, 950, 1000, 1050, 400_000, 500_000]]]);
  test("has all of it with outliers", () => {
    const [low, high] = reach(spiked, { log: false, outliers: true });
    expect(low).toBe(0);
    expect(high).toBeGreaterThan(500_000);
  });
  test("is not that of one spike without", () => {
    expect(reach(spiked, { log: false, outliers: false })[1]).toBeLessThan(2000);
  });
  test("of a logarithmic one is above zero", () => {
    const [low, high] = reach(series([[1, 0, 0, same(0)]]), { log: true, outliers: true });
    expect(low).toBeGreaterThan(0);
    expect(high).toBeGreaterThan(low);
  });
  test("is there without any answer", () => {
    for (const log of [true, false])
      for (const outliers of [true, false]) {
        const [low, high] = reach(series([[null], [5, 5]]), { log, outliers });
        expect(high).toBeGreaterThan(low);
      }
  });
});

describe("percentiles of a span", () => {
  test("are exact for single results", () => {
    const found = mixed(series([100, 200, 300, 400].map((us): Bucket => [1, 0, 0, same(us)])), [0.5, 1]);
    expect(found[0]).toBeCloseTo(200, -0.5);
    expect(found[1]).toBeCloseTo(400, -0.5);
  });
  test("weigh buckets by their answers", () => {
    const found = mixed(
      series([
        [99, 0, 0, same(100)],
        [10, 9, 0, same(1000)],
      ]),
      [0.5, 0.95],
    );
    expect(found[0]).toBeCloseTo(100, -0.5);
    expect(found[1]).toBeCloseTo(100, -0.5);
  });
  test("of a wide bucket lie where it says", () => {
    const [median, high] = mixed(series([[100, 0, 0, [100, 200, 300, 400, 500, 600]]]), [0.5, 0.95]);
    expect(median).toBeCloseTo(300, -0.5);
    expect(high).toBeCloseTo(500, -0.5);
  });
  test("are none without answers", () => {
    expect(mixed(series([[null], [3, 3]]), [0.5])).toEqual([null]);
  });
});

describe("words", () => {
  const shown = series([[10, 1, 2, [900, 950, 1000, 1050, 1100, 1200]], [null], [3, 3], [1, 0, 0, same(2000)]]);
  test("of a bucket", () => {
    expect(bucket(shown, 0).map(({ name, value }) => `${name} ${value}`)).toEqual([
      "median 1.00 ms",
      "p25–p75 950 µs – 1.05 ms",
      "min–max 900 µs – 1.20 ms",
      "p95 1.10 ms",
      "loss 12.50\u00a0% (1)",
      "unknown 2",
      "results 10",
    ]);
    expect(bucket(shown, 1)).toEqual([{ name: "no results", value: "" }]);
    expect(bucket(shown, 2)[0]?.name).toBe("no answer");
    expect(bucket(shown, 3)[0]).toMatchObject({ name: "latency", value: "2.00 ms" });
  });
  test("of all", () => {
    const words = summary(shown, 1_771_804_800_000, 1_771_805_040_000, "utc");
    expect(words).toContain("14 results");
    expect(words).toContain("failed");
    expect(words).toContain("2 unknown");
    expect(summary(series([[null]]), 0, 60_000, "utc")).toMatch(/^No results from Jan 1/);
  });
  test("of a span say the day once", () => {
    const at = Date.UTC(2026, 1, 23, 9, 30);
    expect(spanWords(at, at + 300_000, "utc", at)).toBe("Feb 23, 09:30 – 09:35");
    expect(spanWords(at, at + 10_000, "utc", at)).toBe("Feb 23, 09:30:00 – 09:30:10");
    expect(spanWords(at, at + 86_400_000, "utc", at)).toBe("Feb 23, 09:30 – Feb 24, 09:30");
  });
});

describe("ticks", () => {
  test("are round", () => {
    expect(linear(0, 62_000, 4)).toEqual([0, 20_000, 40_000, 60_000]);
    expect(linear(0, 1000, 5)).toEqual([0, 200, 400, 600, 800, 1000]);
    expect(linear(5, 5, 4)).toEqual([5]);
    expect(linear(0, 1, 4).length).toBeLessThan(8);
  });
  test("of a logarithmic axis stay within it", () => {
    expect(logarithmic(90, 120_000, 12)).toEqual([100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000]);
    expect(logarithmic(90, 120_000, 4)).toEqual([100, 1000, 10_000, 100_000]);
    // less than a power of ten has some, too
    expect(logarithmic(310, 390, 5).length).toBeGreaterThan(1);
  });
  test("have the unit of the greatest", () => {
    expect(latencies([0, 500, 1000])).toEqual(["0", "0.5 ms", "1 ms"]);
    expect(latencies([0, 20_000, 40_000])).toEqual(["0", "20 ms", "40 ms"]);
    expect(latencies([0, 500_000, 1_000_000])).toEqual(["0", "0.5 s", "1 s"]);
    expect(latencies([100, 1000, 1_000_000], true)).toEqual(["100 µs", "1 ms", "1 s"]);
  });
  test("of time say the day where it changes", () => {
    const at = Date.UTC(2026, 10, 21, 20) / 1000;
    expect(times([at, at + 7200, at + 14_400, at + 21_600], 7200, "utc")).toEqual(["20:00\nNov 21", "22:00", "00:00\nNov 22", "02:00"]);
    expect(times([at, at + 10], 10, "utc")).toEqual(["20:00:00\nNov 21", "20:00:10"]);
  });
  test("of days say the year only where it changes, those of months always", () => {
    const at = Date.UTC(2026, 11, 31) / 1000;
    expect(times([at, at + 86_400], 86_400, "utc")).toEqual(["Dec 31", "Jan 1\n2027"]);
    expect(times([at, at + 86_400], 30 * 86_400, "utc")).toEqual(["Dec\n2026", "Jan\n2027"]);
  });
});

describe("phases", () => {
  const phases = {
    dns_us: [null, 10, null],
    connect_us: [null, 20, null],
    tls_us: [null, null, null],
    ttfb_us: [null, 30, 7],
    transfer_us: [null, 5, null],
  };
  test("stand on each other, and a gap is one", () => {
    const { tops, total } = stack(phases, 3);
    expect(tops.connect).toEqual([null, 30, 0]);
    expect(tops.ttfb).toEqual([null, 60, 7]);
    expect(total).toEqual([null, 65, 7]);
  });
  test("that never happened are not told", () => {
    expect(present(phases).map(({ key }) => key)).toEqual(["dns", "connect", "ttfb", "transfer"]);
    expect(layers(phases, [null, 65, 7], 1).map(({ name }) => name)).toEqual(["together", "transfer", "first byte", "TCP connect", "DNS"]);
    expect(layers(phases, [null, 65, 7], 0)).toEqual([{ name: "no results", value: "" }]);
  });
});
