// The series of a target in the span in view. Where that ends now it goes on: the newest buckets are asked for as results come, and
// only they.

import { ask, client } from "../../api/client.ts";
import { Resource } from "../../api/resource.svelte.ts";
import type { Schema } from "../../api/types.ts";
import { clock } from "../../live/clock.svelte.ts";
import { points, RANGES, type Range, type Span, type View } from "./view.ts";

export type TargetSeries = Schema["TargetSeries"];

/** Buckets of a wide screen, and of a narrow one. */
const MOST = innerWidth > 700 ? 480 : 240;
/** The newest buckets are asked for at most and at least this often, in milliseconds; in between as often as they are worth it. */
const SOONEST = 4000;
const LATEST = 60_000;
/** All of it is asked for this often, as results may come late. */
const WHOLE = 5 * 60_000;

/** What is younger is not asked for again. */
const FRESH = 5000;

interface Found {
  series: TargetSeries;
  span: Span;
}

export class History {
  readonly #resource = new Resource<Found>();
  /** What is in view. */
  span = $state.raw<Span>({ since: 0, until: 0 });
  /** Whether results came since it was asked for. */
  news = false;
  #view: View | null = null;
  #id = "";
  #interval = 1;
  #asked = 0;
  #whole = 0;
  #following = false;
  /** What is known of ranges, and what is on its way. */
  readonly #kept = new Map<Range, Found & { at: number }>();
  readonly #coming = new Map<Range, Promise<Found>>();

  get series(): TargetSeries | null {
    return this.#resource.data?.series ?? null;
  }

  get failure() {
    return this.#resource.failure;
  }

  get loading(): boolean {
    return this.#resource.loading;
  }

  /** Shows a view: the axis at once, with what is known of it; the rest comes. */
  show(id: string, intervalSeconds: number, view: View): void {
    const different = id !== this.#id;
    this.#id = id;
    this.#interval = intervalSeconds;
    this.#view = view;
    if (different) this.#kept.clear();
    const range = view.zoomed ? null : view.range;
    const kept = range ? this.#kept.get(range) : undefined;
    const now = performance.now();
    this.span = kept?.span ?? view.zoomed ?? this.#until(view.range);
    if (kept) this.#resource.data = kept;
    this.#asked = this.#whole = kept?.at ?? now;
    const coming = range ? this.#coming.get(range) : undefined;
    void this.#resource.ask(async (signal) => {
      if (kept && now - kept.at < FRESH) return kept;
      const found = await (coming ?? this.#read(view.zoomed ?? this.#until(view.range), signal));
      if (signal.aborted) return found;
      this.span = found.span;
      this.#asked = this.#whole = performance.now();
      if (range) this.#kept.set(range, { ...found, at: this.#asked });
      return found;
    }, different);
  }

  again(): void {
    this.#kept.clear();
    if (this.#view) this.show(this.#id, this.#interval, this.#view);
  }

  /** Asks for a range that somebody seems to want next. */
  prepare(range: Range): void {
    const kept = this.#kept.get(range);
    if (!this.#id || this.#coming.has(range) || (kept && performance.now() - kept.at < FRESH)) return;
    const id = this.#id;
    const found = this.#read(this.#until(range));
    this.#coming.set(range, found);
    found
      .then((found) => id === this.#id && this.#kept.set(range, { ...found, at: performance.now() }))
      .catch(() => {}) // whoever shows it asks again, and tells
      .finally(() => this.#coming.delete(range));
  }

  /** Goes on if there are new results and it is time. */
  async follow(): Promise<void> {
    const [view, found] = [this.#view, this.#resource.data];
    if (!this.news || !view || view.zoomed || !found || this.#following || this.loading || document.hidden) return;
    const now = performance.now();
    const { series } = found;
    const step = series.step_seconds * 1000;
    if (now - this.#asked < Math.min(LATEST, Math.max(SOONEST, step / 4))) return;
    if (now - this.#whole > WHOLE) return this.again();
    this.#asked = now;
    this.news = false;
    this.#following = true;
    try {
      const span = this.#until(view.range);
      // from the bucket before the last one, which may have been cut
      const since = (series.t.at(-2) ?? series.t[0] ?? 0) * 1000;
      const buckets = Math.ceil((span.until - since) / step);
      if (buckets > MOST / 2) return this.again();
      const tail = await this.#read({ since, until: since + buckets * step }, undefined, buckets);
      if (this.#view !== view || this.#resource.data !== found) return;
      const spliced = splice(series, tail.series, span.since);
      if (!spliced) return this.again();
      this.#resource.data = { series: spliced, span };
      this.#resource.failure = null;
      this.#kept.set(view.range, { series: spliced, span, at: now });
      this.span = span;
    } catch {
      this.news = true;
    } finally {
      this.#following = false;
    }
  }

  drop(): void {
    this.#view = null;
    this.#resource.drop();
  }

  #until(range: Range): Span {
    return { since: clock.now - RANGES[range], until: clock.now };
  }

  async #read(span: Span, aborted?: AbortSignal, buckets = points(span, this.#interval, MOST)): Promise<Found> {
    const query = { since: new Date(span.since).toISOString(), until: new Date(span.until).toISOString(), points: buckets };
    const path = { id: this.#id };
    const series = await ask((signal) => client.GET("/api/v1/targets/{id}/series", { params: { path, query }, signal }), aborted);
    return { series, span };
  }
}

type Columns = Omit<TargetSeries, "phases">;
const COLUMNS = [
  "total",
  "failed",
  "unknown",
  "min_us",
  "p25_us",
  "p50_us",
  "p75_us",
  "p95_us",
  "max_us",
] as const satisfies (keyof Columns)[];
const PHASES = ["dns_us", "connect_us", "tls_us", "ttfb_us", "transfer_us"] as const;

/** A series whose end is replaced by a newer one, without what ended before `since`; null where they do not fit. */
export function splice(series: TargetSeries, tail: TargetSeries, since: number): TargetSeries | null {
  const begin = tail.t[0];
  if (begin === undefined || tail.step_seconds !== series.step_seconds) return null;
  const end = series.t.indexOf(begin);
  if (end < 0 || (series.phases == null) !== (tail.phases == null)) return null;
  const first = series.t.findIndex((t) => (t + series.step_seconds) * 1000 > since);
  const join = <T>(old: readonly T[], added: readonly T[]): T[] => [...old.slice(first < 0 ? end : Math.min(first, end), end), ...added];
  const joined: TargetSeries = { ...series, t: join(series.t, tail.t) };
  for (const name of COLUMNS) joined[name] = join(series[name], tail[name]);
  if (series.phases && tail.phases) {
    const phases = { ...series.phases };
    for (const name of PHASES) phases[name] = join(series.phases[name], tail.phases[name]);
    joined.phases = phases;
  }
  return joined;
}
