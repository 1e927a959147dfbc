// A target as the pages hold it: one object for as long as the page is open, changed in place, so that a row keeps its identity.

import type { TargetItem } from "../api/types.ts";
import { DOWN, NONE, SLOW, Strip, UNKNOWN, UP } from "../model/beats.ts";
import { parse } from "../model/time.ts";
import { address, fields, STATES, type State } from "../model/words.ts";

/** Results that are further apart than this many intervals have a gap between them. */
const GAP = 1.5;
/** Below this a gap may be an artefact of how results are told. */
const LEAST_GAP = 3000;

/** A result as the stream tells it: target, slot in microseconds, outcome, latency, and 1 where it was slow or lossy. */
export type Told = [id: string, ts: number, outcome: string, latency: number | null, impaired?: 1];

const STATE_OF: Record<string, State> = { up: "up", down: "down", unknown: "unknown" };

export class Entry {
  target!: TargetItem;
  address = "";
  /** What a search looks through. */
  fields!: ReturnType<typeof fields>;
  state: State = "waiting";
  /** The place of its state, worst first. */
  rank = 0;
  /** The slot of the newest result, and since when its outcome is what it is; in milliseconds. */
  at: number | null = null;
  since: number | null = null;
  latency: number | null = null;
  /** Why it is not up: `reason` and `error`, as a search looks for them too. */
  result: { reason: string | null; error: string | null } | null = null;
  uptime: number | null = null;
  certDays: number | null = null;
  /** Grows with each change: what draws this entry reads it. */
  revision = $state(0);
  #told = "";
  #strip: Strip | null = null;

  constructor(target: TargetItem) {
    this.take(target);
  }

  get id(): string {
    return this.target.id;
  }

  get name(): string {
    return this.target.name;
  }

  /** Decoded when somebody looks: of ten thousand targets thirty are in view. */
  get strip(): Strip {
    this.#strip ??= Strip.of(this.target.s ?? "", this.target.q ?? "", this.target.median_us ?? null);
    return this.#strip;
  }

  /** Takes what the list says. True where its state changed. */
  take(target: TargetItem): boolean {
    const told = JSON.stringify(target);
    if (told === this.#told) return false;
    this.#told = told;
    this.target = target;
    this.address = address(target);
    this.fields = fields(target);
    this.uptime = target.uptime_24h ?? null;
    this.certDays = target.cert_days ?? null;
    const at = parse(target.ts);
    const before = this.state;
    // what the stream told meanwhile may be newer; the list has whole milliseconds, as dates have
    if (this.at === null || at === null || at > this.at - 1 || !target.enabled) {
      this.#strip = null;
      this.at = at;
      this.since = parse(target.since);
      this.latency = target.latency_us ?? null;
      this.result = { reason: target.reason ?? null, error: target.error ?? null };
      this.#judge(target.outcome ?? null, target.slow === true || target.lossy === true);
    }
    this.revision += 1;
    return before !== this.state;
  }

  /** Takes a result that the stream told. True where the state changed. `gapless` where the stream may have left some out. */
  beat([, ts, outcome, latency, impaired]: Told, gapless: boolean): boolean {
    const at = ts / 1000;
    if (this.at !== null && at < this.at + 1) return false;
    const strip = this.strip;
    const gap = Math.max(GAP * this.target.interval_seconds * 1000, LEAST_GAP);
    if (!gapless && this.at !== null && at - this.at > gap + 1) strip.push(NONE, 0);
    const what = outcome === "down" ? DOWN : outcome === "unknown" ? UNKNOWN : impaired ? SLOW : UP;
    strip.push(what, latency ?? 0);
    const before = this.state;
    const wasOutcome = this.#outcome;
    this.at = at;
    this.latency = latency;
    this.#judge(outcome, impaired === 1);
    if (wasOutcome !== outcome) {
      this.since = at;
      this.result = null;
    }
    this.revision += 1;
    return before !== this.state;
  }

  /** Learns why it is not up. */
  explain(reason: string | null, error: string | null): void {
    this.result = { reason, error };
    this.revision += 1;
  }

  /** The state but for slowness: what `since` tells of. */
  get #outcome(): string {
    return this.state === "slow" ? "up" : this.state;
  }

  #judge(outcome: string | null, impaired: boolean): void {
    const found = outcome === null ? "waiting" : (STATE_OF[outcome] ?? "unknown");
    this.state = !this.target.enabled ? "paused" : found === "up" && impaired ? "slow" : found;
    this.rank = STATES.indexOf(this.state);
  }
}
