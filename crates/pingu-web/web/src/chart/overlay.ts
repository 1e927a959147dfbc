// Draws the medians of several targets in one plot, each with a colour and a dash of its own, and beneath a strip for each of what it lost.

import type uPlot from "uplot";
import { loss, reach, runs, type Series } from "./columns.ts";
import type { State } from "./plot.ts";

/** One target of an overlay. */
export interface Track {
  key: string;
  name: string;
  series: Series;
}

const HUES = 6;
/** Together with six hues no two of twelve are alike, and neighbours differ in both. */
const DASHES: readonly (readonly number[])[] = [[], [7, 3], [2, 3], [10, 3, 2, 3]];

/** The token of the colour of the nth. */
export const hue = (at: number): string => `--hue-${(at % HUES) + 1}`;
export const dash = (at: number): readonly number[] => DASHES[at % DASHES.length] ?? [];

/** The strips: how high each is, and how far apart. */
export const STRIP = { height: 4, gap: 2, first: 4 };
export const room = (tracks: number): number => STRIP.first + tracks * (STRIP.height + STRIP.gap);

/** From where to where the latencies of all go. */
export function reachOfAll(tracks: readonly Track[], options: { log: boolean; outliers: boolean }): [low: number, high: number] {
  const answered = tracks.filter(({ series }) => series.p50_us.some((value) => value != null));
  const medians = answered.map(({ series }) => medianReach(series, options));
  if (medians.length === 0) return options.log ? [100, 1000] : [0, 1000];
  return [Math.min(...medians.map(([low]) => low)), Math.max(...medians.map(([, high]) => high))];
}

/** Here medians alone are drawn: what single answers took would flatten them. */
function medianReach(series: Series, { log, outliers }: { log: boolean; outliers: boolean }): [number, number] {
  const medians = { ...series, min_us: series.p50_us, max_us: series.p50_us, p75_us: [], p95_us: series.p50_us };
  return reach(medians, { log, outliers });
}

export interface Shown {
  tracks: readonly Track[];
  middles: readonly number[];
  state: State;
  hues: readonly string[];
  /** The one that somebody points at. */
  chosen: string | null;
}

export function overlay(plot: uPlot, { tracks, middles, state, hues, chosen }: Shown): void {
  const { ctx, bbox } = plot;
  const scale = devicePixelRatio || 1;
  const x = (seconds: number) => plot.valToPos(seconds, "x", true);
  const y = (us: number) => plot.valToPos(Math.max(us, 1), "y", true);
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.lineJoin = "round";
  // who is pointed at is drawn last
  const order = tracks.map((_, at) => at).sort((a, b) => Number(tracks[a]?.key === chosen) - Number(tracks[b]?.key === chosen));
  for (const at of order) {
    const { key, series } = tracks[at]!;
    ctx.strokeStyle = ctx.fillStyle = hues[at] ?? "gray";
    ctx.globalAlpha = chosen === null || key === chosen ? 1 : 0.22;
    ctx.lineWidth = (key === chosen ? 2.6 : 1.7) * scale;
    ctx.setLineDash(dash(at).map((length) => length * scale));
    for (const [first, end] of runs(series.p50_us)) {
      ctx.beginPath();
      if (end - first === 1) {
        ctx.arc(x(middles[first] ?? 0), y(series.p50_us[first] ?? 0), 2 * scale, 0, 2 * Math.PI);
        ctx.fill();
        continue;
      }
      for (let bucket = first; bucket < end; bucket += 1) ctx.lineTo(x(middles[bucket] ?? 0), y(series.p50_us[bucket] ?? 0));
      ctx.stroke();
    }
  }
  ctx.restore();
  strips();

  function strips(): void {
    const bottom = bbox.top + bbox.height;
    const { colours } = state;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bottom, bbox.width, room(tracks.length) * scale);
    ctx.clip();
    tracks.forEach(({ key, series }, at) => {
      const top = bottom + (STRIP.first + at * (STRIP.height + STRIP.gap)) * scale;
      const dim = chosen === null || key === chosen ? 1 : 0.3;
      for (const [what, colour, least, alpha] of [
        ["none", hues[at] ?? "gray", 1, 0.35],
        ["unknown", colours.unknown, 2 * scale, 1],
        ["some", colours.slow, 2 * scale, 1],
        ["all", colours.down, 2 * scale, 1],
      ] as const) {
        ctx.fillStyle = colour;
        ctx.globalAlpha = alpha * dim;
        // buckets that are alike and side by side are one area: what is see-through would have seams
        let from = -1;
        for (let bucket = 0; bucket <= series.t.length; bucket += 1) {
          const { t, total, failed, unknown, step_seconds } = series;
          const is = bucket < t.length && loss(total[bucket], failed[bucket], unknown[bucket]) === what;
          if (is && from < 0) from = bucket;
          if (is || from < 0) continue;
          const left = x(t[from] ?? 0);
          ctx.fillRect(left, top, Math.max(x((t[bucket - 1] ?? 0) + step_seconds) - left, least), STRIP.height * scale);
          from = -1;
        }
      }
    });
    ctx.restore();
  }
}
