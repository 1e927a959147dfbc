// The one stream of events that a page has open. Comes back by itself, also where the browser gives up, and tells how it is doing.

import { session } from "./session.svelte.ts";

export type Kind = "beats" | "incident" | "overview" | "targets" | "resync" | "packet";
const KINDS: Kind[] = ["beats", "incident", "overview", "targets", "resync", "packet"];
type Listener = (data: unknown) => void;

/** The first wait before another try, and the longest. */
const WAIT = 1000;
const LONGEST_WAIT = 15_000;
/** A stream that was silent for longer is not there any more: heartbeats are comments, which a page cannot see. */
const SILENCE = 40_000;

class Stream {
  /** Whether what the pages show is the present. */
  live = $state(false);
  /** Since when it is not, in this device's milliseconds. */
  lostAt = $state<number | null>(null);
  /** Grows each time the stream is there again after it was not. */
  turn = $state(0);
  #source: EventSource | null = null;
  #listeners = new Map<Kind, Set<Listener>>();
  #packets: string | null = null;
  #wait = WAIT;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #heard = 0;
  #lastId = "";
  #wanted = false;

  constructor() {
    // the old connection may hang in a network that is not there any more
    addEventListener("online", () => this.#renew());
    document.addEventListener("visibilitychange", () => !document.hidden && !this.live && this.#renew());
    setInterval(() => void this.#probe(), SILENCE / 2);
  }

  open(): void {
    this.#wanted = true;
    if (!this.#source) this.#connect();
  }

  close(): void {
    this.#wanted = false;
    this.#end();
    this.live = false;
    this.lostAt = null;
  }

  on(kind: Kind, listener: Listener): () => void {
    let listeners = this.#listeners.get(kind);
    if (!listeners) {
      listeners = new Set();
      this.#listeners.set(kind, listeners);
    }
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /** Every result of this target is told at once, until it is another one or none. */
  watchPackets(target: string | null): void {
    if (this.#packets === target) return;
    this.#packets = target;
    if (this.#wanted) {
      this.#end();
      this.#connect();
    }
  }

  #connect(): void {
    clearTimeout(this.#retry);
    const query = new URLSearchParams();
    if (this.#packets) query.set("packets", this.#packets);
    if (this.#lastId) query.set("last_event_id", this.#lastId);
    const source = new EventSource(`/api/v1/events${query.size ? `?${query}` : ""}`);
    this.#source = source;
    source.onopen = () => {
      this.#heard = performance.now();
      this.#wait = WAIT;
      if (!this.live) this.turn += 1;
      this.live = true;
      this.lostAt = null;
    };
    source.onerror = () => {
      this.live = false;
      this.lostAt ??= Date.now();
      // an answer that is no stream ends an EventSource for good
      if (source.readyState === EventSource.CLOSED) this.#again();
    };
    for (const kind of KINDS)
      source.addEventListener(kind, ({ data, lastEventId }: MessageEvent<string>) => {
        this.#heard = performance.now();
        if (lastEventId) this.#lastId = lastEventId;
        const listeners = this.#listeners.get(kind);
        if (!listeners?.size) return;
        let parsed: unknown;
        try {
          parsed = JSON.parse(data);
        } catch {
          return; // cut short by something in between: what it said is asked for with the next look
        }
        for (const listener of listeners) listener(parsed);
      });
  }

  #again(): void {
    this.#end();
    if (!this.#wanted) return;
    this.#retry = setTimeout(() => this.#connect(), this.#wait * (0.75 + Math.random() / 2));
    this.#wait = Math.min(2 * this.#wait, LONGEST_WAIT);
    // it may be that the session has ended
    void session.look();
  }

  /** Begins another stream now, which goes on where this one was. */
  #renew(): void {
    if (!this.#wanted) return;
    this.#end();
    this.#wait = WAIT;
    this.#connect();
  }

  /**
   * Finds out whether there is somebody to listen to. That the server answers proves nothing of a connection that has been silent: it may
   * have been cut without a word, so another one takes its place.
   */
  async #probe(): Promise<void> {
    if (!this.live || document.hidden || performance.now() - this.#heard < SILENCE) return;
    try {
      await fetch("/livez", { signal: AbortSignal.timeout(5000) });
      this.#heard = performance.now();
      this.#renew();
    } catch {
      this.live = false;
      this.lostAt = Date.now();
      this.#again();
    }
  }

  #end(): void {
    clearTimeout(this.#retry);
    this.#source?.close();
    this.#source = null;
  }
}

export const stream = new Stream();
