// Which targets are shown, in which order, under which headings. Pure: entries and choices in, items out.

import { isNotUp, STATES, type State, search } from "../../model/words.ts";

/** What of an entry decides where it is shown. */
export interface Placed {
  id: string;
  name: string;
  state: State;
  rank: number;
  latency: number | null;
  uptime: number | null;
  target: { group?: string | null; type: string };
  fields: unknown;
  result: unknown;
}

export const SORTS = { worst: "worst first", name: "by name", latency: "slowest first", uptime: "least uptime first" } as const;
export const GROUPINGS = { group: "by group", type: "by type", none: "no groups" } as const;
export type Sort = keyof typeof SORTS;
export type Grouping = keyof typeof GROUPINGS;

export interface Choice {
  text: string;
  /** None means all. */
  states: ReadonlySet<State>;
  sort: Sort;
  grouping: Grouping;
  /** Keys of groups whose targets are folded away. */
  folded: ReadonlySet<string>;
  /** How many tiles stand side by side; nothing for a list of rows. */
  tiles: number | null;
}

export interface Heading {
  kind: "heading";
  key: string;
  name: string;
  size: number;
  notUp: number;
  folded: boolean;
}
export interface RowItem<E> {
  kind: "row";
  key: string;
  entry: E;
  last: boolean;
}
export interface TilesItem<E> {
  kind: "tiles";
  key: string;
  entries: E[];
}
export type Item<E> = Heading | RowItem<E> | TilesItem<E>;

export interface View<E> {
  items: Item<E>[];
  /** Those shown, in their order: what j and k walk along. */
  entries: E[];
  /** How many of each state the text alone finds: what the chips count. */
  counts: Record<State, number>;
}

const names = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

/** A number of its own for each place in the order of names; kept by the caller, as sorting by name is the dearest step. */
export function rankNames(entries: Iterable<Placed>): Map<string, number> {
  const sorted = [...entries].sort((a, b) => names.compare(a.name, b.name));
  return new Map(sorted.map((entry, at) => [entry.id, at]));
}

export function arrange<E extends Placed>(all: Iterable<E>, choice: Choice, places: Map<string, number>): View<E> {
  const matches = search(choice.text);
  const counts = Object.fromEntries(STATES.map((state) => [state, 0])) as Record<State, number>;
  const entries: E[] = [];
  for (const entry of all) {
    if (!matches(entry)) continue;
    counts[entry.state] += 1;
    if (choice.states.size === 0 || choice.states.has(entry.state)) entries.push(entry);
  }
  const place = (entry: E) => places.get(entry.id) ?? 0;
  const least = (a: number | null, b: number | null) => (a ?? Number.POSITIVE_INFINITY) - (b ?? Number.POSITIVE_INFINITY) || 0;
  const by: Record<Sort, (a: E, b: E) => number> = {
    worst: (a, b) => a.rank - b.rank || place(a) - place(b),
    name: (a, b) => place(a) - place(b),
    latency: (a, b) => (b.latency ?? -1) - (a.latency ?? -1) || place(a) - place(b),
    uptime: (a, b) => least(a.uptime, b.uptime) || place(a) - place(b),
  };
  entries.sort(by[choice.sort]);
  if (choice.grouping === "none") return { items: laid(entries, choice.tiles, ""), entries, counts };

  const groups = new Map<string, E[]>();
  for (const entry of entries) {
    const name = choice.grouping === "type" ? entry.target.type.toUpperCase() : (entry.target.group ?? "");
    const found = groups.get(name);
    if (found) found.push(entry);
    else groups.set(name, [entry]);
  }
  // with the worst first a group is as bad as its worst; those without a group come last otherwise
  const severity = ([worst]: E[]) => (choice.sort === "worst" && worst && isNotUp(worst.state) ? worst.rank : STATES.length);
  const ordered = [...groups].sort(
    ([a, those], [b, others]) => severity(those) - severity(others) || Number(a === "") - Number(b === "") || names.compare(a, b),
  );
  const items: Item<E>[] = [];
  const shown: E[] = [];
  for (const [name, members] of ordered) {
    const key = `${choice.grouping}:${name}`;
    const folded = choice.folded.has(key);
    const notUp = members.filter((entry) => isNotUp(entry.state)).length;
    items.push({ kind: "heading", key, name: name || "without a group", size: members.length, notUp, folded });
    if (folded) continue;
    // one at a time: a spread of a hundred thousand is more than a call takes
    for (const item of laid(members, choice.tiles, key)) items.push(item);
    for (const entry of members) shown.push(entry);
  }
  return { items, entries: shown, counts };
}

function laid<E extends Placed>(entries: E[], tiles: number | null, key: string): Item<E>[] {
  if (tiles === null) return entries.map((entry, at) => ({ kind: "row", key: entry.id, entry, last: at === entries.length - 1 }));
  const rows: Item<E>[] = [];
  for (let at = 0; at < entries.length; at += tiles)
    rows.push({ kind: "tiles", key: `${key} ${at}`, entries: entries.slice(at, at + tiles) });
  return rows;
}

/** The states that a query names; what is none is left out. */
export function statesOf(text: string | null): Set<State> {
  return new Set((text ?? "").split(",").filter((word): word is State => (STATES as string[]).includes(word)));
}
