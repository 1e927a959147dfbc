// The strip of beats: what the API tells, what the stream adds, how high bars stand.

import { describe, expect, it } from "vitest";
import { CAPACITY, DOWN, NONE, SLOW, Strip, UNKNOWN, UP } from "../src/model/beats.ts";

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const digits = (...values: number[]) => values.map((value) => BASE64[value]).join("");

describe("a strip that the API tells", () => {
  it("has a digit of what and one of latency for each beat, oldest first", () => {
    const strip = Strip.of("01234", digits(0, 32, 40, 0, 0), 10_000);
    expect([...strip.what.subarray(0, strip.length)]).toEqual([NONE, UP, SLOW, DOWN, UNKNOWN]);
    expect([...strip.latency.subarray(0, strip.length)]).toEqual([0, 10_000, 20_000, 0, 0]);
  });

  it("takes eight steps for a doubling or a halving of the median", () => {
    const strip = Strip.of("111", digits(24, 36, 63), 800);
    expect(strip.latency[0]).toBe(400);
    expect(strip.latency[1]).toBeCloseTo(800 * Math.SQRT2, 0);
    expect(strip.latency[2]).toBeCloseTo(800 * 2 ** (31 / 8), 0);
  });

  it("reads every digit that base64 has", () => {
    const values = Array.from({ length: 60 }, (_, at) => at + 4);
    const strip = Strip.of("1".repeat(60), digits(...values), 1000);
    expect([...strip.latency]).toEqual(values.map((value) => Math.fround(1000 * 2 ** ((value - 32) / 8))));
  });

  it("has no latency where the target has no median", () => {
    expect(Strip.of("11", digits(32, 32), null).latency[0]).toBe(0);
  });

  it("keeps the newest where there are more than it holds", () => {
    const strip = Strip.of(`3${"1".repeat(CAPACITY)}2`, digits(...Array(CAPACITY + 2).fill(32)), 5);
    expect(strip.length).toBe(CAPACITY);
    expect(strip.what[0]).toBe(UP);
    expect(strip.what[CAPACITY - 1]).toBe(SLOW);
  });

  it("is empty where there was nothing", () => {
    const strip = Strip.of("", "", null);
    expect([strip.length, strip.median, strip.words()]).toEqual([0, 0, "no results yet"]);
  });

  it("takes a text that is cut short or foreign as no latency", () => {
    const strip = Strip.of("111", `${digits(32)}é`, 100);
    expect([...strip.latency.subarray(0, 3)].every((latency) => Number.isFinite(latency))).toBe(true);
    expect(strip.latency[2]).toBe(0);
  });
});

describe("a strip that grows", () => {
  it("moves on by one when it is full", () => {
    const strip = new Strip();
    for (let at = 1; at <= CAPACITY + 3; at += 1) strip.push(UP, at);
    expect(strip.length).toBe(CAPACITY);
    expect([strip.latency[0], strip.latency[CAPACITY - 1]]).toEqual([4, CAPACITY + 3]);
  });

  it("reckons its median anew, of those that answered", () => {
    const strip = new Strip();
    for (const latency of [30, 10, 20]) strip.push(UP, latency);
    strip.push(DOWN, 0);
    expect(strip.median).toBe(20);
    for (let at = 0; at < 5; at += 1) strip.push(UP, 500);
    expect(strip.median).toBe(500);
  });

  it("counts what the newest were", () => {
    const strip = new Strip();
    for (const what of [SLOW, SLOW, UP, SLOW]) strip.push(what, 1);
    expect([strip.recent(SLOW, 10), strip.recent(SLOW, 2), strip.recent(DOWN, 10)]).toEqual([3, 1, 0]);
  });

  it("says in words what it shows, the number of each", () => {
    const strip = new Strip();
    for (const what of [UP, UP, NONE, DOWN, UNKNOWN, SLOW]) strip.push(what, 1);
    expect(strip.words()).toBe("last 6 results: 1 no result, 2 up, 1 slow or lossy, 1 down, 1 unknown");
  });
});

describe("the height of a beat", () => {
  const strip = new Strip();
  for (const latency of [100, 100, 100, 100, 200, 50, 100_000, 1]) strip.push(UP, latency);
  strip.push(DOWN, 100);
  strip.push(UNKNOWN, 0);
  strip.push(UP, 0);

  it("is a half at the median, twice that at twice the latency", () => {
    expect(strip.height(0)).toBeCloseTo(0.5);
    expect(strip.height(4)).toBeCloseTo(1);
    expect(strip.height(5)).toBeCloseTo(0.16);
  });

  it("stays within the row, and can always be seen", () => {
    expect(strip.height(6)).toBe(1);
    expect(strip.height(7)).toBe(0.16);
  });

  it("is full for what failed, and for what has no latency to show", () => {
    expect([strip.height(8), strip.height(9), strip.height(10)]).toEqual([1, 1, 1]);
  });
});
