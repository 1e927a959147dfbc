// What the page of a target shows, as its address says it, and what it makes of results.

import { describe, expect, test } from "vitest";
import { cell, fileName, HEAD, rows } from "../src/pages/target/csv.ts";
import { dots, lookback } from "../src/pages/target/packets.ts";
import type { Result } from "../src/pages/target/results.svelte.ts";
import { beside, commonName, daysLeft, fitting, linkOf, points, stamp, view, wider, width, zoomTo } from "../src/pages/target/view.ts";
import { steps } from "../src/pages/target/waterfall.ts";

const result = (parts: Partial<Result>): Result => ({
  ts: "2026-11-22T09:33:36.000000Z",
  success: true,
  latency_ms: 1,
  status_code: null,
  error: null,
  latency_us: 812,
  outcome: "up",
  reason: null,
  slow: false,
  lossy: false,
  lag_us: 10,
  location: "local",
  resolved_ip: null,
  ...parts,
});

describe("the address", () => {
  const of = (query: string) => view(new URLSearchParams(query));
  test("says nothing: the last day", () => {
    expect(of("")).toEqual({ range: "24h", zoomed: null, log: false, outliers: true });
  });
  test("says everything", () => {
    const zoomed = { since: Date.UTC(2026, 10, 22, 9), until: Date.UTC(2026, 10, 22, 10) };
    expect(of("range=7d&since=2026-11-22T09:00:00Z&until=2026-11-22T10:00:00Z&log=1&outliers=0")).toEqual({
      range: "7d",
      zoomed,
      log: true,
      outliers: false,
    });
  });
  test("says nonsense: what is usual", () => {
    expect(of("range=toString&since=now&until=2026-11-22T10:00:00Z")).toMatchObject({ range: "24h", zoomed: null });
    expect(of("since=2026-11-22T10:00:00Z&until=2026-11-22T09:00:00Z").zoomed).toBeNull();
  });
  test("comes back from what is written", () => {
    const span = { since: Date.UTC(2026, 10, 22, 9), until: Date.UTC(2026, 10, 22, 9, 0, 30) };
    expect(of(new URLSearchParams(zoomTo(span)).toString()).zoomed).toEqual(span);
    expect(stamp(span.since)).toBe("2026-11-22T09:00:00Z");
  });
});

describe("spans", () => {
  test("are no narrower than one can use", () => {
    const { since, until } = zoomTo({ since: 100_000, until: 100_001 });
    expect(Date.parse(until) - Date.parse(since)).toBeGreaterThanOrEqual(9000);
  });
  test("beside and around end now", () => {
    const span = { since: 1000, until: 2000 };
    expect(beside(span, -1, 9000)).toEqual({ since: 500, until: 1500 });
    expect(beside(span, 1, 2200)).toEqual({ since: 1200, until: 2200 });
    expect(wider(span, 9000)).toEqual({ since: 500, until: 2500 });
    expect(wider(span, 2000)).toEqual({ since: 0, until: 2000 });
  });
  test("have as many points as results, and no more than one can see", () => {
    const hour = { since: 0, until: 3_600_000 };
    expect(points(hour, 30, 480)).toBe(122);
    expect(points(hour, 1, 480)).toBe(480);
    expect(points(hour, 7200, 480)).toBe(1);
  });
  test("of a target that has just begun are short", () => {
    const t = Array.from({ length: 288 }, (_, at) => at * 300);
    const now = 288 * 300_000;
    const from = (first: number) => fitting({ t, total: t.map((_, at) => (at >= first ? 5 : null)) }, now);
    expect([from(0), from(200), from(220), from(280), from(288)]).toEqual(["24h", "24h", "6h", "1h", "24h"]);
  });
});

test("widths in words", () => {
  expect([0.2, 1, 30, 90, 300, 3600, 86_400].map(width)).toEqual([
    "200\u00a0ms",
    "1\u00a0s",
    "30\u00a0s",
    "90\u00a0s",
    "5\u00a0m",
    "1\u00a0h",
    "1\u00a0d",
  ]);
});

test("only web addresses are links", () => {
  expect(linkOf("https://example.com/a?b=c")).toBe("https://example.com/a?b=c");
  for (const text of ["javascript:alert(1)", "data:text/html,x", "", null, "example.com"]) expect(linkOf(text)).toBeNull();
});

test("names of certificates", () => {
  expect(commonName("C=US, O=Let's Encrypt, CN=R11")).toBe("R11");
  expect(commonName("CN=Acme\\, Inc., O=Acme")).toBe("Acme, Inc.");
  expect(commonName("O=None")).toBe("O=None");
  expect(daysLeft(Date.UTC(2026, 0, 2), Date.UTC(2026, 0, 2, 1))).toBe(-1);
});

describe("a file for spreadsheets", () => {
  test("quotes what needs it", () => {
    expect([cell('say "hi"'), cell("a,b"), cell("two\nlines"), cell(null), cell(12), cell(false)]).toEqual([
      '"say ""hi"""',
      '"a,b"',
      '"two\nlines"',
      "",
      "12",
      "false",
    ]);
  });
  test("has no formulas", () => {
    expect(cell("=HYPERLINK(1)")).toBe("'=HYPERLINK(1)");
    expect(cell('@x,"')).toBe('"\'@x,"""');
    for (const sign of ["+1", "-1", "\tx"]) expect(cell(sign)[0]).toBe("'");
  });
  test("has as many columns everywhere", () => {
    const lines = (HEAD + rows([result({}), result({ phases: { dns_us: 3 }, packets: { sent: 20, received: 19 } })])).split("\r\n");
    expect(lines.at(-1)).toBe("");
    expect(new Set(lines.slice(0, -1).map((line) => line.split(",").length)).size).toBe(1);
  });
  test("has a name that every system takes", () => {
    expect(fileName("../a b/c:ü", 0, 60_000)).toBe("a-b-c-ü_19700101-0000_19700101-0001.csv");
    expect(fileName("///", 0, 0)).toMatch(/^target_/);
  });
});

describe("packets", () => {
  const at = Date.parse("2026-11-22T09:33:36Z");
  test("of a train lie beside each other, lost ones among them", () => {
    const found = dots([result({ packets: { sent: 4, received: 3, rtts_us: [1, null, 3, 4] } })], 0, 8);
    expect(found.map(({ us }) => us)).toEqual([1, null, 3, 4]);
    expect(found.map((dot) => dot.at - at)).toEqual([0, 1000, 2000, 3000]);
  });
  test("that were never sent are not lost", () => {
    expect(dots([result({ outcome: "unknown", latency_us: null }), result({ outcome: "down", latency_us: null })], 0, 1)).toEqual([
      { at, us: null },
    ]);
  });
  test("are looked for as far back as there are some to see", () => {
    expect([lookback(1, 1), lookback(300, 1), lookback(30, 20)]).toEqual([60_000, 6_000_000, 300_000]);
  });
});

describe("the waterfall", () => {
  test("has one phase after the other", () => {
    const found = steps(result({ phases: { dns_us: 10, connect_us: 30, ttfb_us: 60 } }), "http");
    expect(found.map(({ phase, from, share }) => [phase, from, share])).toEqual([
      ["dns", 0, 0.1],
      ["connect", 0.1, 0.3],
      ["ttfb", 0.4, 0.6],
    ]);
  });
  test("knows that STARTTLS comes before TLS", () => {
    expect(steps(result({ phases: { connect_us: 1, tls_us: 1, ttfb_us: 1 } }), "tls").map(({ phase }) => phase)).toEqual([
      "connect",
      "ttfb",
      "tls",
    ]);
  });
  test("of nothing is none", () => {
    expect(steps(result({}), "http")).toEqual([]);
  });
});
