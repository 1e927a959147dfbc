// Figures and words that people read, and what a search means.

import { describe, expect, it } from "vitest";
import {
  address,
  ago,
  bytes,
  certificate,
  certificateState,
  fields,
  judge,
  micros,
  percent,
  plural,
  STATES,
  type State,
  search,
  sentence,
  span,
  uptimeState,
} from "../src/model/words.ts";

const spaced = (text: string) => text.replaceAll("\u00a0", " ");

describe("percent", () => {
  it.each([
    [100, "100 %"],
    [99.999_999, "99.99 %"],
    [99.995, "99.99 %"],
    [99.5, "99.50 %"],
    [0.571, "0.57 %"],
    [0.000_1, "0.00 %"],
    [0, "0 %"],
  ])("of %d is %s: never rounded up", (value, text) => expect(spaced(percent(value))).toBe(text));

  it("takes the digits that are wanted", () => {
    expect(spaced(percent(99.9996, 3))).toBe("99.999 %");
    expect(spaced(percent(100, 3))).toBe("100 %");
  });

  it("tells nothing of nothing", () => expect([percent(null), percent(undefined)]).toEqual(["–", "–"]));

  it("never says 100 of less", () => {
    for (let missing = 1; missing < 1e9; missing *= 3) expect(spaced(percent(100 - 100 / (missing + 1), 2))).not.toBe("100 %");
  });

  it("colours an uptime from 99.9 downwards", () => {
    expect([100, 99.9, 99.89, 99, 98.99, null].map(uptimeState)).toEqual(["none", "none", "slow", "slow", "down", "none"]);
  });
});

describe("micros", () => {
  it.each([
    [0, "0 µs"],
    [412, "412 µs"],
    [999.4, "999 µs"],
    [999.6, "1.00 ms"],
    [9_849, "9.85 ms"],
    [9_996, "10.0 ms"],
    [63_640, "63.6 ms"],
    [99_960, "100 ms"],
    [214_600, "215 ms"],
    [999_499, "999 ms"],
    [999_500, "1.00 s"],
    [1_240_000, "1.24 s"],
    [60_000_000, "60.0 s"],
  ])("of %d is %s", (value, text) => expect(micros(value)).toBe(text));
});

describe("span", () => {
  const [s, m, h, d] = [1000, 60_000, 3_600_000, 86_400_000];
  it.each([
    [-5 * s, "0 s"],
    [999, "0 s"],
    [59.9 * s, "59 s"],
    [60 * s, "1 m"],
    [28 * m + 22 * s, "28 m 22 s"],
    [59 * m + 59 * s, "59 m 59 s"],
    [3 * h + 12 * m + 59 * s, "3 h 12 m"],
    [23 * h + 59 * m, "23 h 59 m"],
    [45 * d + 2 * h, "45 d 2 h"],
    [1234 * d, "1,234 d"],
  ])("of %d is %s", (ms, text) => expect(spaced(span(ms))).toBe(text));

  it("is 'now' within a second", () => {
    expect([ago(400), spaced(ago(61_000))]).toEqual(["now", "1 m 1 s ago"]);
  });
});

describe("other figures", () => {
  it("tells bytes in three figures at most", () => {
    const told = [0, 812, 999, 1000, 4_200_000, 99_960_000, 999_600_000, 5e15].map((n) => spaced(bytes(n)));
    expect(told).toEqual(["0 B", "812 B", "999 B", "1.0 kB", "4.2 MB", "100 MB", "1.0 GB", "5000 TB"]);
  });

  it("tells days of a certificate, and when they are few", () => {
    expect([-1, 0, 14, 15].map((days) => spaced(certificate(days)))).toEqual(["expired", "ends today", "14 d", "15 d"]);
    expect([-1, 0, 14, 15].map(certificateState)).toEqual(["down", "slow", "slow", "none"]);
  });

  it("has a word for one and for many", () => {
    expect([plural(1, "target"), plural(0, "target"), plural(12_345, "probe")]).toEqual(["1 target", "0 targets", "12,345 probes"]);
  });
});

describe("the sentence on top", () => {
  const of = (some: Partial<Record<State, number>>) => {
    const counts = Object.fromEntries(STATES.map((state) => [state, some[state] ?? 0])) as Record<State, number>;
    const total = Object.values(counts).reduce((a, b) => a + b, 0);
    return sentence(counts, total);
  };
  it.each<[Partial<Record<State, number>>, string, State | null]>([
    [{}, "No targets yet", null],
    [{ paused: 1 }, "The only target is paused", null],
    [{ paused: 3 }, "All 3 paused", null],
    [{ waiting: 1 }, "1 target, its first result on its way", null],
    [{ waiting: 4, paused: 1 }, "4 targets, first results on their way", null],
    [{ down: 2, unknown: 5, up: 9 }, "2 down", "down"],
    [{ unknown: 1, up: 9 }, "1 unknown", "unknown"],
    [{ up: 3, slow: 1, waiting: 1 }, "4 up, 1 on its way", "up"],
    [{ up: 1 }, "The only target is up", "up"],
    [{ up: 239, slow: 1 }, "All 240 up", "up"],
  ])("of %o is %s", (some, text, state) => expect(of(some)).toEqual([text, state]));

  it("never says that all are up while one is not", () => {
    for (const other of ["down", "unknown", "waiting"] as const) expect(of({ up: 5, [other]: 1 })[0]).not.toMatch(/^All/);
  });
});

describe("the state of a target", () => {
  const on = { enabled: true };
  it("is that of its newest result, and never down for what is unknown or paused", () => {
    expect(judge({ enabled: false }, { outcome: "down" })).toBe("paused");
    expect(judge(on, null)).toBe("waiting");
    expect(judge(on, { outcome: "up" })).toBe("up");
    expect(judge(on, { outcome: "up", lossy: true })).toBe("slow");
    expect(judge(on, { outcome: "unknown" })).toBe("unknown");
    expect(judge(on, { outcome: "something new" })).toBe("unknown");
  });
});

describe("an address", () => {
  it.each([
    [{ url: "https://a/b" }, "https://a/b"],
    [{ host: "192.0.2.1" }, "192.0.2.1"],
    [{ host: "h", port: 22 }, "h:22"],
    [{ host: "2001:db8::1", port: 22 }, "[2001:db8::1]:22"],
    [{ host: "2001:db8::1" }, "2001:db8::1"],
    [{ host: "192.0.2.53", port: 53, query: "example.com" }, "example.com @ 192.0.2.53:53"],
    [{ host: null, port: 53, query: "example.com" }, "example.com"],
  ])("of %o is %s", (target, text) => expect(address(target)).toBe(text));
});

describe("a search", () => {
  const entry = (state: State, more: object, result: { reason: string | null; error: string | null } | null = null) => ({
    state,
    result,
    fields: fields({
      name: "Gate",
      type: "icmp",
      host: "192.0.2.7",
      group: "Home West",
      tags: ["edge", "wifi"],
      description: null,
      ...more,
    }),
  });
  const gate = entry("down", {}, { reason: "timeout", error: "no answer within 2 s" });
  const finds = (text: string) => search(text)(gate);

  it.each([
    "",
    "gate",
    "GATE",
    "192.0.2",
    "home",
    "edge",
    "tag:edge",
    "tag:ed",
    "type:icmp",
    "group:home",
    '"home west"',
    'group:"home west"',
  ])("for '%s' finds it", (text) => expect(finds(text)).toBe(true));
  it.each(["gates", "tag:dge", "type:http", "group:west", '"west home"', "-gate", "-tag:edge", "gate -wifi", "gate tag:lab"])(
    "for '%s' does not find it",
    (text) => expect(finds(text)).toBe(false),
  );
  it.each(["is:down", "is:not-up", "-is:up", "no answer", "timeout", 'gate "within 2"'])("for '%s' looks at how it is", (text) =>
    expect(finds(text)).toBe(true),
  );
  it("takes what is slow as lossy, and as not up", () => {
    for (const text of ["is:slow", "is:lossy", "is:not-up"]) expect(search(text)(entry("slow", {}))).toBe(true);
    expect(search("is:not-up")(entry("waiting", {}))).toBe(false);
  });
  it("takes whatever people type", () => {
    for (const text of ['"', 'tag:"', "-", "::", "is:", "((", "\\", "tag:", "<img src=x>"]) expect(() => finds(text)).not.toThrow();
  });
});
