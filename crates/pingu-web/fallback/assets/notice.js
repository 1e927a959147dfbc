// What the banner says of how fresh and how whole the data is. Pure: reads a feed, touches no document.

import { span } from "./words.js";

/** How long an answer may take, in milliseconds, before people are told that they look at old data. */
const SLOW_ANSWER = 5_000;

/**
 * `isFresh` is whether the page shows the present. `kind` is the state that colours the banner, empty for no banner; `button` is
 * empty for no button. `now` is performance.now().
 */
export function notice(feed, now) {
  const isSlow = feed.askedAt !== null && now - feed.askedAt > SLOW_ANSWER;
  const isFresh = feed.heardAt !== null && feed.error === null && !isSlow;
  const [kind, text, button] = isFresh ? health(feed) : stale(feed, now, isSlow);
  return { isFresh, kind, text, button };
}

function stale({ heardAt, health, error }, now, isSlow) {
  // Before the first answer the page itself says what failed.
  if (heardAt === null) return isSlow && !error ? ["slow", "Pingu is slow to answer…", ""] : ["", "", ""];
  const age = `showing data from ${span(now - heardAt)} ago`;
  if (health?.db === false) return ["down", `Database away, ${age}, trying again…`, "Retry now"];
  if (isSlow) return ["slow", `Pingu is slow to answer, ${age}…`, ""];
  return ["slow", `${error.status ? error.message : "Connection lost"}, ${age}, trying again…`, "Retry now"];
}

function health({ health, version, firstVersion }) {
  if (health?.db === false) return ["down", "Database away: new results are not shown until it is back.", ""];
  if (health?.ok === false) {
    const age = health.stats?.seconds_since_last_result;
    return ["slow", `${age == null ? "No result yet" : `No new result for ${span(age * 1000)}`}: is the poller running?`, ""];
  }
  if (version?.revision !== firstVersion?.revision || version?.version !== firstVersion?.version)
    return ["info", `Pingu was updated to ${version.version}.`, "Reload"];
  return ["", "", ""];
}
