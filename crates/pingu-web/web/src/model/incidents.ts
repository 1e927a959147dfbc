// Incidents in words and figures, and what a search finds among them. Pure.

import type { Schema } from "../api/types.ts";
import { MINUTE, parse } from "./time.ts";
import type { State } from "./words.ts";

export type Incident = Schema["IncidentItem"];
export type News = Schema["IncidentNews"];
export type Step = Schema["Step"];
export type Story = Schema["IncidentStory"];

/** How an incident stands. */
export type Standing = "open" | "resolved" | "removed" | "superseded";

/** The mark of each, and what it means. */
export const STANDING: Record<Standing, { state: State; means: string }> = {
  open: { state: "down", means: "goes on" },
  resolved: { state: "up", means: "the target was up again" },
  removed: { state: "paused", means: "the target left the file or was disabled" },
  superseded: { state: "waiting", means: "nobody saw its end before the next one" },
};

/** What a reason means, in few words: where nobody wrote more, and where the code alone says little. */
export const REASON: Record<string, string> = {
  timeout: "no answer in time",
  dns: "the name could not be resolved",
  refused: "the connection was refused",
  unreachable: "cannot be reached",
  reset: "the connection was cut",
  tls: "the handshake failed, or the certificate is not trusted",
  cert_expired: "the certificate has expired or soon will",
  protocol: "the answer is not in the protocol expected",
  status: "the status is none of those expected",
  redirect: "redirects lead nowhere",
  too_large: "the answer is too large",
  body: "the answer is not the one expected",
  local: "Pingu's own fault",
};

export function standing({ open, ended_by }: Pick<Incident, "open" | "ended_by">): Standing {
  if (open) return "open";
  return ended_by === "removed" || ended_by === "superseded" ? ended_by : "resolved";
}

/** Why, for people: what it began with. */
export const cause = ({ reason, error }: Pick<Incident, "reason" | "error">): string => error || REASON[reason] || reason;

export const began = (incident: Pick<Incident, "began_at">): number => parse(incident.began_at) ?? 0;

/** When it ended; now, where it goes on. */
export const ended = (incident: Pick<Incident, "began_at" | "ended_at">, now: number): number =>
  Math.max(parse(incident.ended_at) ?? now, began(incident));

export const lasted = (incident: Pick<Incident, "began_at" | "ended_at">, now: number): number => ended(incident, now) - began(incident);

/** Newest first, as the API gives them. */
export const newestFirst = (a: Incident, b: Incident): number => began(b) - began(a) || b.id - a.id;

export interface Totals {
  open: number;
  all: number;
  longest: Incident | null;
}

export function totals(incidents: Iterable<Incident>, now: number): Totals {
  const found: Totals = { open: 0, all: 0, longest: null };
  for (const incident of incidents) {
    found.all += 1;
    if (incident.open) found.open += 1;
    if (!found.longest || lasted(incident, now) > lasted(found.longest, now)) found.longest = incident;
  }
  return found;
}

/** A search as a function: every word is somewhere in what the incident says. */
export function finder(text: string): (incident: Incident) => boolean {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return () => true;
  return (incident) => {
    const { target_name, location, reason, error, last_reason, last_error } = incident;
    const said = [target_name, location, reason, error, last_reason, last_error, standing(incident)].join("\n").toLowerCase();
    return words.every((word) => said.includes(word));
  };
}

/** Who it is, as news tells it: the id comes only with its first writing. */
export const identity = ({ target_id, location, began_at }: Pick<Incident, "target_id" | "location" | "began_at">): string =>
  `${target_id} ${location} ${began({ began_at })}`;

/** What news changes of an incident that is known already. An end is never taken back. */
export function told(incident: Incident, news: News): Incident {
  if (!incident.open) return incident;
  const { open, ended_at, ended_by, reason, error } = news;
  const last = open ? { last_reason: reason, last_error: error } : {};
  return { ...incident, ...last, open, ended_at: ended_at ?? null, ended_by: ended_by ?? null };
}

/** Shown before and after an incident at the least. */
const LEAST_AROUND = 30 * MINUTE;

/** The span in which an incident is understood: some of what was before it, and of what came after. */
export function around(incident: Pick<Incident, "began_at" | "ended_at">, now: number): { since: number; until: number } {
  const margin = Math.max(LEAST_AROUND, 0.5 * lasted(incident, now));
  return { since: began(incident) - margin, until: Math.min(ended(incident, now) + margin, Math.max(now, ended(incident, now))) };
}

/** What happened, in words; the reasons of a change stand beside it. */
export function happened({ what }: Pick<Step, "what">): string {
  const words: Record<string, string> = {
    began: "first failure",
    opened: "confirmed: the incident opened",
    changed: "fails for another reason",
    recovered: "answered again: resolved",
    removed: "the target left the file or was disabled",
    superseded: "nobody saw its end before the next one",
  };
  return words[what] ?? what;
}

/** The mark of a step. */
export function markOf({ what }: Pick<Step, "what">): State {
  const marks: Record<string, State> = { began: "slow", opened: "down", changed: "down", recovered: "up", removed: "paused" };
  return marks[what] ?? "waiting";
}
