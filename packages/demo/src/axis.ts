/** The window of time that the lanes show. Milliseconds. */
export interface Window {
  from: number;
  to: number;
}

export const ZOOMS = { nearest: 'the next end', hour: 'an hour', day: 'a day', all: 'everything' } as const;
export type Zoom = keyof typeof ZOOMS;

const MINUTE = 60_000;
/** Where "now" stands in the window. */
const PAST = 0.25;

/** Ahead of `now`, and looking back to `since` where nothing lies ahead. */
export interface Span {
  now: number;
  since: number;
  deadlines: number[];
}

/** A window around `now` in which the zoom's deadline stands well to the right. */
export function windowOf(zoom: Zoom, { now, since, deadlines }: Span): Window {
  const ahead = deadlines.map((at) => at - now).filter((left) => left > 0);
  if (!ahead.length && (zoom === 'nearest' || zoom === 'all')) {
    const past = Math.max(MINUTE, now - since);
    return { from: now - past * 1.1, to: now + past * 0.4 };
  }
  const future = {
    nearest: Math.max(MINUTE, Math.min(...ahead, 365 * 24 * 60 * MINUTE) * 1.5),
    hour: 60 * MINUTE,
    day: 24 * 60 * MINUTE,
    all: Math.max(MINUTE, ...ahead) * 1.1,
  }[zoom];
  return { from: now - (future * PAST) / (1 - PAST), to: now + future };
}

/** In percent of the window's width, kept inside of it. */
export const place = ({ from, to }: Window, at: number) => Math.min(100, Math.max(0, (100 * (at - from)) / (to - from)));

const STEPS = [10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 43_200, 86_400, 604_800, 2_592_000, 7_776_000].map((seconds) => seconds * 1000);

/** Round instants to label, at most `most`. */
export function gridOf(window: Window, most: number): number[] {
  const width = window.to - window.from;
  const step = STEPS.find((one) => width / one <= most) ?? width / most;
  const found = [];
  for (let at = Math.ceil(window.from / step) * step; at < window.to; at += step) found.push(at);
  return found;
}
