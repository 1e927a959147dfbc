import { describe, expect, it } from "vitest";
import { around, cause, finder, type Incident, identity, lasted, standing, told, totals } from "../src/model/incidents.ts";
import { HOUR, MINUTE } from "../src/model/time.ts";
import { LEAST, lanes, nearer, ticks } from "../src/pages/incidents/gantt.ts";

const T = Date.parse("2026-02-23T00:00:00Z");
const iso = (ms: number) => new Date(ms).toISOString();
let ids = 0;

function incident(began: number, ended: number | null, more: Partial<Incident> = {}): Incident {
  ids += 1;
  return {
    id: ids,
    target_id: "a",
    target_name: "gate",
    location: "local",
    open: ended === null,
    began_at: iso(T + began),
    opened_at: iso(T + began),
    ended_at: ended === null ? null : iso(T + ended),
    ended_by: ended === null ? null : "recovered",
    duration_seconds: 0,
    reason: "timeout",
    error: "no connection within 3000 ms",
    last_reason: "timeout",
    last_error: "no connection within 3000 ms",
    failed_results: 2,
    ...more,
  };
}

describe("incidents in words", () => {
  it("tells how one stands", () => {
    expect(standing(incident(0, null))).toBe("open");
    expect(standing(incident(0, 1))).toBe("resolved");
    expect(standing(incident(0, 1, { ended_by: "removed" }))).toBe("removed");
    expect(standing(incident(0, 1, { ended_by: "superseded" }))).toBe("superseded");
  });

  it("has a cause also where nobody wrote an error", () => {
    expect(cause({ reason: "refused", error: "" })).toBe("the connection was refused");
    expect(cause({ reason: "from a newer Pingu", error: "" })).toBe("from a newer Pingu");
  });

  it("lets an open one last until now, and none less than nothing", () => {
    expect(lasted(incident(0, null), T + HOUR)).toBe(HOUR);
    expect(lasted(incident(0, MINUTE), T + HOUR)).toBe(MINUTE);
    expect(lasted(incident(HOUR, null), T)).toBe(0);
  });

  it("counts, and finds the longest", () => {
    const long = incident(0, 2 * HOUR);
    const found = totals([incident(0, null), long, incident(0, MINUTE)], T + HOUR);
    expect(found).toEqual({ open: 1, all: 3, longest: long });
    expect(totals([], T)).toEqual({ open: 0, all: 0, longest: null });
  });

  it("searches all that is said, every word of it", () => {
    const one = incident(0, null, { error: "127.0.0.1:80 refused the Connection", location: "fra1" });
    expect(finder("connection GATE")(one)).toBe(true);
    expect(finder("fra1 open")(one)).toBe(true);
    expect(finder("connection router")(one)).toBe(false);
    expect(finder("   ")(one)).toBe(true);
  });

  it("knows an incident in news by who, where and since when", () => {
    const one = incident(0, null);
    const { began_at: _, ...rest } = one;
    expect(identity({ ...rest, began_at: "2026-02-23T00:00:00.000000Z" })).toBe(identity(one));
    expect(identity({ ...one, location: "fra1" })).not.toBe(identity(one));
  });

  it("takes from news what changed, and never an end back", () => {
    const one = incident(0, null);
    const news = { ...one, reason: "refused", error: "closed" };
    expect(told(one, news)).toMatchObject({ open: true, reason: "timeout", last_reason: "refused", last_error: "closed" });
    const over = told(one, { ...news, open: false, ended_at: iso(T + HOUR), ended_by: "recovered" });
    expect(over).toMatchObject({ open: false, ended_by: "recovered", last_reason: "timeout" });
    expect(told(over, news)).toBe(over);
  });

  it("shows half an hour around a short one, half its length around a long one, and no future", () => {
    expect(around(incident(0, MINUTE), T + 10 * HOUR)).toEqual({ since: T - 30 * MINUTE, until: T + 31 * MINUTE });
    expect(around(incident(0, 4 * HOUR), T + 10 * HOUR)).toEqual({ since: T - 2 * HOUR, until: T + 6 * HOUR });
    expect(around(incident(0, null), T + 4 * HOUR)).toEqual({ since: T - 2 * HOUR, until: T + 4 * HOUR });
  });
});

describe("the picture of a span", () => {
  const [from, until, width] = [T, T + 10 * HOUR, 1000];

  it("has a lane for each target, the open ones first, then the most recently affected", () => {
    const found = lanes(
      [
        incident(0, 9 * HOUR, { target_id: "b", target_name: "b" }),
        incident(HOUR, null, { target_id: "c", target_name: "c" }),
        incident(8 * HOUR, 8.5 * HOUR, { target_id: "d", target_name: "d" }),
        incident(2 * HOUR, null, { target_id: "e", target_name: "e" }),
      ],
      from,
      until,
      width,
    );
    expect(found.map(({ name }) => name)).toEqual(["e", "c", "b", "d"]);
  });

  it("leaves out what ended before and what begins after", () => {
    expect(lanes([incident(-2 * HOUR, -HOUR), incident(11 * HOUR, null)], from, until, width)).toEqual([]);
  });

  it("places bars, cuts those that began before, and lets open ones reach the edge", () => {
    const [bars] = [lanes([incident(-HOUR, HOUR), incident(5 * HOUR, null)], from, until, width)[0]!.bars];
    expect(bars[0]).toMatchObject({ left: 0, width: 0.1, cut: true, open: false });
    expect(bars[1]).toMatchObject({ left: 0.5, width: 0.5, cut: false, open: true });
  });

  it("shows the shortest one too, also at the right edge", () => {
    const { bars } = lanes([incident(5 * HOUR, 5 * HOUR + 1000), incident(10 * HOUR - 1000, null)], from, until, width)[0]!;
    for (const bar of bars) {
      expect(bar.width * width).toBeCloseTo(LEAST);
      expect(bar.left + bar.width).toBeLessThanOrEqual(1);
    }
  });

  it("makes one bar of those too near to tell apart, and leads nearer", () => {
    const { bars } = lanes(
      [incident(HOUR, HOUR + MINUTE), incident(HOUR + 2 * MINUTE, HOUR + 3 * MINUTE), incident(3 * HOUR, 4 * HOUR)],
      from,
      until,
      width,
    )[0]!;
    expect(bars.map(({ incidents }) => incidents.length)).toEqual([2, 1]);
    expect(nearer(bars[0]!, until - from)).toEqual({ since: T + 59 * MINUTE, until: T + 64 * MINUTE });
    expect(nearer(bars[1]!, until - from)).toBeNull();
    expect(nearer(bars[0]!, 5 * MINUTE)).toBeNull();
  });

  it("never lets bars lie over each other", () => {
    const many = Array.from({ length: 300 }, (_, at) => incident(at * 2 * MINUTE, at * 2 * MINUTE + (at % 7) * 20_000));
    const { bars } = lanes(many, from, until, width)[0]!;
    for (let at = 1; at < bars.length; at += 1) expect(bars[at]!.left).toBeGreaterThan(bars[at - 1]!.left + bars[at - 1]!.width);
    expect(bars.flatMap(({ incidents }) => incidents)).toHaveLength(300);
  });

  it("ticks at round hours within a day and at midnights beyond, never too many", () => {
    const hours = ticks(T + 20 * MINUTE, T + 24 * HOUR, "utc", 10, T);
    expect(hours.map(({ words }) => words).slice(0, 3)).toEqual(["03:00", "06:00", "09:00"]);
    expect(hours.at(-1)).toMatchObject({ words: "Feb 24", strong: true });
    for (const length of [1, 5, 24, 72, 168, 720, 2160, 9000])
      for (const most of [2, 5, 12]) {
        const found = ticks(T - length * HOUR, T, "utc", most, T);
        expect(found.length).toBeLessThanOrEqual(most + 1);
        expect(found.length).toBeGreaterThan(0);
      }
    expect(ticks(T - 168 * HOUR, T, "utc", 8, T).map(({ words }) => words)[0]).toBe("Feb 16");
  });
});
