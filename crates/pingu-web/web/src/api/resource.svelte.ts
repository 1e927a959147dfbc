// One question and what became of it: loading, data, a failure, or data that is old because the newer question failed.

import { untrack } from "svelte";
import { Failure } from "./client.ts";

export class Resource<T> {
  data = $state.raw<T | null>(null);
  failure = $state.raw<Failure | null>(null);
  loading = $state(false);
  #question: ((signal: AbortSignal) => Promise<T>) | null = null;
  #underWay: AbortController | null = null;

  /** Asks; what was answered before stays until the new answer is here, unless it is of something `different`. */
  async ask(question: (signal: AbortSignal) => Promise<T>, different = false): Promise<void> {
    this.#question = question;
    this.#underWay?.abort();
    const underWay = new AbortController();
    this.#underWay = underWay;
    // whoever asks in an effect does not depend on what becomes of it
    untrack(() => {
      if (different) this.data = null;
      this.failure = null;
      this.loading = true;
    });
    try {
      const data = await question(underWay.signal);
      if (underWay.signal.aborted) return;
      this.data = data;
    } catch (failure) {
      if (underWay.signal.aborted) return;
      this.failure = failure instanceof Failure ? failure : new Failure(0, "", "Something in this page failed: reload it");
      if (!(failure instanceof Failure)) console.error(failure);
    }
    this.loading = false;
  }

  /** Asks the same once more. */
  again(): void {
    if (this.#question) void this.ask(this.#question);
  }

  /** Nobody wants the answer any more. */
  drop(): void {
    this.#underWay?.abort();
  }
}
