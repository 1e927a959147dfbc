// Where the bars of incidents are: a lane for each target, what is too near to tell apart as one bar, and the ticks of the time above.
// Pure: incidents, a span and a width in, fractions of that width out.

import { began, ended, type Incident } from "../../model/incidents.ts";
import { DAY, day, HOUR, MINUTE, parts, type Zone } from "../../model/time.ts";

/** The least width of a bar, and the least gap between two, in pixels. */
export const LEAST = 5;
const GAP = 1;

export interface Bar {
  key: string;
  /** Newest last. More than one where they are too near to tell apart. */
  incidents: Incident[];
  from: number;
  until: number;
  /** Of the width: 0 is its left edge, 1 its right one. */
  left: number;
  width: number;
  open: boolean;
  /** Began before the span. */
  cut: boolean;
}

export interface Lane {
  target: string;
  name: string;
  bars: Bar[];
  /** When it was affected last; infinite where it is. */
  latest: number;
}

/** Lanes of the targets that were affected between `from` and `until`, which is now or earlier; most recently affected first. */
export function lanes(incidents: Iterable<Incident>, from: number, until: number, width: number): Lane[] {
  const of = new Map<string, Incident[]>();
  for (const incident of incidents) {
    if (began(incident) >= until || ended(incident, until) < from) continue;
    const found = of.get(incident.target_id);
    if (found) found.push(incident);
    else of.set(incident.target_id, [incident]);
  }
  const found: Lane[] = [];
  for (const [target, own] of of) {
    own.sort((a, b) => began(a) - began(b) || a.id - b.id);
    const newest = own[own.length - 1]!;
    const latest = Math.max(...own.map((incident) => (incident.open ? Number.POSITIVE_INFINITY : ended(incident, until))));
    found.push({ target, name: newest.target_name, bars: bars(own, from, until, width), latest });
  }
  const lastBegan = (lane: Lane) => lane.bars[lane.bars.length - 1]!.from;
  return found.sort((a, b) => compare(b.latest, a.latest) || lastBegan(b) - lastBegan(a) || (a.name < b.name ? -1 : 1));
}

/** Two infinities are equal, which their difference is not. */
const compare = (a: number, b: number): number => (a === b ? 0 : a < b ? -1 : 1);

function bars(own: Incident[], from: number, until: number, width: number): Bar[] {
  const scale = width / (until - from);
  const found: Bar[] = [];
  let edge = Number.NEGATIVE_INFINITY;
  for (const incident of own) {
    const [start, end] = [began(incident), Math.min(ended(incident, until), until)];
    const right = Math.min(width, Math.max((end - from) * scale, (Math.max(start, from) - from) * scale + LEAST));
    const left = Math.max(0, Math.min((start - from) * scale, right - LEAST));
    const last = found[found.length - 1];
    if (last && left < edge + GAP) {
      last.incidents.push(incident);
      last.until = Math.max(last.until, end);
      last.open ||= incident.open;
      edge = Math.max(edge, right);
      last.width = edge / width - last.left;
    } else {
      const bar = {
        key: `${incident.id}`,
        incidents: [incident],
        from: start,
        until: end,
        left: left / width,
        width: (right - left) / width,
      };
      found.push({ ...bar, open: incident.open, cut: start < from });
      edge = right;
    }
  }
  return found;
}

/** The span that tells the incidents of a bar apart; null where no span does: they were at once, or the bar is as wide as all that is shown. */
export function nearer({ incidents, from, until }: Bar, shown: number): { since: number; until: number } | null {
  if (incidents.length < 2) return null;
  const margin = Math.max(MINUTE, (until - from) * 0.1);
  const [first, last] = [Math.floor((from - margin) / MINUTE) * MINUTE, Math.ceil((until + margin) / MINUTE) * MINUTE];
  return last - first < shown * 0.8 ? { since: first, until: last } : null;
}

export interface Tick {
  at: number;
  /** Of the width. */
  left: number;
  words: string;
  /** A day begins. */
  strong: boolean;
}

const STEPS = [MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR];
const DAYS = [1, 2, 7, 14, 30];

/** Ticks at round hours and midnights of the zone, so many at the most. */
export function ticks(from: number, until: number, zone: Zone, most: number, now: number): Tick[] {
  const place = (at: number, words: string, strong: boolean): Tick => ({ at, left: (at - from) / (until - from), words, strong });
  const found: Tick[] = [];
  const step = STEPS.find((step) => (until - from) / step <= most);
  if (step) {
    // from midnight on, so that an hour that a clock skips or repeats moves no other tick off its round hour
    for (let midnight = dayOf(from, zone, 0); midnight <= until; midnight = dayOf(midnight, zone, 1)) {
      const next = dayOf(midnight, zone, 1);
      for (let at = midnight; at < next; at += step) {
        if (at < from || at > until) continue;
        const { hour, minute } = parts(at, zone);
        found.push(place(at, at === midnight ? day(at, zone, now) : `${hour}:${minute}`, at === midnight));
      }
    }
    return found;
  }
  const days = DAYS.find((days) => (until - from) / DAY / days <= most) ?? Math.ceil((until - from) / DAY / most);
  for (let at = dayOf(until, zone, 0); at >= from; at = dayOf(at, zone, -days)) found.unshift(place(at, day(at, zone, now), true));
  return found;
}

/** Midnight of the day of an instant, or of one so many days later. */
function dayOf(ms: number, zone: Zone, later: number): number {
  const date = new Date(ms);
  return zone === "utc"
    ? Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate() + later)
    : new Date(date.getFullYear(), date.getMonth(), date.getDate() + later).getTime();
}
