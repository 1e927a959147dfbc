// Draws the smoke: how latencies spread in each bucket, what was lost beneath, and incidents behind.

import type uPlot from "uplot";
import { type Incident, loss, runs, type Series } from "./columns.ts";
import type { State } from "./plot.ts";

/** The strip of losses: how far beneath the plot, how high, and how narrow a bucket of it may get where something failed. */
const STRIP = { gap: 3, height: 7, least: 2 };
export const ROOM = STRIP.gap + STRIP.height;

export interface Shown {
  series: Series;
  middles: readonly number[];
  incidents: readonly Incident[];
  state: State;
}

export function smoke(plot: uPlot, { series, middles, incidents, state }: Shown): void {
  const { ctx, bbox } = plot;
  const scale = devicePixelRatio || 1;
  const x = (seconds: number) => plot.valToPos(seconds, "x", true);
  const bottom = bbox.top + bbox.height;
  const y = (us: number) => plot.valToPos(Math.max(us, 1), "y", true);
  const { colours } = state;

  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();

  for (const { from, until } of incidents) {
    const [left, right] = [x(from / 1000), x((until ?? state.until) / 1000)];
    if (right < bbox.left || left > bbox.left + bbox.width) continue;
    const width = Math.max(right - left, 2 * scale);
    ctx.globalAlpha = 0.13;
    ctx.fillStyle = colours.down;
    ctx.fillRect(left, bbox.top, width, bbox.height);
    ctx.globalAlpha = 0.85;
    ctx.fillRect(left, bbox.top, width, 2 * scale);
  }
  // where nothing answered there is no smoke: a hint of why, unless an incident says it
  const step = series.step_seconds;
  const told = (at: number) => incidents.some(({ from, until }) => at * 1000 >= from - step * 1000 && at * 1000 <= (until ?? state.until));
  ctx.fillStyle = colours.down;
  ctx.globalAlpha = 0.13;
  series.t.forEach((begin, at) => {
    if (loss(series.total[at], series.failed[at], series.unknown[at]) !== "all" || told(begin)) return;
    const left = Math.floor(x(begin));
    ctx.fillRect(left, bbox.top, Math.max(Math.floor(x(begin + step)) - left, scale), bbox.height);
  });
  ctx.globalAlpha = 1;

  const centre = (at: number) => x(middles[at] ?? 0);
  const found = runs(series.p50_us);
  band(series.min_us, series.max_us, colours["smoke-outer"]);
  band(series.p25_us, series.p75_us, colours["smoke-inner"]);
  ctx.strokeStyle = ctx.fillStyle = colours.smoke;
  ctx.lineWidth = 1.6 * scale;
  ctx.lineJoin = "round";
  for (const [first, end] of found) {
    ctx.beginPath();
    if (end - first === 1) {
      ctx.arc(centre(first), y(series.p50_us[first] ?? 0), 1.8 * scale, 0, 2 * Math.PI);
      ctx.fill();
      continue;
    }
    for (let at = first; at < end; at += 1) ctx.lineTo(centre(at), y(series.p50_us[at] ?? 0));
    ctx.stroke();
  }
  ctx.restore();

  strip();

  function band(low: Series["min_us"], high: Series["max_us"], colour: string): void {
    ctx.fillStyle = colour;
    for (const [first, end] of found) {
      if (end - first === 1) {
        const half = Math.max(1.5 * scale, Math.min(6 * scale, (x(step) - x(0)) / 2));
        const top = y(high[first] ?? 0);
        ctx.fillRect(centre(first) - half, top, 2 * half, Math.max(scale, y(low[first] ?? 0) - top));
        continue;
      }
      ctx.beginPath();
      for (let at = first; at < end; at += 1) ctx.lineTo(centre(at), y(high[at] ?? 0));
      for (let at = end - 1; at >= first; at -= 1) ctx.lineTo(centre(at), y(low[at] ?? 0));
      ctx.closePath();
      ctx.fill();
    }
  }

  /** The worst is drawn last, and never too narrow to be seen. */
  function strip(): void {
    const [top, height] = [bottom + STRIP.gap * scale, STRIP.height * scale];
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, top, bbox.width, height);
    ctx.clip();
    for (const [what, colour] of [
      ["none", colours.strip],
      ["unknown", hatched(ctx, colours.unknown, scale)],
      ["some", colours.slow],
      ["all", colours.down],
    ] as const) {
      ctx.fillStyle = colour;
      series.t.forEach((begin, at) => {
        const [total, failed, unknown] = [series.total[at], series.failed[at], series.unknown[at]];
        const is = loss(total, failed, unknown);
        if (is !== what && !(what === "unknown" && unknown && is === "none")) return;
        // whole pixels, or buckets that touch would have seams
        const left = Math.floor(x(begin));
        const width = Math.max(Math.ceil(x(begin + step)) - left, what === "none" ? 1 : STRIP.least * scale);
        if (what === "some") {
          // the more was lost, the less of the green shines through
          ctx.fillStyle = colours.strip;
          ctx.fillRect(left, top, width, height);
          ctx.fillStyle = colour;
          ctx.globalAlpha = Math.min(1, 0.5 + (5 * (failed ?? 0)) / Math.max(1, (total ?? 0) - (unknown ?? 0)));
        }
        ctx.fillRect(left, top, width, height);
        ctx.globalAlpha = 1;
      });
    }
    ctx.restore();
  }
}

const patterns = new Map<string, CanvasPattern>();

/** A colour as hatching: the unknown is told from loss without colour, too. */
function hatched(context: CanvasRenderingContext2D, colour: string, scale: number): CanvasPattern | string {
  const key = `${colour} ${scale}`;
  const known = patterns.get(key);
  if (known) return known;
  const size = Math.round(5 * scale);
  const tile = document.createElement("canvas");
  tile.width = tile.height = size;
  const pen = tile.getContext("2d");
  if (!pen) return colour;
  pen.strokeStyle = colour;
  pen.lineWidth = 1.6 * scale;
  for (const shift of [-size, 0, size]) {
    pen.moveTo(shift - 1, size + 1);
    pen.lineTo(shift + size + 1, -1);
  }
  pen.stroke();
  const pattern = context.createPattern(tile, "repeat");
  if (pattern) patterns.set(key, pattern);
  return pattern ?? colour;
}
