// The results of a target, newest first: a page to begin with, older ones when somebody asks, newer ones as they come.

import { ask, client, Failure } from "../../api/client.ts";
import { Resource } from "../../api/resource.svelte.ts";
import type { Schema } from "../../api/types.ts";
import { parse } from "../../model/time.ts";
import type { Span } from "./view.ts";

export type Result = Omit<Schema["TargetResult"], "id" | "target_id"> & { id?: number };

/** How many a first page has, and one that somebody asks for. */
const FIRST = 100;
const MORE = 200;
/** With a search for the few that were not up, pages are as long as they may be, and so many are read at once. */
const SEARCHED = 1000;
const PAGES = 5;
/** Of results that nobody asked for no more are kept. */
const KEPT = 2000;

const key = (result: Result) => `${result.ts} ${result.location}`;

export class Results {
  readonly #first = new Resource<{ items: Result[]; next_cursor?: string | null }>();
  /** Newest first. */
  items = $state.raw<Result[]>([]);
  /** Whether older ones are being read. */
  reading = $state(false);
  olderFailure = $state.raw<Failure | null>(null);
  #cursor = $state<string | null>(null);
  #id = "";
  #span: Span | null = null;
  #known = new Set<string>();
  /** More are kept where somebody asked for them. */
  #most = KEPT;

  get ready(): boolean {
    return this.#first.data !== null;
  }

  get failure() {
    return this.#first.failure;
  }

  get more(): boolean {
    return this.#cursor !== null;
  }

  /** Those of a span, or the newest. */
  async show(id: string, span: Span | null): Promise<void> {
    const different = id !== this.#id || span?.since !== this.#span?.since || span?.until !== this.#span?.until;
    this.#id = id;
    this.#span = span;
    await this.#first.ask(async (signal) => {
      const page = await this.#page(FIRST, null, signal);
      if (signal.aborted) return page;
      // whoever reads older ones keeps them where the new page reaches those that are there
      const reaches = !different && page.items.some((result) => this.#known.has(key(result)));
      if (!reaches) {
        this.items = page.items;
        this.#known = new Set(page.items.map(key));
        this.#cursor = page.next_cursor ?? null;
      } else for (const result of page.items.toReversed()) this.take(result);
      return page;
    }, different);
  }

  again(): void {
    void this.show(this.#id, this.#span);
  }

  /** Takes one that just came. */
  take(result: Result): void {
    // before the first page is here it may have this one, and the next one has it
    if (!this.ready || this.#known.has(key(result))) return;
    this.#known.add(key(result));
    const at = parse(result.ts) ?? 0;
    const place = this.items.findIndex((other) => (parse(other.ts) ?? 0) <= at);
    this.items = place < 0 ? [...this.items, result] : this.items.toSpliced(place, 0, result);
    // begun anew, or a page that is open for days would grow for days
    if (this.items.length > this.#most) {
      this.#known.clear();
      this.#most = KEPT;
      this.again();
    }
  }

  /** Reads older ones: a page, or as many as it takes to find some that `wanted` takes. */
  async older(wanted: ((result: Result) => boolean) | null): Promise<void> {
    if (this.reading) return;
    this.reading = true;
    this.olderFailure = null;
    try {
      for (let page = 0, found = 0; page < PAGES && found < 20 && this.#cursor !== null; page += 1) {
        const [id, span] = [this.#id, this.#span];
        const { items, next_cursor } = await this.#page(wanted ? SEARCHED : MORE, this.#cursor);
        if (id !== this.#id || span !== this.#span) return;
        const added = items.filter((result: Result) => !this.#known.has(key(result)));
        for (const result of added) this.#known.add(key(result));
        this.items = [...this.items, ...added];
        this.#most = this.items.length + KEPT;
        this.#cursor = next_cursor ?? null;
        found += wanted ? added.filter(wanted).length : Number.POSITIVE_INFINITY;
      }
    } catch (failure) {
      this.olderFailure = failure instanceof Failure ? failure : new Failure(0, "", String(failure));
    } finally {
      this.reading = false;
    }
  }

  drop(): void {
    this.#first.drop();
  }

  #page(limit: number, cursor: string | null, aborted?: AbortSignal) {
    return page(this.#id, this.#span, limit, cursor, aborted);
  }
}

/** A page of the results of a span, or of all. */
export async function page(id: string, span: Span | null, limit: number, cursor: string | null, aborted?: AbortSignal) {
  const within = span ? { since: new Date(span.since).toISOString(), until: new Date(span.until).toISOString() } : {};
  const query = { ...within, limit, ...(cursor ? { cursor } : {}) };
  return ask((signal) => client.GET("/api/v1/targets/{id}/results", { params: { path: { id }, query }, signal }), aborted);
}

/** What a result says beside its outcome and its latency. */
export function detail(result: Result): string {
  const parts: string[] = [];
  const { packets, status_code, redirects } = result;
  if (result.error && result.outcome !== "up") parts.push(result.error);
  else if (status_code != null) parts.push(`HTTP ${status_code}`);
  if (packets && packets.sent > 1) parts.push(`${packets.received}/${packets.sent} packets`);
  if (packets?.jitter_us != null && packets.received > 1) parts.push(`jitter ${(packets.jitter_us / 1000).toPrecision(2)} ms`);
  if (redirects && redirects.length > 1) parts.push(`${redirects.length - 1} ${redirects.length === 2 ? "redirect" : "redirects"}`);
  if (result.resolved_ip && result.outcome === "up") parts.push(result.resolved_ip);
  return parts.join(" · ");
}
