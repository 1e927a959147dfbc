// The title of the tab: how many are down comes first, as tabs are narrow.

import type { State } from "../model/words.ts";

const NAMES: Record<string, string> = { incidents: "Incidents", compare: "Compare", about: "About" };

/** `target` is the name of the one that is shown, if one is. */
export function sentenceTitle(counts: Record<State, number>, path: string, target: string | null = null): string {
  const place = target ?? NAMES[path.split("/")[1] ?? ""];
  const name = place ? `${place} · Pingu` : "Pingu";
  return counts.down > 0 ? `(${counts.down} down) ${name}` : name;
}
