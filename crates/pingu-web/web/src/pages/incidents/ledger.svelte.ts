// The incidents of a span: read in pages, newest first, and kept current by the stream.

import { ask, client, Failure } from "../../api/client.ts";
import { stream } from "../../live/stream.svelte.ts";
import { type Incident, identity, type News, newestFirst, told } from "../../model/incidents.ts";

export interface Wanted {
  target: string | null;
  open: boolean;
  since: number;
  /** Null where the span ends now. */
  until: number | null;
}

/** The first page is small, for it to be there at once; those after it are not. */
const FIRST = 200;
const REST = 1000;
/** Read without anybody asking for more: enough for pictures and totals, and no megabytes. */
const PLENTY = 3000;
/** How long news is gathered before the list is read again. */
const GATHER = 400;
/** Of those that go on the figures change without news; of `pingu api` there is none at all. */
const REFRESH = 15_000;

export class Ledger {
  /** Newest first. */
  items = $state.raw<Incident[]>([]);
  ready = $state(false);
  failure = $state.raw<Failure | null>(null);
  /** What continues where this ends; null where nothing follows. */
  cursor = $state<string | null>(null);
  reading = $state(false);
  /** Whether what is shown is not yet, or could not be replaced by, what is wanted. */
  outdated = $state(false);
  #wanted: Wanted | null = null;
  #underWay: AbortController | null = null;
  #soon: ReturnType<typeof setTimeout> | undefined;

  /** Follows what happens, until the function that it gives is called. */
  follow(): () => void {
    const off = stream.on("incident", (data) => this.#hear((data as { items: News[] }).items));
    const resync = stream.on("resync", () => this.#later());
    const timer = setInterval(() => !document.hidden && this.#later(), REFRESH);
    return () => {
      off();
      resync();
      clearInterval(timer);
      clearTimeout(this.#soon);
      this.#underWay?.abort();
    };
  }

  /** Reads these. What was shown stays until the answer is here. */
  async look(wanted: Wanted): Promise<void> {
    this.#wanted = wanted;
    this.#underWay?.abort();
    const underWay = new AbortController();
    this.#underWay = underWay;
    this.failure = null;
    this.reading = true;
    this.outdated = true;
    try {
      let page = await this.#page(underWay.signal, FIRST);
      if (underWay.signal.aborted) return;
      const items = [...page.items];
      this.items = items;
      this.cursor = page.next_cursor ?? null;
      this.ready = true;
      this.outdated = false;
      while (page.next_cursor && items.length < PLENTY) {
        page = await this.#page(underWay.signal, REST, page.next_cursor);
        if (underWay.signal.aborted) return;
        items.push(...page.items);
        this.#take(page.items);
        this.cursor = page.next_cursor ?? null;
      }
    } catch (failure) {
      if (underWay.signal.aborted) return;
      this.failure = failure instanceof Failure ? failure : new Failure(0, "", "Something in this page failed: reload it");
    }
    this.reading = false;
  }

  again(): void {
    if (this.#wanted) void this.look(this.#wanted);
  }

  /** Reads the next page. */
  async older(): Promise<void> {
    if (!this.cursor || this.reading) return;
    const { signal } = this.#underWay ?? new AbortController();
    this.reading = true;
    this.failure = null;
    try {
      const page = await this.#page(signal, REST, this.cursor);
      if (signal.aborted) return;
      this.#take(page.items);
      this.cursor = page.next_cursor ?? null;
    } catch (failure) {
      if (signal.aborted) return;
      this.failure = failure as Failure;
    }
    this.reading = false;
  }

  async #page(signal: AbortSignal, limit: number, cursor?: string) {
    const { target, open, since, until } = this.#wanted!;
    const query = {
      limit,
      since: new Date(since).toISOString(),
      ...(until === null ? {} : { until: new Date(until).toISOString() }),
      ...(target ? { target } : {}),
      ...(open ? { open: true } : {}),
      ...(cursor ? { cursor } : {}),
    };
    return ask((signal) => client.GET("/api/v1/incidents", { params: { query }, signal }), signal);
  }

  /** Takes newer knowledge of these, and those that are new. */
  #take(items: Incident[]): void {
    const known = new Map(this.items.map((incident) => [incident.id, incident]));
    for (const item of items) known.set(item.id, item);
    const open = this.#wanted?.open;
    this.items = [...known.values()].filter((incident) => !open || incident.open).sort(newestFirst);
  }

  #hear(news: News[]): void {
    const of = new Map(news.map((one) => [identity(one), one]));
    let changed = false;
    const items = this.items.map((incident) => {
      const one = incident.open ? of.get(identity(incident)) : undefined;
      changed ||= !!one;
      return one ? told(incident, one) : incident;
    });
    if (changed) this.items = this.#wanted?.open ? items.filter(({ open }) => open) : items;
    // ids, and figures, are in no news
    this.#later();
  }

  #later(): void {
    if (this.#soon) return;
    this.#soon = setTimeout(() => {
      this.#soon = undefined;
      void this.#refresh();
    }, GATHER);
  }

  /** Reads the newest anew, and those that went on when they were read. */
  async #refresh(): Promise<void> {
    const [underWay, wanted] = [this.#underWay, this.#wanted];
    if (!underWay || !wanted || !this.ready || this.reading) return;
    try {
      const newest = await this.#page(underWay.signal, FIRST);
      const seen = new Set(newest.items.map(({ id }) => id));
      const unseen = this.items.filter(({ id, open }) => open && !seen.has(id));
      let open: Incident[] = [];
      if (unseen.length > 0) {
        const query = { open: true, limit: REST, ...(wanted.target ? { target: wanted.target } : {}) };
        open = (await ask((signal) => client.GET("/api/v1/incidents", { params: { query }, signal }), underWay.signal)).items;
      }
      if (underWay.signal.aborted) return;
      // what is here is of another span
      if (this.outdated) return this.again();
      this.failure = null;
      const going = new Set(open.map(({ id }) => id));
      // ended without news: what is not open any more, and not among the newest, is read with all others
      if (open.length < REST && unseen.some(({ id }) => !going.has(id))) return this.again();
      this.#take([...newest.items, ...open]);
    } catch {
      // the stream says that Pingu is away, and the next look is not far
    }
  }
}
