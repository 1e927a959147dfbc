// A target as the pages hold it: what the list says, what the stream adds, and which of them is newer.

import { describe, expect, it } from "vitest";
import type { TargetItem } from "../src/api/types.ts";
import { Entry, type Told } from "../src/live/entry.svelte.ts";
import { DOWN, NONE, SLOW, UNKNOWN, UP } from "../src/model/beats.ts";

const START = Date.UTC(2026, 10, 22, 9, 0, 0);

function item(more: object = {}): TargetItem {
  return {
    id: "gate",
    name: "gate",
    type: "icmp",
    enabled: true,
    interval_seconds: 10,
    timeout_ms: 1000,
    host: "192.0.2.1",
    url: null,
    group: null,
    tags: [],
    description: null,
    outcome: "up",
    ts: new Date(START).toISOString(),
    since: new Date(START - 60_000).toISOString(),
    latency_us: 500,
    s: "111",
    q: "ggg",
    median_us: 500,
    ...more,
  } as TargetItem;
}

/** Slots have microseconds, of which a date in the list keeps none. */
const told = (seconds: number, outcome = "up", latency: number | null = 500, impaired?: 1): Told =>
  impaired
    ? ["gate", (START + seconds * 1000) * 1000 + 311, outcome, latency, impaired]
    : ["gate", (START + seconds * 1000) * 1000 + 311, outcome, latency];

const beats = (entry: Entry) => [...entry.strip.what.subarray(0, entry.strip.length)];

describe("what the list says", () => {
  it("is taken", () => {
    const entry = new Entry(item());
    expect([entry.state, entry.at, entry.since, entry.latency]).toEqual(["up", START, START - 60_000, 500]);
    expect(beats(entry)).toEqual([UP, UP, UP]);
  });

  it("is waiting without a result, paused where it is disabled, whatever the last outcome", () => {
    const nothing = { outcome: null, ts: null, since: null, latency_us: null, s: "", q: "", median_us: null };
    expect(new Entry(item(nothing)).state).toBe("waiting");
    expect(new Entry(item({ enabled: false, outcome: "down" })).state).toBe("paused");
    expect(new Entry(item({ outcome: "up", lossy: true })).state).toBe("slow");
  });

  it("said twice changes nothing, so that no row is drawn again", () => {
    const entry = new Entry(item());
    const { revision } = entry;
    expect(entry.take(item())).toBe(false);
    expect(entry.revision).toBe(revision);
  });

  it("does not undo what the stream told since", () => {
    const entry = new Entry(item());
    entry.beat(told(10, "down", null), false);
    entry.take(item({ uptime_24h: 99 }));
    expect([entry.state, entry.uptime]).toEqual(["down", 99]);
    expect(beats(entry)).toEqual([UP, UP, UP, DOWN]);
  });

  it("counts where it knows the same result and more", () => {
    const entry = new Entry(item());
    entry.beat(told(10, "down", null), false);
    const ts = new Date(START + 10_000).toISOString();
    entry.take(item({ ts, outcome: "down", s: "1013", q: "gAgA", error: "no answer" }));
    expect(entry.result?.error).toBe("no answer");
    expect(beats(entry)).toEqual([UP, NONE, UP, DOWN]);
  });

  it("counts where it is newer, and tells whether the state changed", () => {
    const entry = new Entry(item());
    const ts = new Date(START + 10_000).toISOString();
    expect(entry.take(item({ ts, outcome: "down", s: "1113", q: "gggA", error: "no answer" }))).toBe(true);
    expect([entry.state, entry.result?.error]).toEqual(["down", "no answer"]);
    expect(beats(entry)).toEqual([UP, UP, UP, DOWN]);
  });

  it("pauses a target also where the stream was ahead", () => {
    const entry = new Entry(item());
    entry.beat(told(10), false);
    entry.take(item({ enabled: false }));
    expect(entry.state).toBe("paused");
  });
});

describe("a result that the stream tells", () => {
  it.each<[string, 1 | undefined, string, number]>([
    ["up", undefined, "up", UP],
    ["up", 1, "slow", SLOW],
    ["down", undefined, "down", DOWN],
    ["unknown", undefined, "unknown", UNKNOWN],
  ])("%s %s makes it %s", (outcome, impaired, state, what) => {
    const entry = new Entry(item());
    expect(entry.beat(told(10, outcome, 1, impaired), false)).toBe(state !== "up");
    expect([entry.state, beats(entry).at(-1)]).toEqual([state, what]);
  });

  it("that is older or was told before is nothing new", () => {
    const entry = new Entry(item());
    expect(entry.beat(told(0), false)).toBe(false);
    expect(entry.beat(told(-10, "down"), false)).toBe(false);
    expect([entry.state, beats(entry).length]).toEqual(["up", 3]);
  });

  it("begins a time of its own where the outcome changes, and not where it is only slow", () => {
    const entry = new Entry(item());
    entry.beat(told(10, "up", 500, 1), false);
    expect(entry.since).toBe(START - 60_000);
    entry.beat(told(20, "down", null), false);
    expect([Math.floor(entry.since ?? 0), entry.latency]).toEqual([START + 20_000, null]);
    entry.beat(told(30, "down", null), false);
    expect(Math.floor(entry.since ?? 0)).toBe(START + 20_000);
  });

  it("keeps the reason as long as it stays the same outcome, and no longer", () => {
    const entry = new Entry(item());
    entry.beat(told(10, "down", null), false);
    entry.explain("timeout", "no answer within 1 s");
    entry.beat(told(20, "down", null), false);
    expect(entry.result?.reason).toBe("timeout");
    entry.beat(told(30), false);
    expect(entry.result).toBe(null);
  });
});

describe("a gap", () => {
  it("is drawn where a result is missing", () => {
    const entry = new Entry(item());
    entry.beat(told(30), false);
    expect(beats(entry)).toEqual([UP, UP, UP, NONE, UP]);
  });

  it("is none within one and a half intervals", () => {
    const entry = new Entry(item());
    entry.beat(told(15), false);
    expect(beats(entry)).toEqual([UP, UP, UP, UP]);
  });

  it("is none where the stream tells only the newest", () => {
    const entry = new Entry(item());
    entry.beat(told(60), true);
    expect(beats(entry)).toEqual([UP, UP, UP, UP]);
  });

  it("is none within three seconds, however short the interval", () => {
    const entry = new Entry(item({ interval_seconds: 0.1 }));
    entry.beat(told(2.5), false);
    expect(beats(entry)).toEqual([UP, UP, UP, UP]);
  });
});
