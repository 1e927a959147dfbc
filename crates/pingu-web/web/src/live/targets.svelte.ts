// Every target with what is known of it now: read once, kept current by the stream, read again where the stream left something out.

import { ask, client, Failure } from "../api/client.ts";
import type { Overview, Schema, TargetItem } from "../api/types.ts";
import { CAPACITY } from "../model/beats.ts";
import { STATES, type State } from "../model/words.ts";
import { clock } from "./clock.svelte.ts";
import { Entry, type Told } from "./entry.svelte.ts";
import { session } from "./session.svelte.ts";
import { stream } from "./stream.svelte.ts";

/** How often everything is read anew: uptime and certificates are in no event. */
const REFRESH = 5 * 60_000;
/** Reasons of failures are asked for at most this often. */
const EXPLAIN = 700;
/** And the figures of the whole, where events say that they changed: each costs the server a sum over a day. */
const GLANCE = 2000;
/** How long a database that is away is left alone. */
const RETRY = 3000;

const nothing = (): Record<State, number> => Object.fromEntries(STATES.map((state) => [state, 0])) as Record<State, number>;

class Targets {
  /** Grows when a target comes, goes or changes its state: what orders, filters or counts reads it. */
  order = $state(0);
  /** Grows when a target comes, goes or has another name. */
  named = $state(0);
  /** Grows with each message. */
  tick = $state(0);
  /** Whether the list was read at all. */
  ready = $state(false);
  failure = $state.raw<Failure | null>(null);
  overview = $state.raw<Overview | null>(null);
  counts = $state.raw(nothing());
  /** What the server was when this page was loaded, to notice another one. */
  firstVersion: { version: string; revision?: string | null } | null = null;
  readonly #entries = new Map<string, Entry>();
  #reading = false;
  #readAgain = false;
  #explaining: ReturnType<typeof setTimeout> | undefined;
  #glancing: ReturnType<typeof setTimeout> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;

  /** Begins; once for a page. */
  start(): void {
    stream.on("beats", (data) => this.#beats(data as { newest_only: boolean; beats: Told[] }));
    stream.on("targets", () => void this.read());
    stream.on("resync", () => void this.read());
    stream.on("incident", (data) => {
      // of one that goes on, why it failed last
      for (const { target_id, open, reason, error } of (data as { items: Schema["IncidentNews"][] }).items) {
        const entry = this.#entries.get(target_id);
        if (open && entry?.state === "down") entry.explain(reason, error);
      }
      this.#glance();
    });
    stream.on("overview", () => this.#glance());
    setInterval(() => {
      if (!document.hidden && stream.live) void this.read();
    }, REFRESH);
    $effect.root(() => {
      $effect(() => {
        // whoever signs in, and whoever comes back, reads everything anew
        void stream.turn;
        void session.turn;
        if (session.signedIn) {
          stream.open();
          void this.read();
        } else stream.close();
      });
    });
  }

  get(id: string): Entry | undefined {
    return this.#entries.get(id);
  }

  all(): Iterable<Entry> {
    return this.#entries.values();
  }

  get size(): number {
    // the map itself is not watched
    void this.order;
    return this.#entries.size;
  }

  /** By id or, failing that, by name. */
  find(reference: string): Entry | undefined {
    const found = this.#entries.get(reference);
    if (found) return found;
    for (const entry of this.#entries.values()) if (entry.name === reference) return entry;
    return undefined;
  }

  async read(): Promise<void> {
    if (this.#reading) {
      this.#readAgain = true;
      return;
    }
    this.#reading = true;
    try {
      const query = { status: "all", beats: CAPACITY } as const;
      const [list] = await Promise.all([ask((signal) => client.GET("/api/v1/targets", { params: { query }, signal })), this.look()]);
      this.#take(list.items);
      this.failure = null;
      this.ready = true;
    } catch (failure) {
      this.failure = failure instanceof Failure ? failure : new Failure(0, "", String(failure));
      // the stream tells when to read again; where it is fine this is for a database that was away
      clearTimeout(this.#retry);
      if (stream.live && session.signedIn) this.#retry = setTimeout(() => void this.read(), RETRY);
    } finally {
      this.#reading = false;
    }
    if (this.#readAgain) {
      this.#readAgain = false;
      await this.read();
    }
  }

  /** Reads the figures of the whole. */
  async look(): Promise<void> {
    try {
      const overview = await ask((signal) => client.GET("/api/v1/overview", { signal }));
      this.firstVersion ??= overview;
      this.overview = overview;
    } catch {
      // the list fails with it, and tells
    }
  }

  /** Looks soon, once for all that happens until then. */
  #glance(): void {
    this.#glancing ??= setTimeout(() => {
      this.#glancing = undefined;
      void this.look();
    }, GLANCE);
  }

  get outdated(): boolean {
    const [first, now] = [this.firstVersion, this.overview];
    return !!first && !!now && (first.version !== now.version || first.revision !== now.revision);
  }

  #take(items: TargetItem[]): void {
    const kept = new Set<string>();
    let named = !this.ready;
    for (const item of items) {
      kept.add(item.id);
      const entry = this.#entries.get(item.id);
      if (!entry) {
        this.#entries.set(item.id, new Entry(item));
        named = true;
      } else {
        named ||= entry.name !== item.name;
        entry.take(item);
      }
    }
    for (const id of this.#entries.keys()) {
      if (kept.has(id)) continue;
      this.#entries.delete(id);
      named = true;
    }
    this.tick += 1;
    if (named) this.named += 1;
    // uptimes, groups and tags may be others, too: what is searched for and in which order
    this.#moved();
  }

  #beats({ beats, newest_only }: { newest_only: boolean; beats: Told[] }): void {
    let moved = false;
    let strangers = false;
    for (const told of beats) {
      const entry = this.#entries.get(told[0]);
      if (!entry) strangers = this.ready;
      else if (entry.beat(told, newest_only)) {
        moved = true;
        if (entry.state === "down" || entry.state === "unknown") this.#explain();
      }
    }
    clock.tick();
    this.tick += 1;
    if (moved) this.#moved();
    if (strangers) void this.read();
  }

  /** Asks why those are not up that came to be so. */
  #explain(): void {
    if (this.#explaining) return;
    this.#explaining = setTimeout(async () => {
      this.#explaining = undefined;
      for (const outcome of ["down", "unknown"] as const) {
        if (this.counts[outcome] === 0) continue;
        try {
          const query = { outcome, beats: 1, limit: 1000 };
          const list = await ask((signal) => client.GET("/api/v1/targets", { params: { query }, signal }));
          for (const item of list.items) {
            const entry = this.#entries.get(item.id);
            if (entry?.state === outcome) entry.explain(item.reason ?? null, item.error ?? null);
          }
          // a search looks at reasons, too
          this.order += 1;
        } catch {
          // the next failure asks again, and each full look does
        }
      }
    }, EXPLAIN);
  }

  #moved(): void {
    const counts = nothing();
    for (const entry of this.#entries.values()) counts[entry.state] += 1;
    this.counts = counts;
    this.order += 1;
  }
}

export const targets = new Targets();
