import { describe, expect, it } from "vitest";
import type { Series } from "../src/chart/columns.ts";
import { dash, hue, reachOfAll, room } from "../src/chart/overlay.ts";
import type { State } from "../src/model/words.ts";
import { chosen, MOST, suggestions } from "../src/pages/compare/chosen.ts";

const known = [
  { id: "1", name: "router" },
  { id: "2", name: "nas, the old one" },
  { id: "3", name: "website" },
];
const find = (reference: string) => known.find(({ id, name }) => id === reference || name === reference);
const names = (values: string[]) => chosen(values, find).entries.map(({ name }) => name);

describe("what is compared", () => {
  it("takes ids and names, with commas and one by one", () => {
    expect(names(["1,website"])).toEqual(["router", "website"]);
    expect(names(["website", "1"])).toEqual(["website", "router"]);
    expect(names([" 1 , 3 ,"])).toEqual(["router", "website"]);
  });

  it("takes each once", () => {
    expect(names(["1,router", "router"])).toEqual(["router"]);
  });

  it("knows a name with commas in it", () => {
    expect(names(["nas, the old one", "3"])).toEqual(["nas, the old one", "website"]);
  });

  it("says what nobody is called", () => {
    expect(chosen(["1,ghost", "ghost"], find)).toMatchObject({ strangers: ["ghost"], beyond: 0 });
  });

  it("stops at the most", () => {
    const found = chosen([Array.from({ length: MOST + 3 }, (_, at) => `t${at}`).join(",")], (id) =>
      /^t\d+$/.test(id) ? { id, name: id } : undefined,
    );
    expect(found.entries).toHaveLength(MOST);
    expect(found.beyond).toBe(3);
  });
});

describe("what might be compared", () => {
  const candidate = (name: string, more: { state?: State; latency?: number | null; group?: string } = {}) => ({
    id: name,
    name,
    state: more.state ?? ("up" as State),
    rank: more.state === "down" ? 0 : 4,
    latency: more.latency === undefined ? 100 : more.latency,
    target: { group: more.group ?? null },
  });

  it("is the slowest, the slowest first", () => {
    const [first] = suggestions([candidate("a", { latency: 1 }), candidate("b", { latency: 9 }), candidate("c", { latency: null })]);
    expect(first).toEqual({ words: "the 2 slowest", ids: ["b", "a"] });
  });

  it("is what is in trouble, and no paused one", () => {
    const all = [candidate("a", { state: "down" }), candidate("b", { state: "down" }), candidate("c", { state: "paused" }), candidate("d")];
    expect(suggestions(all).find(({ words }) => words.includes("worst"))?.ids).toEqual(["a", "b"]);
  });

  it("is groups, the largest first, and the first of those that are too large", () => {
    const all = Array.from({ length: 15 }, (_, at) => candidate(`m${String(at).padStart(2, "0")}`, { group: "large", latency: null }));
    all.push(candidate("x", { group: "small", latency: null }), candidate("y", { group: "small", latency: null }));
    all.push(candidate("z", { group: "alone", latency: null }));
    const found = suggestions(all);
    expect(found.map(({ words }) => words)).toEqual(["the first 12 of group large", "all of group small"]);
    expect(found[0]?.ids).toHaveLength(MOST);
  });

  it("is nothing where there is nothing", () => {
    expect(suggestions([])).toEqual([]);
  });
});

describe("lines in one chart", () => {
  const series = (p50: (number | null)[], max: number): Series => ({
    t: p50.map((_, at) => at * 60),
    total: p50.map(() => 1),
    failed: p50.map(() => 0),
    unknown: p50.map(() => 0),
    min_us: p50,
    p25_us: p50,
    p50_us: p50,
    p75_us: p50,
    p95_us: p50,
    max_us: p50.map(() => max),
    step_seconds: 60,
  });

  it("are told apart by colour and dash together, all twelve", () => {
    const looks = Array.from({ length: MOST }, (_, at) => `${hue(at)} ${dash(at).join()}`);
    expect(new Set(looks).size).toBe(MOST);
    for (let at = 1; at < MOST; at += 1) {
      expect(hue(at)).not.toBe(hue(at - 1));
      expect(dash(at)).not.toEqual(dash(at - 1));
    }
  });

  it("have one axis for all of them, as high as the medians go and no higher", () => {
    const tracks = [
      { key: "a", name: "a", series: series([100, 200], 90_000) },
      { key: "b", name: "b", series: series([5000, null], 90_000) },
      { key: "c", name: "c", series: series([null, null], 0) },
    ];
    const [low, high] = reachOfAll(tracks, { log: false, outliers: true });
    expect(low).toBe(0);
    expect(high).toBeGreaterThanOrEqual(5000);
    expect(high).toBeLessThan(10_000);
    const [least] = reachOfAll(tracks, { log: true, outliers: true });
    expect(least).toBeGreaterThan(0);
    expect(least).toBeLessThanOrEqual(100);
  });

  it("leave one spike to the top where outliers do not count", () => {
    const calm = Array.from({ length: 100 }, (_, at) => (at === 50 ? 90_000 : 1000));
    const track = { key: "a", name: "a", series: series(calm, 90_000) };
    expect(reachOfAll([track], { log: false, outliers: false })[1]).toBeLessThan(2000);
    expect(reachOfAll([track], { log: false, outliers: true })[1]).toBeGreaterThan(90_000);
  });

  it("have an axis also without any answer", () => {
    expect(reachOfAll([], { log: true, outliers: false })).toEqual([100, 1000]);
    expect(room(0)).toBeLessThan(room(12));
  });
});
