// The page: says in one sentence whether all is well, and shows the targets. It wires the feed to the list, and owns everything
// around the rows: sentence, bar, chips, search, banner, keys.
//
// Promises: nothing from the server becomes markup; search and chips are in the address; a hidden page draws only its title.

import { Feed } from "./feed.js";
import { List } from "./list.js";
import { Model } from "./model.js";
import { notice } from "./notice.js";
import { flip } from "./theme.js";
import { LABEL, MARK, STATES, ago, count, isNotUp, search, sentence, span } from "./words.js";

const $ = (id) => document.getElementById(id);
const model = new Model();
const list = new List($("rows"), $("more"));

// ── what is searched for, kept in the address ──

const query = new URLSearchParams(location.search);
const chosen = new Set((query.get("is") ?? "").split(",").filter((state) => STATES.includes(state)));
let matches = search(query.get("q") ?? "");
$("search").value = query.get("q") ?? "";

function searchAgain() {
  matches = search($("search").value);
  list.shrink();
  draw();
  tick();
  remember();
}

let remembering = 0;
function remember() {
  // Browsers throttle replaceState, so a word is remembered when it is typed, not each letter.
  clearTimeout(remembering);
  remembering = setTimeout(() => {
    const query = new URLSearchParams(location.search);
    const set = (key, value) => (value ? query.set(key, value) : query.delete(key));
    set("q", $("search").value.trim());
    set("is", [...chosen].join(","));
    history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
  }, 300);
}

function choose(states) {
  chosen.clear();
  for (const state of states) chosen.add(state);
  searchAgain();
}

// ── bar and chips: one piece for each state, made once ──

const pieces = new Map(STATES.map((state) => [state, piece(state)]));

function piece(state) {
  const segment = document.createElement("span");
  segment.className = `is-${state}`;
  $("bar").append(segment);

  const chip = document.createElement("button");
  chip.type = "button";
  chip.className = `chip is-${state}`;
  const number = document.createElement("b");
  chip.append(mark(state), LABEL[state], number);
  chip.addEventListener("click", () => {
    if (!chosen.delete(state)) chosen.add(state);
    searchAgain();
  });
  $("chips").append(chip);
  return { segment, chip, number };
}

function mark(state) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("class", "mark");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("fill-rule", "evenodd");
  path.setAttribute("d", MARK[state]);
  svg.append(path);
  return svg;
}

// ── drawing ──

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function draw() {
  const isKnown = feed.heardAt !== null;
  const [headline, state] = isKnown ? sentence(model.counts, model.size) : ["", null];
  const title = isKnown && model.counts.down ? `(${count(model.counts.down)} down) Pingu` : "Pingu";
  if (document.title !== title) document.title = title;
  if (document.hidden) return;

  $("main").classList.toggle("loading", !isKnown && !feed.error);
  $("bones").hidden = isKnown || !!feed.error;
  $("failed").hidden = isKnown || !feed.error;
  $("controls").hidden = $("list").hidden = !isKnown || model.size === 0;
  $("empty").hidden = !isKnown || model.size > 0;
  if (!isKnown) {
    if (feed.error) drawFailure();
    return;
  }
  $("sentence").className = `sentence ${state ? `is-${state}` : ""}`;
  write($("sentence"), headline);
  drawCounts();
  drawRows();
}

function drawCounts() {
  const parts = [];
  for (const state of STATES) {
    const { segment, chip, number } = pieces.get(state);
    const n = model.counts[state];
    segment.style.flexGrow = n;
    segment.hidden = n === 0;
    chip.hidden = n === 0 && !chosen.has(state);
    chip.setAttribute("aria-pressed", chosen.has(state));
    write(number, count(n));
    if (n) parts.push(`${count(n)} ${LABEL[state]}`);
  }
  $("bar").hidden = model.size === 0;
  $("bar").setAttribute("aria-label", parts.join(", "));
}

function drawRows() {
  const isAll = chosen.size === 0 && !$("search").value.trim();
  const found = isAll ? model.sorted : model.sorted.filter((entry) => (chosen.size === 0 || chosen.has(entry.state)) && matches(entry));
  $("list").classList.toggle("untagged", !model.tagged);
  if (model.size) $("list").hidden = found.length === 0;
  $("none").hidden = model.size === 0 || found.length > 0;
  list.show(found, model.now());
}

function drawFailure() {
  $("sentence").className = "sentence is-down";
  write($("sentence"), "Cannot load the targets");
  write($("sub"), "Trying again by itself…");
  $("bar").hidden = true;
  write($("failed-text"), `${feed.error.message}.`);
  const hints = { 401: "It asks for an API token, which this page cannot send.", undefined: "Is Pingu running, and is this its address?" };
  write($("failed-hint"), feed.health?.db === false ? "Pingu itself runs, but cannot reach its database." : (hints[feed.error.status] ?? "Its log says more."));
}

/** What changes with time alone. */
function tick() {
  if (document.hidden) return;
  drawBanner();
  if (feed.heardAt === null) return;
  const now = model.now();
  const { counts } = model;
  const parts = [];
  const watched = model.size - counts.paused;
  if (counts.down || counts.unknown) parts.push(`${count(counts.up + counts.slow)} of ${count(watched)} up`);
  if (counts.slow) parts.push(`${count(counts.slow)} slow or lossy`);
  if (counts.unknown && counts.down) parts.push(`${count(counts.unknown)} unknown`);
  if (counts.waiting && (counts.down || counts.unknown)) parts.push(`${count(counts.waiting)} without a result yet`);
  if (counts.paused) parts.push(`${count(counts.paused)} paused`);
  if (model.newest !== null && now !== null) parts.push(`newest result ${ago(now - model.newest)}`);
  write($("sub"), parts.map((part) => part.replaceAll(" ", "\u00a0")).join(" · ") || (model.size ? "Results appear here by themselves." : "This page will show them here, live."));
  list.tick(now);
}

// ── how fresh it is ──

function drawBanner() {
  const { isFresh, kind, text, button } = notice(feed, performance.now());
  $("main").classList.toggle("stale", !isFresh && feed.heardAt !== null);
  $("live").className = `live ${isFresh ? "is-up" : kind || feed.error ? "is-slow" : ""}`;
  write($("live-text"), isFresh ? "live" : kind || feed.error ? "reconnecting…" : "connecting");
  announce(kind, text);
  $("banner").hidden = !kind;
  if (!kind) return;
  $("banner").className = `banner is-${kind}`;
  write($("banner-text"), text);
  $("banner-button").hidden = !button;
  write($("banner-button"), button);
}

let announced = "";

/** Says a change once to who listens; the banner itself counts seconds and would never fall silent. */
function announce(kind, text) {
  const news = `${kind} ${$("sentence").textContent}`;
  if (feed.heardAt === null && feed.error === null) return;
  if (announced !== news) $("announce").textContent = kind ? text : $("sentence").textContent;
  announced = news;
}

function changed() {
  if (feed.firstVersion) {
    const { version, revision } = feed.firstVersion;
    write($("version"), `Pingu ${version}${revision ? ` (${revision.slice(0, 12)})` : ""}`);
  }
  draw();
  tick();
}

// ── hands ──

const keys = {
  "/": () => $("search").focus(),
  d: flip,
  x: () => choose(chosen.size ? [] : STATES.filter(isNotUp)),
};

document.addEventListener("keydown", (event) => {
  if (event.target.id === "search") {
    if (event.key !== "Escape") return;
    $("search").value = "";
    searchAgain();
    $("search").blur();
  } else if (keys[event.key] && !event.ctrlKey && !event.metaKey && !event.altKey && (event.key === "d" || !$("controls").hidden)) {
    event.preventDefault();
    keys[event.key]();
  }
});
$("search").addEventListener("input", searchAgain);
$("theme").addEventListener("click", flip);
$("clear").addEventListener("click", () => {
  $("search").value = "";
  choose([]);
});
$("more").addEventListener("click", () => {
  list.grow();
  drawRows();
});
$("retry").addEventListener("click", () => feed.poke());
$("banner-button").addEventListener("click", () => (feed.error ? feed.poke() : location.reload()));
$("copy").addEventListener("click", async () => {
  const example = $("example");
  getSelection().selectAllChildren(example);
  try {
    await navigator.clipboard.writeText(example.textContent);
    write($("copy"), "Copied");
  } catch {
    // Clipboards need a secure origin; over plain HTTP the text stays selected for the keyboard.
    write($("copy"), "Selected");
  }
  setTimeout(() => write($("copy"), "Copy"), 2000);
});
document.addEventListener("visibilitychange", changed);

let isScrolling = false;
addEventListener(
  "scroll",
  () => {
    if (isScrolling || feed.heardAt === null) return;
    isScrolling = true;
    requestAnimationFrame(() => {
      isScrolling = false;
      list.tick(model.now());
    });
  },
  { passive: true },
);

const feed = new Feed(model, changed);
setInterval(tick, 1000);
