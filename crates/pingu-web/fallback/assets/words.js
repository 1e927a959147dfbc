// Words and figures for people, and what a search means. Pure: no document, no clock, no network. The dashboard in web/ speaks with
// these words too; the types in comments are for it.

/** @typedef {"down" | "unknown" | "slow" | "waiting" | "up" | "paused"} State */

/** Every state a target can be in on this page, worst first. `slow` is up, but slow or lossy; `waiting` has no result yet. @type {State[]} */
export const STATES = ["down", "unknown", "slow", "waiting", "up", "paused"];

/** @type {Record<State, string>} */
export const LABEL = {
  down: "down",
  unknown: "unknown",
  slow: "slow or lossy",
  waiting: "no result yet",
  up: "up",
  paused: "paused",
};

/** A path in a square of 16 for each state. The shapes differ, so that they tell apart without colour. @type {Record<State, string>} */
export const MARK = {
  down: "M4 1.5h8A2.5 2.5 0 0 1 14.5 4v8a2.5 2.5 0 0 1-2.5 2.5H4A2.5 2.5 0 0 1 1.5 12V4A2.5 2.5 0 0 1 4 1.5zM5.6 4.4 4.4 5.6 6.8 8l-2.4 2.4 1.2 1.2L8 9.2l2.4 2.4 1.2-1.2L9.2 8l2.4-2.4-1.2-1.2L8 6.8z",
  unknown: "M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11zm0 2.2a3.3 3.3 0 1 0 0 6.6 3.3 3.3 0 0 0 0-6.6z",
  slow: "M7.2 2.2a.95.95 0 0 1 1.6 0l6 10.2a.95.95 0 0 1-.8 1.4H2a.95.95 0 0 1-.8-1.4z",
  waiting: "M3 7h10v2H3z",
  up: "M8 2.8a5.2 5.2 0 1 1 0 10.4A5.2 5.2 0 0 1 8 2.8z",
  paused: "M4.5 3.5h2.3v9H4.5zM9.2 3.5h2.3v9H9.2z",
};

/** The state of a target with its newest result, if there is one. @returns {State} */
export function judge(target, result) {
  if (!target.enabled) return "paused";
  if (!result) return "waiting";
  const outcome = result.outcome ?? (result.success ? "up" : "down");
  if (outcome === "up") return result.slow || result.lossy ? "slow" : "up";
  return outcome === "down" ? "down" : "unknown";
}

/** The latency of a result in three figures; null when there was no answer. @returns {string | null} */
export function latency(result) {
  const us = result.latency_us ?? (result.latency_ms == null ? null : result.latency_ms * 1000);
  return us == null ? null : micros(us);
}

/** Microseconds in three figures: `412 µs`, `9.85 ms`, `63.6 ms`, `215 ms`, `1.24 s`. @param {number} us */
export function micros(us) {
  if (us < 999.5) return `${Math.round(us)} µs`;
  return us < 999_500 ? `${figures(us / 1000)} ms` : `${figures(us / 1_000_000)} s`;
}

function figures(value) {
  return value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
}

/** The two greatest units of a length of time, with spaces that do not break: `4 s`, `28 m 22 s`, `3 h 12 m`, `45 d 2 h`. @param {number} ms */
export function span(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s}\u00a0s`;
  const [unit, size, next, part] = s < 3600 ? ["m", 60, "s", 1] : s < 86_400 ? ["h", 3600, "m", 60] : ["d", 86_400, "h", 3600];
  const rest = Math.floor((s % size) / part);
  return `${count(Math.floor(s / size))}\u00a0${unit}${rest ? `\u00a0${rest}\u00a0${next}` : ""}`;
}

/** How long ago something was. @param {number} ms */
export const ago = (ms) => (ms < 1000 ? "now" : `${span(ms)} ago`);

/** @param {number} n */
export const count = (n) => n.toLocaleString("en");

/**
 * The sentence on top, and the state that colours it (null for none).
 * @param {Record<State, number>} counts
 * @param {number} total
 * @returns {[string, State | null]}
 */
export function sentence(counts, total) {
  const watched = total - counts.paused;
  if (total === 0) return ["No targets yet", null];
  if (watched === 0) return [total === 1 ? "The only target is paused" : `All ${count(total)} paused`, null];
  if (counts.waiting === watched)
    return [watched === 1 ? "1 target, its first result on its way" : `${count(watched)} targets, first results on their way`, null];
  if (counts.down) return [`${count(counts.down)} down`, "down"];
  if (counts.unknown) return [`${count(counts.unknown)} unknown`, "unknown"];
  const up = counts.up + counts.slow;
  if (counts.waiting) return [`${count(up)} up, ${count(counts.waiting)} on ${counts.waiting === 1 ? "its" : "their"} way`, "up"];
  return [up === 1 ? "The only target is up" : `All ${count(up)} up`, "up"];
}

/** Why a target is not simply up: `[code, text]`, either may be empty. */
export function why(target, state, result) {
  if (state === "down" || state === "unknown") return [result.reason ?? "", result.error ?? ""];
  if (state !== "slow") return ["", ""];
  const { slow, lossy, packets } = result;
  const texts = [];
  if (slow && latency(result)) texts.push(`answer took ${latency(result)}, timeout is ${target.timeout_ms / 1000} s`);
  if (packets?.sent > packets?.received) texts.push(`${packets.sent - packets.received} of ${packets.sent} packets lost`);
  return [[slow && "slow", lossy && "lossy"].filter(Boolean).join(", "), texts.join(", ")];
}

/**
 * A URL, a host, a host and its port; for a name server also what it is asked for.
 * @param {{ url?: string | null, host?: string | null, port?: number | null, query?: string | null }} target
 */
export function address({ url, host, port, query }) {
  if (url) return url;
  const bracketed = port && host?.includes(":") ? `[${host}]` : host;
  const place = [bracketed, host && port].filter(Boolean).join(":");
  return [query, place].filter(Boolean).join(" @ ");
}

/** What a search looks through: lower case, one string for each field. */
export function fields(target) {
  const lower = (text) => (text ?? "").toLowerCase();
  const tags = (target.tags ?? []).map(lower);
  const all = [target.name, address(target), target.type, target.group, target.description].map(lower).concat(tags).join("\n");
  return { all, tag: tags, type: lower(target.type), group: lower(target.group) };
}

/**
 * A search as a function of an entry: every word must be found, a word after `-` must not. `tag:`, `type:`, `group:` and `is:`
 * look at one field; quotes hold a phrase together. Words are also looked for in the reason and the error.
 * @param {string} text
 */
export function search(text) {
  const words = [];
  for (const [, not, field, quoted, plain] of text.toLowerCase().matchAll(/(-?)(?:(tag|type|group|is):)?(?:"([^"]*)"?|([^\s"]*))/g)) {
    const word = quoted ?? plain;
    if (word) words.push({ not: not === "-", field, word });
  }
  return (entry) => words.every(({ not, field, word }) => found(entry, field, word) !== not);
}

function found(entry, field, word) {
  const { fields, state, result } = entry;
  if (field === "is") return state.startsWith(word) || (word === "lossy" && state === "slow") || (word === "not-up" && isNotUp(state));
  if (field === "tag") return fields.tag.some((tag) => tag.startsWith(word));
  if (field) return fields[field].startsWith(word);
  return fields.all.includes(word) || !!(result?.reason?.includes(word) || result?.error?.toLowerCase().includes(word));
}

/** @param {State} state */
export const isNotUp = (state) => state === "down" || state === "unknown" || state === "slow";
