// The last request step by step: where each phase began, and how long it took. Pure.

import { PHASES, type Phase } from "../../chart/phases.ts";
import type { Result } from "./results.svelte.ts";

export interface Step {
  phase: Phase;
  name: string;
  /** As shares of the whole. */
  from: number;
  share: number;
  us: number;
}

/** What a phase is called where it is another thing than for HTTP. */
const NAMES: Record<string, Partial<Record<Phase, string>>> = {
  http: { ttfb: "server (first byte)" },
  dns: { ttfb: "answer" },
  tcp: { ttfb: "answer" },
  tls: { ttfb: "STARTTLS" },
};

export function steps(result: Pick<Result, "phases">, type: string): Step[] {
  // before STARTTLS there is a dialogue in plain text, and it is what `ttfb` means there
  const order = type === "tls" ? (["dns", "connect", "ttfb", "tls", "transfer"] as const) : PHASES.map(({ key }) => key);
  const taken = order
    .map((phase) => [phase, result.phases?.[`${phase}_us`]] as const)
    .filter((step): step is [Phase, number] => step[1] != null);
  const whole = taken.reduce((sum, [, us]) => sum + us, 0);
  let from = 0;
  return taken.map(([phase, us]) => {
    const name = NAMES[type]?.[phase] ?? PHASES.find(({ key }) => key === phase)?.name ?? phase;
    const share = whole > 0 ? us / whole : 0;
    const step = { phase, name, from, share, us };
    from += share;
    return step;
  });
}
