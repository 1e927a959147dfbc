import { describe, expect, it } from "vitest";
import { balance, indent, kept, place } from "../src/pages/about/about.ts";

describe("what Pingu says of itself", () => {
  const told = { produced: 100, recovered: 5, stored: 90, duplicate: 4, spooled: 3, waiting: 2, quarantined: 1, dropped: 5 };

  it("adds up, or says what is under way", () => {
    expect(balance(told)).toMatchObject({ all: 105, underWay: 0 });
    expect(balance({ ...told, stored: 88 }).underWay).toBe(2);
    expect(balance({ ...told, recovered: 0 }).all).toBe(100);
  });

  it("puts the caret beneath what it means, with tabs and beside whole characters", () => {
    expect(indent("  key: 1", 3)).toBe("  ");
    expect(indent("\tkey", 2)).toBe("\t");
    expect(indent("🐧🐧x", 3)).toBe("  ");
    expect(indent("abc", 4)).toBe("   ");
  });

  it("has no caret where it would stand beside the line", () => {
    expect(indent("abc", 5)).toBeNull();
    expect(indent("abc", null)).toBeNull();
    expect(indent("abc", 0)).toBeNull();
  });

  it("names a place as editors open it", () => {
    expect(place("targets.yaml", { line: 12, column: 5 })).toBe("targets.yaml:12:5");
    expect(place("targets.yaml", { line: 12, column: null })).toBe("targets.yaml:12");
    expect(place("targets.yaml", { line: null, column: null })).toBe("targets.yaml");
  });

  it("keeps what is kept for no days for ever", () => {
    expect([kept(0), kept(1), kept(30)]).toEqual(["for ever", "1\u00a0day", "30\u00a0days"]);
  });
});
