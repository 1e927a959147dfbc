// What Pingu says of itself, and the sums and pointers that are made of it. Pure.

import type { Schema } from "../../api/types.ts";
import type { State } from "../../model/words.ts";

export type Problem = Schema["FileProblem"];
export type About = Schema["About"];

export interface Part {
  name: string;
  size: number;
  /** What colours it. */
  state: State | "accent";
  means: string;
}

/** Where every result is: what there was on the one side, where it went on the other, and what is counted on one side only as yet. */
export function balance(told: NonNullable<About["accounting"]>): { all: number; parts: Part[]; underWay: number } {
  const { produced, recovered, stored, duplicate, spooled, waiting, quarantined, dropped } = told;
  const parts: Part[] = [
    { name: "stored", size: stored, state: "up", means: "in the database" },
    { name: "duplicate", size: duplicate, state: "waiting", means: "their slot was stored already" },
    { name: "waiting", size: waiting, state: "accent", means: "in memory, to be stored next" },
    { name: "spooled", size: spooled, state: "slow", means: "in the spool file, until the database takes them" },
    {
      name: "quarantined",
      size: quarantined,
      state: "unknown",
      means: "refused by the database for their own sake; kept in the spool file",
    },
    { name: "dropped", size: dropped, state: "down", means: "given up" },
  ];
  const all = produced + recovered;
  return { all, parts, underWay: all - parts.reduce((sum, { size }) => sum + size, 0) };
}

/** What leads from the beginning of a line to a column of it, tabs as tabs, so that a caret stands beneath; null where it is not shown. */
export function indent(source: string, column: number | null | undefined): string | null {
  // in characters, as people count them
  const characters = Array.from(source);
  if (column == null || column < 1 || column > characters.length + 1) return null;
  return characters
    .slice(0, column - 1)
    .map((character) => (character === "\t" ? "\t" : " "))
    .join("");
}

/** `targets.yaml:12:5`, as editors open it. */
export const place = (path: string, { line, column }: Pick<Problem, "line" | "column">): string =>
  [path, line, line === null ? null : column].filter((part) => part != null).join(":");

/** For how long something is kept. */
export const kept = (days: number): string =>
  days === 0 ? "for ever" : `${days.toLocaleString("en")}\u00a0${days === 1 ? "day" : "days"}`;

/** A lag in milliseconds, in three figures. */
export const lag = (ms: number | null | undefined, micros: (us: number) => string): string => (ms == null ? "–" : micros(ms * 1000));

/** How late probes may begin before somebody should know, in milliseconds. */
export const LATE = 250;
