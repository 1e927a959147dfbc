// Where the time of probes went, over time: phases stacked on each other. Pure but for the canvas.

import type uPlot from "uplot";
import { micros } from "../model/words.ts";
import { type Line, runs } from "./columns.ts";
import type { State } from "./plot.ts";

/** The phases in their order, as they are called. */
export const PHASES = [
  { key: "dns", name: "DNS" },
  { key: "connect", name: "TCP connect" },
  { key: "tls", name: "TLS handshake" },
  { key: "ttfb", name: "first byte" },
  { key: "transfer", name: "transfer" },
] as const;
export type Phase = (typeof PHASES)[number]["key"];

/** The mean time of each phase in each bucket, in microseconds. */
export type Phases = Record<`${Phase}_us`, readonly (number | null)[]>;

/** Where each phase of each bucket ends, stacked; null where nothing was measured. */
export function stack(phases: Phases, size: number): { tops: Record<Phase, (number | null)[]>; total: (number | null)[] } {
  const tops = Object.fromEntries(PHASES.map(({ key }) => [key, new Array<number | null>(size).fill(null)])) as Record<
    Phase,
    (number | null)[]
  >;
  const total = new Array<number | null>(size).fill(null);
  for (let at = 0; at < size; at += 1) {
    if (PHASES.every(({ key }) => phases[`${key}_us`][at] == null)) continue;
    let sum = 0;
    for (const { key } of PHASES) {
      sum += phases[`${key}_us`][at] ?? 0;
      tops[key][at] = sum;
    }
    total[at] = sum;
  }
  return { tops, total };
}

/** The phases that took any time. */
export const present = (phases: Phases) => PHASES.filter(({ key }) => phases[`${key}_us`].some((value) => value != null && value > 0));

export function layers(phases: Phases, total: readonly (number | null)[], at: number): Line[] {
  if (total[at] == null) return [{ name: "no results", value: "" }];
  const lines: Line[] = present(phases)
    .toReversed()
    .map(({ key, name }) => {
      const value = phases[`${key}_us`][at];
      return { name, value: value == null ? "–" : micros(value), swatch: key };
    });
  return [{ name: "together", value: micros(total[at] ?? 0) }, ...lines];
}

export function draw(plot: uPlot, state: State, middles: readonly number[], { tops, total }: ReturnType<typeof stack>): void {
  const { ctx, bbox } = plot;
  const scale = devicePixelRatio || 1;
  const x = (at: number) => plot.valToPos(middles[at] ?? 0, "x", true);
  const y = (us: number) => plot.valToPos(us, "y", true);
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (const [first, end] of runs(total)) {
    let beneath: (number | null)[] | null = null;
    for (const { key } of PHASES) {
      const top = tops[key];
      ctx.fillStyle = state.colours[key];
      ctx.globalAlpha = 0.85;
      if (end - first === 1) {
        const [high, low] = [y(top[first] ?? 0), y(beneath?.[first] ?? 0)];
        ctx.fillRect(x(first) - 2 * scale, high, 4 * scale, low - high);
      } else {
        ctx.beginPath();
        for (let at = first; at < end; at += 1) ctx.lineTo(x(at), y(top[at] ?? 0));
        for (let at = end - 1; at >= first; at -= 1) ctx.lineTo(x(at), y(beneath?.[at] ?? 0));
        ctx.closePath();
        ctx.fill();
      }
      beneath = top;
    }
  }
  ctx.restore();
}
