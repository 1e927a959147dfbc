import { expect, it } from "vitest";
import { runs } from "../src/pages/incidents/failures.ts";

const result = (second: number, outcome: string, reason: string | null = null, error: string | null = null) =>
  ({
    ts: new Date(Date.UTC(2026, 1, 23, 0, 0, second)).toISOString(),
    outcome,
    reason,
    error,
    status_code: null,
    resolved_ip: "192.0.2.1",
  }) as Parameters<typeof runs>[0][number];

it("makes one line of failures that are alike, the oldest first, and tells answers in between", () => {
  const newestFirst = [
    result(5, "down", "refused", "closed"),
    result(4, "up"),
    result(3, "down", "refused", "closed"),
    result(2, "down", "timeout", "late"),
    result(1, "down", "timeout", "late"),
  ];
  expect(runs(newestFirst).map(({ size, reason, answered }) => [size, reason, answered])).toEqual([
    [2, "timeout", 0],
    [1, "refused", 0],
    [1, "refused", 1],
  ]);
});

it("keeps apart what differs in the error or the outcome alone", () => {
  expect(runs([result(2, "down", "status", "503"), result(1, "down", "status", "502")])).toHaveLength(2);
  expect(runs([result(2, "unknown", "local", "x"), result(1, "down", "local", "x")])).toHaveLength(2);
});

it("finds nothing where all is up", () => {
  expect(runs([result(1, "up")])).toEqual([]);
});
