// What the page knows: the targets, their newest results, and the server's clock.
//
// An entry lives as long as its target and its `result` is replaced only by one that says something new, so a row can tell by
// identity that it has nothing to do. Leaves out fetching (feed.js) and drawing (list.js, app.js).

import { STATES, fields, judge } from "./words.js";

const byName = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

export class Model {
  #entries = new Map();
  #sorted = [];
  #clock = null;
  #results = 0;
  /** How many targets are in each state. */
  counts = Object.fromEntries(STATES.map((state) => [state, 0]));
  /** The time of the newest result, or null. */
  newest = null;
  tagged = false;

  get size() {
    return this.#entries.size;
  }

  /** Worst first, then by name. */
  get sorted() {
    return this.#sorted;
  }

  /**
   * The server's time in milliseconds, or null before it told. It goes on with the monotonic clock of the browser, whose wall
   * clock is never asked: that one may be hours off.
   */
  now() {
    return this.#clock && this.#clock.server + performance.now() - this.#clock.at;
  }

  /** `heard` is what performance.now() said when the answer began to arrive. */
  setClock(generated, heard) {
    const server = Date.parse(generated);
    if (!Number.isNaN(server)) this.#clock = { server, at: heard };
  }

  setTargets(items) {
    const kept = new Map();
    this.tagged = false;
    for (const target of items) {
      const raw = JSON.stringify(target);
      let entry = this.#entries.get(target.id);
      if (entry?.raw !== raw) entry = { result: null, ...entry, id: target.id, raw, target, fields: fields(target) };
      this.tagged ||= !!target.group || !!target.tags?.length;
      kept.set(target.id, entry);
    }
    this.#entries = kept;
    [...kept.values()]
      .sort((a, b) => byName.compare(a.target.name, b.target.name))
      .forEach((entry, place) => (entry.place = place));
    this.#settle();
  }

  /** Takes the newest results. True when the targets are out of date: one is not known, or some have gone since last time. */
  setResults(items) {
    let stranger = false;
    const missing = items.length < this.#results;
    this.#results = items.length;
    for (const result of items) {
      const entry = this.#entries.get(result.target_id);
      if (!entry) stranger = true;
      else if (isNews(entry.result, result)) {
        entry.result = result;
        entry.at = Date.parse(result.ts);
        entry.since = Date.parse(result.since);
      }
    }
    this.#settle();
    return stranger || missing;
  }

  #settle() {
    for (const state of STATES) this.counts[state] = 0;
    this.newest = null;
    for (const entry of this.#entries.values()) {
      entry.state = judge(entry.target, entry.result);
      entry.rank = STATES.indexOf(entry.state);
      this.counts[entry.state] += 1;
      if (entry.result && entry.state !== "paused" && !(entry.at <= this.newest)) this.newest = entry.at;
    }
    this.#sorted = [...this.#entries.values()].sort((a, b) => a.rank - b.rank || a.place - b.place);
  }
}

function isNews(old, result) {
  return !old || old.ts !== result.ts || old.outcome !== result.outcome || old.since !== result.since;
}
