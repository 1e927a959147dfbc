// Which targets are shown, in which order, under which headings.

import { describe, expect, it } from "vitest";
import { fields, STATES, type State } from "../src/model/words.ts";
import { arrange, type Choice, type Placed, rankNames, statesOf } from "../src/pages/targets/view.ts";

const CHOICE: Choice = { text: "", states: new Set(), sort: "worst", grouping: "none", folded: new Set(), tiles: null };

interface More {
  group?: string;
  type?: string;
  latency?: number;
  uptime?: number;
}

function entry(name: string, state: State = "up", { group, type = "icmp", latency, uptime }: More = {}): Placed {
  const target = { name, type, group: group ?? null, tags: [] };
  return {
    id: `id-${name}`,
    name,
    state,
    rank: STATES.indexOf(state),
    latency: latency ?? null,
    uptime: uptime ?? null,
    target,
    fields: fields(target),
    result: null,
  };
}

const view = (entries: Placed[], choice: Partial<Choice> = {}) => arrange(entries, { ...CHOICE, ...choice }, rankNames(entries));
const names = (entries: Placed[], choice: Partial<Choice> = {}) => view(entries, choice).entries.map(({ name }) => name);
/** The list as it is read: headings in brackets. */
const read = (entries: Placed[], choice: Partial<Choice> = {}) =>
  view(entries, choice).items.map((item) => {
    if (item.kind === "heading") return `[${item.name} ${item.size}${item.notUp ? ` ${item.notUp} not up` : ""}]`;
    return item.kind === "row" ? item.entry.name : item.entries.map(({ name }) => name).join(" ");
  });

describe("the order", () => {
  const some = [
    entry("b", "up", { latency: 5, uptime: 100 }),
    entry("a10", "paused"),
    entry("a9", "down", { uptime: 99 }),
    entry("c", "unknown"),
    entry("d", "slow", { latency: 900, uptime: 98 }),
    entry("A2", "up", { latency: 5 }),
    entry("e", "waiting"),
  ];

  it("is worst first, and then by name as people count", () => {
    expect(names(some)).toEqual(["a9", "c", "d", "e", "A2", "b", "a10"]);
    expect(names(some, { sort: "name" })).toEqual(["A2", "a9", "a10", "b", "c", "d", "e"]);
  });

  it("puts what has no latency or uptime last", () => {
    expect(names(some, { sort: "latency" }).slice(0, 3)).toEqual(["d", "A2", "b"]);
    expect(names(some, { sort: "uptime" }).slice(0, 3)).toEqual(["d", "a9", "b"]);
  });

  it("is the same whatever order they came in", () => {
    for (const sort of ["worst", "name", "latency", "uptime"] as const)
      expect(names([...some].reverse(), { sort })).toEqual(names(some, { sort }));
  });
});

describe("what is shown", () => {
  const some = [entry("gate"), entry("gate 2", "down"), entry("door", "down"), entry("roof", "slow")];

  it("is what the text finds and the chips let through", () => {
    expect(names(some, { text: "gate" })).toEqual(["gate 2", "gate"]);
    expect(names(some, { text: "gate", states: new Set<State>(["up"]) })).toEqual(["gate"]);
  });

  it("counts for the chips what the text alone finds", () => {
    const { counts } = view(some, { text: "gate", states: new Set<State>(["up"]) });
    expect(counts).toMatchObject({ up: 1, down: 1, slow: 0 });
  });

  it("takes states from an address, and nothing else", () => {
    expect([...statesOf("down,slow,nonsense,__proto__,")]).toEqual(["down", "slow"]);
    expect(statesOf(null).size).toBe(0);
  });
});

describe("groups", () => {
  const some = [
    entry("z1", "up", { group: "Zürich" }),
    entry("a1", "up", { group: "Athens" }),
    entry("p1", "up", { group: "Paris" }),
    entry("p2", "down", { group: "Paris" }),
    entry("lonely", "paused"),
  ];

  it("come with the worst first, those without a group last", () => {
    expect(read(some, { grouping: "group" })).toEqual([
      "[Paris 2 1 not up]",
      "p2",
      "p1",
      "[Athens 1]",
      "a1",
      "[Zürich 1]",
      "z1",
      "[without a group 1]",
      "lonely",
    ]);
  });

  it("come by name where the order is another", () => {
    expect(read(some, { grouping: "group", sort: "name" })[0]).toBe("[Athens 1]");
  });

  it("come by type too", () => {
    const mixed = [entry("x", "up", { type: "tcp" }), entry("y", "up", { type: "dns" })];
    expect(read(mixed, { grouping: "type" })).toEqual(["[DNS 1]", "y", "[TCP 1]", "x"]);
  });

  it("tell what is folded away, and j and k pass over it", () => {
    const folded = new Set(["group:Paris"]);
    expect(read(some, { grouping: "group", folded }).slice(0, 2)).toEqual(["[Paris 2 1 not up]", "[Athens 1]"]);
    expect(names(some, { grouping: "group", folded })).toEqual(["a1", "z1", "lonely"]);
  });

  it("have a key of their own each, so that a list never mixes them up", () => {
    const keys = view([...some, entry("group:Paris", "up", { group: "group:Paris" })], { grouping: "group" }).items.map(({ key }) => key);
    expect(new Set(keys).size).toBe(keys.length);
  });
});

describe("tiles", () => {
  const some = ["a", "b", "c", "d", "e"].map((name) => entry(name));

  it("stand side by side, the last row with what is left", () => {
    expect(read(some, { tiles: 2 })).toEqual(["a b", "c d", "e"]);
  });

  it("begin anew in each group", () => {
    const grouped = some.map((one, at) => entry(one.name, "up", { group: at < 3 ? "one" : "two" }));
    expect(read(grouped, { tiles: 2, grouping: "group" })).toEqual(["[one 3]", "a b", "c", "[two 2]", "d e"]);
  });
});

it("a hundred thousand targets are arranged, too", () => {
  const many = Array.from({ length: 100_000 }, (_, at) => entry(`t${at}`, at % 1000 === 0 ? "down" : "up", { group: `g${at % 3}` }));
  const { items, entries, counts } = view(many, { grouping: "group" });
  expect([items.length, entries.length, counts.down]).toEqual([100_003, 100_000, 100]);
});
