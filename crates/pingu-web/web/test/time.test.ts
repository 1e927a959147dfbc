// Instants on the clocks of a zone.

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { clock, day, instant, minute, parse, parts, zoneName } from "../src/model/time.ts";

const AT = Date.UTC(2026, 10, 22, 23, 33, 36);
const NOW = Date.UTC(2026, 10, 30);

describe("an instant", () => {
  it("has day, month and time, and no year where it is this one", () => {
    expect(instant(AT, "utc", NOW)).toBe("Nov 22, 23:33:36");
    expect(minute(AT, "utc", NOW)).toBe("Nov 22, 23:33");
    expect(day(AT, "utc", NOW)).toBe("Nov 22");
    expect(clock(AT, "utc")).toBe("23:33:36");
  });

  it("has the year where it is another", () => {
    expect(instant(AT, "utc", Date.UTC(2027, 0, 1))).toBe("Nov 22 2026, 23:33:36");
    expect(day(AT, "utc", Date.UTC(2027, 0, 1))).toBe("Nov 22 2026");
  });

  it("is midnight at 00, not at 24", () => expect(clock(Date.UTC(2026, 0, 1), "utc")).toBe("00:00:00"));
});

describe("the zone of this device", () => {
  beforeEach(() => {
    vi.stubEnv("TZ", "Australia/Eucla");
  });
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  it("moves the day too, and has quarters of hours", () => {
    // the zone of a formatter is settled when it is made, so the parts are asked for here first
    expect(parts(AT, "local")).toMatchObject({ day: "23", hour: "08", minute: "18" });
    expect(zoneName("local")).toBe("Australia/Eucla");
    expect(zoneName("utc")).toBe("UTC");
  });
});

describe("what the API tells", () => {
  it("is an instant, or nothing", () => {
    expect(parse("2026-11-22T23:33:36Z")).toBe(AT);
    expect(parse("2026-11-22T23:33:36.123456Z")).toBe(AT + 123);
    expect([parse(null), parse(undefined), parse(""), parse("yesterday, about")]).toEqual([null, null, null, null]);
  });
});
