// Where the axes of charts have ticks, and what is written there. Pure.

import { parts, type Zone } from "../model/time.ts";

/** Steps of a linear axis that people read easily, as multiples of a power of ten. */
const STEPS = [1, 2, 5, 10];

/** Ticks from `low` to `high`, about `most` of them at the most. */
export function linear(low: number, high: number, most: number): number[] {
  if (!(high > low)) return [low];
  const rough = (high - low) / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * (STEPS.find((multiple) => multiple * power >= rough * 0.999) ?? 10);
  const ticks: number[] = [];
  for (let n = Math.ceil(low / step - 1e-9) + 0; n * step <= high * (1 + 1e-9); n += 1) ticks.push(n * step);
  return ticks;
}

/** Multiples of each power of ten on a logarithmic axis, the richest first. */
const MULTIPLES = [[1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]];

/** Ticks of a logarithmic axis: as many multiples of the powers of ten as there is room for; within less than one, as on a linear axis. */
export function logarithmic(low: number, high: number, most: number): number[] {
  for (const multiples of MULTIPLES) {
    const ticks: number[] = [];
    for (let power = 10 ** Math.floor(Math.log10(low)); power <= high; power *= 10)
      for (const multiple of multiples) {
        const tick = multiple * power;
        if (tick >= low && tick <= high) ticks.push(tick);
      }
    if (ticks.length <= Math.max(2, most)) return ticks.length > 1 ? ticks : linear(low, high, most);
  }
  return [];
}

/** Latencies at ticks, in the unit of the greatest: `0`, `20 ms`, `40 ms`; on a logarithmic axis each in its own. */
export function latencies(ticks: readonly number[], log = false): string[] {
  const greatest = Math.max(...ticks, 0);
  return ticks.map((us) => {
    if (us === 0) return "0";
    const [size, unit] = scale(log ? us : greatest);
    return `${Number((us / size).toPrecision(4))} ${unit}`;
  });
}

const scale = (us: number): [number, string] => (us >= 1_000_000 ? [1_000_000, "s"] : us >= 1000 ? [1000, "ms"] : [1, "µs"]);

const DAY = 86_400;

/**
 * Instants (in seconds) at ticks that are `step` seconds apart: the time of day with the day beneath where it changes, or days with the
 * year beneath, or months.
 */
export function times(ticks: readonly number[], step: number, zone: Zone): string[] {
  // the year beneath days goes without saying until it changes
  let above = step >= DAY && step < 28 * DAY && ticks[0] !== undefined ? (parts(ticks[0] * 1000, zone).year ?? "") : "";
  return ticks.map((tick) => {
    const at = parts(tick * 1000, zone);
    const date = `${at.month} ${at.day}`;
    const [label, beneath] =
      step >= 28 * DAY
        ? [at.month ?? "", at.year ?? ""]
        : step >= DAY
          ? [date, at.year ?? ""]
          : [step >= 60 ? `${at.hour}:${at.minute}` : `${at.hour}:${at.minute}:${at.second}`, date];
    const told = beneath === above ? label : `${label}\n${beneath}`;
    above = beneath;
    return told;
  });
}
