// Which targets are compared, and which might be. Pure.

import { isNotUp, type State } from "../../model/words.ts";

/** What the API takes in one question. */
export const MOST = 12;

/** What a target is called in a query: ids, or names. */
export interface Known {
  id: string;
  name: string;
}

export interface Chosen<E> {
  /** Each once, in the order of the query, so many at the most. */
  entries: E[];
  /** Words of the query that no known target is called. */
  strangers: string[];
  /** How many there are beyond the most. */
  beyond: number;
}

/** The targets of `t=a&t=b` and of `t=a,b`. A name with commas in it is one where a target is called so. */
export function chosen<E extends Known>(values: readonly string[], find: (reference: string) => E | undefined): Chosen<E> {
  const found = new Map<string, E>();
  const strangers = new Set<string>();
  const take = (reference: string): boolean => {
    const entry = find(reference);
    if (entry) found.set(entry.id, entry);
    return !!entry;
  };
  for (const value of values) {
    if (value === "" || take(value)) continue;
    for (const part of value.split(",")) {
      const reference = part.trim();
      if (reference && !take(reference)) strangers.add(reference);
    }
  }
  const all = [...found.values()];
  return { entries: all.slice(0, MOST), strangers: [...strangers], beyond: Math.max(0, all.length - MOST) };
}

interface Candidate extends Known {
  state: State;
  rank: number;
  latency: number | null;
  target: { group?: string | null };
}

export interface Suggestion {
  words: string;
  ids: string[];
}

/** How many of the slowest, and of the troubled, are suggested; how many groups. */
const FEW = 4;
const GROUPS = 4;

/** What one may want to compare: the slowest, those in trouble, groups. */
export function suggestions(all: Iterable<Candidate>): Suggestion[] {
  const watched = [...all].filter(({ state }) => state !== "paused");
  const byName = (a: Candidate, b: Candidate) => (a.name < b.name ? -1 : 1);
  const found: Suggestion[] = [];
  const slowest = watched
    .filter(({ latency }) => latency !== null)
    .sort((a, b) => (b.latency ?? 0) - (a.latency ?? 0) || byName(a, b))
    .slice(0, FEW);
  if (slowest.length > 1) found.push({ words: `the ${slowest.length} slowest`, ids: slowest.map(({ id }) => id) });
  const troubled = watched
    .filter(({ state }) => isNotUp(state))
    .sort((a, b) => a.rank - b.rank || byName(a, b))
    .slice(0, FEW);
  if (troubled.length > 1) found.push({ words: `the ${troubled.length} worst`, ids: troubled.map(({ id }) => id) });
  const groups = new Map<string, Candidate[]>();
  for (const entry of watched) {
    const name = entry.target.group;
    if (!name) continue;
    const members = groups.get(name);
    if (members) members.push(entry);
    else groups.set(name, [entry]);
  }
  const large = [...groups]
    .filter(([, members]) => members.length > 1)
    .sort(([a, those], [b, others]) => others.length - those.length || (a < b ? -1 : 1));
  for (const [name, members] of large.slice(0, GROUPS)) {
    const ids = members.sort(byName).map(({ id }) => id);
    found.push({ words: ids.length > MOST ? `the first ${MOST} of group ${name}` : `all of group ${name}`, ids: ids.slice(0, MOST) });
  }
  return found;
}
