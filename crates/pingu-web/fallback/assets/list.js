// The rows of targets.
//
// A row belongs to a target for as long as it is shown; a tick writes only the texts that changed, and a new order moves only
// rows that are out of place. Everything from the server goes through textContent or setAttribute on harmless attributes.
// While a mouse rests on the list its order stands still, so that nothing slips away under the pointer.

import { LABEL, MARK, address, ago, latency, span, why } from "./words.js";

const PAGE = 500;
const TAGS = 4;
/** How far outside the window, in pixels, ages are kept up. */
const MARGIN = 300;
const when = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export class List {
  #body;
  #more;
  #template = document.getElementById("row").content.firstElementChild;
  #rows = new Map();
  #shown = [];
  #limit = PAGE;
  #isHeld = false;
  #last = [];

  constructor(body, more) {
    this.#body = body;
    this.#more = more;
    body.addEventListener("pointerenter", (event) => (this.#isHeld = event.pointerType === "mouse"));
    body.addEventListener("pointerleave", () => (this.#isHeld = false));
  }

  /** Draws `entries`, in their order unless the list is held. `now` is the server's time, or null. */
  show(entries, now) {
    const ordered = this.#isHeld ? held(entries, this.#shown) : entries;
    this.#shown = ordered;
    const visible = ordered.length > this.#limit ? ordered.slice(0, this.#limit) : ordered;
    this.#arrange(visible, now);
    const left = ordered.length - visible.length;
    this.#more.hidden = left === 0;
    if (left) this.#more.textContent = `Show ${Math.min(left, PAGE)} more of ${left.toLocaleString("en")}`;
  }

  /** Makes room for more rows; the next `show` fills it. */
  grow() {
    this.#limit += PAGE;
  }

  /** Back to the first rows, for a new search. */
  shrink() {
    this.#limit = PAGE;
    this.#isHeld = false;
  }

  /** Brings the ages in and near the window up to `now`. With 10,000 rows shown, all of them took 110 ms. */
  tick(now) {
    const from = this.#below(-MARGIN);
    const to = this.#below(innerHeight + MARGIN);
    for (const entry of this.#last.slice(from, to + 1)) this.#rows.get(entry.id).tick(now);
  }

  /** The first row that ends below `y`: rows are in order, so a few measurements find it. */
  #below(y) {
    let low = 0;
    let high = this.#last.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#rows.get(this.#last[middle].id).element.getBoundingClientRect().bottom < y) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #arrange(visible, now) {
    const gone = new Set(this.#rows.keys());
    for (const { id } of visible) gone.delete(id);
    for (const id of gone) {
      this.#rows.get(id).element.remove();
      this.#rows.delete(id);
    }
    let cursor = this.#body.firstElementChild;
    for (const entry of visible) {
      let row = this.#rows.get(entry.id);
      if (!row) this.#rows.set(entry.id, (row = new Row(this.#template.cloneNode(true))));
      row.update(entry, now);
      if (row.element === cursor) cursor = cursor.nextElementSibling;
      else if (cursor?.nextElementSibling === row.element) {
        // The one in the way sinks: moving it alone is cheaper than moving all that follow.
        cursor.remove();
        cursor = row.element.nextElementSibling;
      } else this.#body.insertBefore(row.element, cursor);
    }
    this.#last = visible;
  }
}

/** `entries` in the order of `before`; newcomers at the end. */
function held(entries, before) {
  const place = new Map(before.map((entry, index) => [entry.id, index]));
  return entries.toSorted((a, b) => (place.get(a.id) ?? Infinity) - (place.get(b.id) ?? Infinity) || 0);
}

class Row {
  #target;
  #result;
  #state;
  #entry;
  #why = null;

  constructor(element) {
    this.element = element;
    const [mark, name, tags, since, last, latencyCell] = element.children;
    this.mark = mark.firstElementChild;
    this.nameCell = name;
    [this.name, this.type, this.address] = name.firstElementChild.children;
    this.tags = tags;
    this.since = since;
    this.last = last.firstElementChild;
    this.latency = latencyCell;
  }

  update(entry, now) {
    this.#entry = entry;
    if (this.#target !== entry.target) this.#drawTarget(entry.target);
    const isOther = this.#state !== entry.state;
    if (!isOther && this.#result === entry.result) return;
    this.#drawResult(entry);
    if (isOther) this.#drawState(entry.state);
    this.tick(now);
  }

  tick(now) {
    const { state, result, at, since, target } = this.#entry;
    if (!result || now === null) {
      write(this.since, state === "paused" ? "paused" : state === "waiting" ? "first result on its way" : "–");
      write(this.last, "–");
      return;
    }
    const outcome = result.outcome ?? state;
    write(this.since, state === "paused" ? "paused" : Number.isNaN(since) ? outcome : `${outcome} for ${span(now - since)}`);
    const age = now - at;
    write(this.last, ago(age));
    // Two results are missing: what is shown is old news, whatever its colour.
    const isLate = state !== "paused" && age > 3000 * target.interval_seconds + target.timeout_ms + 5000;
    this.last.classList.toggle("late", isLate);
  }

  #drawTarget(target) {
    this.#target = target;
    write(this.name, target.name);
    this.name.title = target.description ? `${target.name}\n${target.description}` : target.name;
    write(this.type, target.type);
    const place = address(target);
    write(this.address, place.replace(/^https:\/\/([^/]+)\/?$/, "$1").replace(/^https:\/\//, ""));
    this.address.title = place;
    const tags = target.tags ?? [];
    const shown = tags.length > TAGS ? tags.slice(0, TAGS - 1) : tags;
    this.tags.replaceChildren();
    if (target.group) this.tags.append(tag(target.group, "tag group"));
    for (const text of shown) this.tags.append(tag(text, "tag"));
    if (shown.length < tags.length) this.tags.append(tag(`+${tags.length - shown.length}`, "tag rest"));
    this.tags.title = [target.group, ...tags].filter(Boolean).join(", ");
  }

  #drawResult({ target, state, result, at, since }) {
    this.#result = result;
    const took = result && latency(result);
    write(this.latency, took ?? "–");
    if (result) {
      this.last.dateTime = result.ts;
      this.last.title = when.format(at);
      this.since.title = Number.isNaN(since) ? "" : `since ${when.format(since)}`;
    }
    this.#drawWhy(...(result ? why(target, state, result) : ["", ""]));
  }

  #drawWhy(code, text) {
    if (!code && !text) {
      this.#why?.remove();
      this.#why = null;
      return;
    }
    if (!this.#why) {
      this.#why = document.createElement("span");
      this.#why.className = "why";
      this.#why.append(document.createElement("b"), " ", document.createElement("span"));
      this.nameCell.append(this.#why);
    }
    write(this.#why.firstElementChild, code);
    write(this.#why.lastElementChild, text);
    this.#why.title = text;
  }

  #drawState(state) {
    // A first drawing is no change: only what changes later may catch the eye.
    this.element.className = this.#state ? `is-${state} changed` : `is-${state}`;
    this.#state = state;
    this.mark.setAttribute("aria-label", LABEL[state]);
    this.mark.firstElementChild.setAttribute("d", MARK[state]);
  }
}

function write(element, text) {
  // A text node knows its text; asking textContent of the element would walk its children.
  const node = element.firstChild;
  if (!node) element.textContent = text;
  else if (node.data !== text) node.data = text;
}

function tag(text, kind) {
  const element = document.createElement("span");
  element.className = kind;
  element.textContent = text;
  return element;
}
