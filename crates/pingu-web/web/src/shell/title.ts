// The title of the tab: how many are down comes first, as tabs are narrow.

import type { State } from "../model/words.ts";

const NAMES: Record<string, string> = { incidents: "Incidents", compare: "Compare", about: "About" };

export function sentenceTitle(counts: Record<State, number>, path: string): string {
  const place = NAMES[path.split("/")[1] ?? ""];
  const name = place ? `${place} · Pingu` : "Pingu";
  return counts.down > 0 ? `(${counts.down} down) ${name}` : name;
}
