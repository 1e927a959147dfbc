// What every chart over time has in common: one uPlot for its axes, its cursor and what the pointer does. Charts draw what they show
// themselves, on its canvas. uPlot comes with the pages that have charts, and its styles as a file.

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Zone } from "../model/time.ts";
import { latencies, linear, logarithmic, times } from "./ticks.ts";

/** What charts may change without being made anew. */
export interface State {
  since: number;
  until: number;
  reach: [low: number, high: number];
  /** Nothing is shown by which one could label the axis of latencies. */
  bare?: boolean;
  zone: Zone;
  colours: Record<Colour, string>;
}

const TOKENS = [
  "smoke",
  "smoke-outer",
  "smoke-inner",
  "grid",
  "line",
  "strip",
  "slow",
  "down",
  "unknown",
  "quiet",
  "muted",
  "accent",
  "surface",
  "text",
  "dns",
  "connect",
  "tls",
  "ttfb",
  "transfer",
] as const;
export type Colour = (typeof TOKENS)[number];

/** The colours of the present theme. `token` reads one. */
export const colours = (token: (name: string) => string): Record<Colour, string> =>
  Object.fromEntries(TOKENS.map((name) => [name, token(`--${name}`)])) as Record<Colour, string>;

export interface Options {
  host: HTMLElement;
  height: number;
  log: boolean;
  /** The key under which charts share a cursor. */
  cursor: string | undefined;
  /** Room between the plot and the labels of time, for what is drawn there. */
  strip: number;
  state: () => State;
  draw: (plot: uPlot) => void;
  /** The bucket under the cursor, and where that is in the plot; whether the pointer is in this chart or in one that shares the cursor. */
  pointed: (at: number | null, left: number, top: number, own: boolean) => void;
  zoom: (since: number, until: number) => void;
  reset: () => void;
}

const FONT = '11px Inter, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
/** Less is a click. */
const DRAG = 6;
/** Less is a finger that rests. */
const SWIPE = 10;

export type Plot = uPlot;

export function plot({ host, height, log, cursor, strip, state, draw, pointed, zoom, reset }: Options): uPlot {
  const axis = { font: FONT, stroke: () => state().colours.muted, ticks: { show: false }, border: { show: false } };
  let inside = false;
  let dragging = false;
  const made = new uPlot(
    {
      width: Math.max(120, host.clientWidth),
      height,
      ms: 1e-3,
      tzDate: (seconds) => (state().zone === "utc" ? uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC") : new Date(seconds * 1000)),
      padding: [8, 14, 0, 0],
      legend: { show: false },
      scales: {
        x: { time: true, range: () => [state().since / 1000, state().until / 1000] },
        y: { distr: log ? 3 : 1, range: () => state().reach },
      },
      axes: [
        {
          ...axis,
          grid: { stroke: () => state().colours.grid, width: 1 },
          space: 76,
          size: 40 + strip,
          gap: 5 + strip,
          values: (_, ticks, __, ___, step) => times(ticks, step, state().zone),
        },
        {
          ...axis,
          grid: { stroke: () => state().colours.grid, width: 1 },
          size: 58,
          gap: 6,
          splits: (self, _, low, high) => (log ? logarithmic : linear)(low, high, self.height / 50),
          filter: (_, ticks) => ticks,
          values: (_, ticks) => (state().bare ? ticks.map(() => "") : latencies(ticks, log)),
        },
      ],
      series: [{}, { paths: () => null, points: { show: false }, stroke: () => state().colours.smoke }],
      cursor: {
        y: false,
        // on the buckets, not between them, but for the ends of a selection
        move: (self, left, top) => {
          const at = dragging || left < 0 || !self.data[0].length ? null : self.data[0][self.posToIdx(left)];
          return [at == null ? left : Math.min(self.over.clientWidth, Math.max(0, self.valToPos(at, "x"))), top];
        },
        drag: { x: true, y: false, setScale: false, dist: DRAG },
        points: {
          size: 9,
          width: 2,
          fill: () => state().colours.smoke,
          stroke: () => state().colours.surface,
        },
        bind: {
          dblclick: () => () => {
            reset();
            return null;
          },
          mousedown: (_, __, handler) => (event) => {
            dragging = true;
            handler(event);
            return null;
          },
          mouseup: (_, __, handler) => (event) => {
            dragging = false;
            handler(event);
            return null;
          },
          mouseenter: (_, __, handler) => (event) => {
            inside = true;
            handler(event);
            return null;
          },
          mouseleave: (_, __, handler) => (event) => {
            inside = false;
            handler(event);
            return null;
          },
        },
        ...(cursor
          ? { sync: { key: cursor, setSeries: false, filters: { pub: (type: string) => type === "mousemove" || type === "mouseleave" } } }
          : {}),
      },
      hooks: {
        draw: [draw],
        setCursor: [
          (self) => {
            const { left = -1, top = 0, idx } = self.cursor;
            pointed(left < 0 || idx == null ? null : idx, left, top, inside);
          },
        ],
        setSelect: [
          (self) => {
            const { left, width } = self.select;
            if (width >= DRAG) choose(self, left, left + width);
          },
        ],
      },
    },
    [[], []],
    host,
  );

  function choose(self: uPlot, from: number, until: number): void {
    unmark(self);
    zoom(Math.round(self.posToVal(from, "x") * 1000), Math.round(self.posToVal(until, "x") * 1000));
  }

  // a finger: across it selects as the mouse does, up and down it scrolls the page, which is the browser's (touch-action: pan-y)
  let begin: number | null = null;
  let swiping = false;
  const over = made.over;
  const place = (event: PointerEvent) => Math.min(over.clientWidth, Math.max(0, event.clientX - over.getBoundingClientRect().left));
  over.style.touchAction = "pan-y";
  over.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse") return;
    begin = event.isPrimary ? place(event) : null;
    swiping = false;
  });
  over.addEventListener("pointermove", (event) => {
    if (begin === null || event.pointerType === "mouse") return;
    const left = place(event);
    if (!swiping && Math.abs(left - begin) < SWIPE) return;
    if (!swiping) over.setPointerCapture(event.pointerId);
    swiping = true;
    inside = true;
    made.setSelect({ left: Math.min(begin, left), top: 0, width: Math.abs(left - begin), height: over.clientHeight }, false);
    point(made, left, over.clientHeight / 2);
  });
  const end = (event: PointerEvent) => {
    if (begin === null) return;
    const [from, until] = [Math.min(begin, place(event)), Math.max(begin, place(event))];
    begin = null;
    if (!swiping) return;
    unmark(made);
    if (event.type === "pointerup" && until - from >= SWIPE) choose(made, from, until);
  };
  over.addEventListener("pointerup", end);
  over.addEventListener("pointercancel", end);
  return made;
}

/** Shows a span, in seconds, as selected. */
export function mark(made: uPlot, from: number, until: number): void {
  const place = (seconds: number) => Math.min(made.over.clientWidth, Math.max(0, made.valToPos(seconds, "x")));
  const left = place(from);
  made.setSelect({ left, top: 0, width: place(until) - left, height: made.over.clientHeight }, false);
}

export const unmark = (made: uPlot): void => made.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);

/** Moves the cursor, also that of the charts that share it. uPlot's types leave out what says so. */
export function point(made: uPlot, left: number, top: number): void {
  const move = made.setCursor as (to: { left: number; top: number }, fire: boolean, publish: boolean) => void;
  move({ left, top }, true, true);
}

/** Keeps a chart as wide as what it is in. */
export function follow(host: HTMLElement, made: uPlot, height: () => number): () => void {
  const observer = new ResizeObserver(() => {
    const width = host.clientWidth;
    if (width > 0 && (width !== made.width || height() !== made.height)) made.setSize({ width, height: height() });
  });
  observer.observe(host);
  return () => observer.disconnect();
}
