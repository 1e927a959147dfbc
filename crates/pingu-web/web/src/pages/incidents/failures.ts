// What failed in an incident: results that failed in the same way one after the other are one line. Pure.

import type { Schema } from "../../api/types.ts";

type Result = Schema["Measured"];

/** Results that failed one after the other for one reason with one error. */
export interface Run {
  key: string;
  from: string;
  until: string;
  size: number;
  outcome: string;
  reason: string | null;
  error: string | null;
  status: number | null;
  address: string | null;
  /** Results that were up since the run before. */
  answered: number;
}

/** The oldest run first, of results as the API gives them: the newest first. */
export function runs(results: readonly Result[]): Run[] {
  const found: Run[] = [];
  let answered = 0;
  for (let at = results.length - 1; at >= 0; at -= 1) {
    const { ts, outcome, reason, error, status_code, resolved_ip } = results[at]!;
    if (outcome === "up") {
      answered += 1;
      continue;
    }
    const last = found[found.length - 1];
    if (last && answered === 0 && last.outcome === outcome && last.reason === (reason ?? null) && last.error === (error ?? null)) {
      last.until = ts;
      last.size += 1;
    } else {
      const told = { reason: reason ?? null, error: error ?? null, status: status_code ?? null, address: resolved_ip ?? null };
      found.push({ key: `${ts} ${found.length}`, from: ts, until: ts, size: 1, outcome, ...told, answered });
    }
    answered = 0;
  }
  return found;
}
