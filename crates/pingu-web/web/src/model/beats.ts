// The newest results of a target as a strip of beats: what a row draws. Pure.

import type { State } from "./words.ts";

/** What a beat may be, by its digit in the API: no result, up, up but slow or lossy, down, unknown. */
export const NONE = 0;
export const UP = 1;
export const SLOW = 2;
export const DOWN = 3;
export const UNKNOWN = 4;
export const BEAT_STATE: readonly State[] = ["waiting", "up", "slow", "down", "unknown"];
export const BEAT_WORD = ["no result", "up", "slow or lossy", "down", "unknown"] as const;

/** How many a strip holds. */
export const CAPACITY = 60;

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const DIGIT = new Uint8Array(128);
for (let at = 0; at < 64; at += 1) DIGIT[BASE64.charCodeAt(at)] = at;

/** The digit of the median; eight steps are a doubling. */
const MIDDLE = 32;
const STEPS = 8;

export interface Beat {
  what: number;
  /** In microseconds; 0 without an answer. */
  latency: number;
  /** When, in milliseconds: reckoned from the newest one and the interval. */
  at: number;
}

/** A strip of at most [`CAPACITY`] beats, oldest first. */
export class Strip {
  readonly what = new Uint8Array(CAPACITY);
  readonly latency = new Float32Array(CAPACITY);
  length = 0;
  #median: number | null = null;

  /** As the API tells them: a digit of what and a base64 digit of latency each. */
  static of(s: string, q: string, median: number | null): Strip {
    const strip = new Strip();
    const skipped = Math.max(0, s.length - CAPACITY);
    strip.length = s.length - skipped;
    for (let at = 0; at < strip.length; at += 1) {
      strip.what[at] = s.charCodeAt(at + skipped) - 48;
      const digit = DIGIT[q.charCodeAt(at + skipped) & 127] ?? 0;
      strip.latency[at] = digit === 0 || median === null ? 0 : median * 2 ** ((digit - MIDDLE) / STEPS);
    }
    return strip;
  }

  push(what: number, latency: number): void {
    if (this.length === CAPACITY) {
      this.what.copyWithin(0, 1);
      this.latency.copyWithin(0, 1);
      this.length -= 1;
    }
    this.what[this.length] = what;
    this.latency[this.length] = latency;
    this.length += 1;
    this.#median = null;
  }

  /** The median latency of the beats; 0 where nothing answered. */
  get median(): number {
    if (this.#median === null) {
      const answered = this.latency
        .subarray(0, this.length)
        .filter((latency) => latency > 0)
        .sort();
      this.#median = answered[answered.length >> 1] ?? 0;
    }
    return this.#median;
  }

  /**
   * How high a beat stands, 0 to 1: the median at a half, twice as long at the top, half as long near the ground. One without an
   * answer, or that failed, is as high as it gets.
   */
  height(at: number): number {
    const latency = this.latency[at] ?? 0;
    if (this.what[at] === DOWN || this.what[at] === UNKNOWN || latency <= 0 || this.median <= 0) return 1;
    return Math.min(1, Math.max(0.16, 0.5 + 0.5 * Math.log2(latency / this.median)));
  }

  /** The share of `what` among the newest `most` beats, as a count. */
  recent(what: number, most: number): number {
    let found = 0;
    for (let at = Math.max(0, this.length - most); at < this.length; at += 1) if (this.what[at] === what) found += 1;
    return found;
  }

  /** The strip in words, for those who do not see it. */
  words(): string {
    if (this.length === 0) return "no results yet";
    const counts = BEAT_WORD.map((_, what) => this.recent(what, CAPACITY));
    const told = BEAT_WORD.map((word, what) => [counts[what] ?? 0, word] as const).filter(([count]) => count > 0);
    return `last ${this.length} results: ${told.map(([count, word]) => `${count} ${word}`).join(", ")}`;
  }
}
