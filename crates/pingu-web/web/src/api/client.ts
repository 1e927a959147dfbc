// Asks the API. Every answer is data or a Failure with words for people; nothing else is ever thrown.

import createClient from "openapi-fetch";
import { clock } from "../live/clock.svelte.ts";
import { session } from "../live/session.svelte.ts";
import type { paths } from "./types.ts";

/** How long the page waits: the server gives up after ten seconds itself. */
const PATIENCE = 15_000;

/** Why there is no answer. */
export class Failure extends Error {
  /** The status of the answer; 0 where none came. */
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }

  /** Whether asking again may help without anything else being done. */
  get passes(): boolean {
    return this.status === 0 || this.status >= 500 || this.status === 408;
  }
}

export const client = createClient<paths>({ baseUrl: location.origin });

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** What a question asked with `client` brings, or a Failure. An aborted one is never answered at all. */
export async function ask<T>(question: (signal: AbortSignal) => Promise<Answer<T>>, aborted?: AbortSignal): Promise<T> {
  const patience = AbortSignal.timeout(PATIENCE);
  const signal = aborted ? AbortSignal.any([patience, aborted]) : patience;
  let answer: Answer<T>;
  try {
    answer = await question(signal);
  } catch (cause) {
    if (aborted?.aborted) return new Promise(() => {});
    if (patience.aborted) throw new Failure(0, "patience", `Pingu did not answer within ${PATIENCE / 1000} seconds`);
    if (cause instanceof SyntaxError) throw new Failure(0, "not_json", "The answer is not Pingu's: something in between replaced it");
    throw new Failure(0, "offline", "Pingu cannot be reached");
  }
  if (aborted?.aborted) return new Promise(() => {});
  clock.hear(answer.response.headers.get("date"));
  if (answer.data !== undefined) return answer.data;
  if (answer.response.status === 401) session.lost();
  const told = answer.error as { error?: string; code?: string } | undefined;
  const words = told?.error ?? `Pingu answered with status ${answer.response.status}`;
  throw new Failure(answer.response.status, told?.code ?? "", words);
}
