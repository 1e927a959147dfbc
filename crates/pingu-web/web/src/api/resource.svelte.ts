// One question and what became of it: loading, data, a failure, or data that is old because the newer question failed.

import { untrack } from "svelte";
import { Failure } from "./client.ts";

/** After which time a question is asked again that may be answered by then. */
const RETRY = 5000;

export class Resource<T> {
  data = $state.raw<T | null>(null);
  failure = $state.raw<Failure | null>(null);
  loading = $state(false);
  #question: ((signal: AbortSignal) => Promise<T>) | null = null;
  #underWay: AbortController | null = null;
  #retry: ReturnType<typeof setTimeout> | undefined;

  /**
   * Asks; what was answered before stays until the new answer is here, unless it is of something `different`. What failed and may pass is
   * asked again by itself.
   */
  async ask(question: (signal: AbortSignal) => Promise<T>, different = false): Promise<void> {
    untrack(() => {
      this.failure = null;
    });
    await this.#ask(question, different);
  }

  async #ask(question: (signal: AbortSignal) => Promise<T>, different: boolean): Promise<void> {
    this.#question = question;
    this.drop();
    const underWay = new AbortController();
    this.#underWay = underWay;
    // whoever asks in an effect does not depend on what becomes of it
    untrack(() => {
      if (different) this.data = null;
      this.loading = true;
    });
    try {
      const data = await question(underWay.signal);
      if (underWay.signal.aborted) return;
      this.data = data;
      this.failure = null;
    } catch (failure) {
      if (underWay.signal.aborted) return;
      this.failure = failure instanceof Failure ? failure : new Failure(0, "", "Something in this page failed: reload it");
      if (!(failure instanceof Failure)) console.error(failure);
      // the failure stays until then: it would flicker
      if (this.failure.passes && failure instanceof Failure) this.#retry = setTimeout(() => void this.#ask(question, false), RETRY);
    }
    this.loading = false;
  }

  /** Asks the same once more. */
  again(): void {
    if (this.#question) void this.ask(this.#question);
  }

  /** Nobody wants the answer any more. */
  drop(): void {
    clearTimeout(this.#retry);
    this.#underWay?.abort();
  }
}
