/** Draws the lanes: a row each, on one axis of time. */
import { gridOf, place, type Window } from './axis.ts';
import { element } from './dom.ts';
import type { Lane, Layer } from './lanes.ts';
import { span, time } from './words.ts';

const DAY = 86_400_000;

export function draw(layers: Layer[], window: Window, now: number): HTMLElement {
  const chart = element('div', { class: 'chart' });
  const grid = gridOf(window, 6);
  chart.append(axis(grid, window, now));
  for (const layer of layers) {
    const section = element('section', { class: 'layer', 'aria-label': layer.title });
    section.append(element('h3', {}, layer.title), element('p', { class: 'state' }, layer.state));
    for (const lane of layer.lanes) section.append(row(lane, layer, { window, grid, now }));
    chart.append(section);
  }
  chart.append(legend());
  return chart;
}

function legend(): HTMLElement {
  const sign = (kind: string, meaning: string) => element('li', {}, element('span', { class: `sign ${kind}`, 'aria-hidden': 'true' }), meaning);
  const signs = [sign('deed', 'an activity'), sign('deadline', 'a deadline'), sign('stricter', 'a lowered setting'), sign('end', 'the end'), sign('now', 'now')];
  return element('ul', { class: 'legend', 'aria-label': 'Signs' }, ...signs);
}

function axis(grid: number[], window: Window, now: number): HTMLElement {
  const track = element('div', { class: 'track scale' });
  for (const at of grid) {
    const label = window.to - window.from > 3 * DAY ? new Date(at).toLocaleDateString([], { day: 'numeric', month: 'short' }) : time(at);
    const left = place(window, at);
    // A label at the very edge would be cut off.
    if (left > 6 && left < 94) track.append(positioned('grid', left, label));
  }
  track.append(positioned('now', place(window, now), 'now'));
  return element('div', { class: 'lane axis', 'aria-hidden': 'true' }, element('span', { class: 'name' }), track, element('span', { class: 'left' }));
}

function positioned(kind: string, left: number, label = ''): HTMLElement {
  const made = element('span', { class: kind }, label);
  made.style.left = `${left}%`;
  return made;
}

interface Frame {
  window: Window;
  grid: number[];
  now: number;
}

function row(lane: Lane, layer: Layer, { window, grid, now }: Frame): HTMLElement {
  const left = leftOf(lane, now);
  const over = lane.endedAt !== undefined || (lane.bar !== undefined && lane.bar.to <= now);
  const track = element('div', { class: 'track' });
  track.setAttribute('aria-hidden', 'true');
  track.append(...grid.map((at) => positioned('line', place(window, at))));
  if (lane.bar) track.append(...barOf(lane, window, over));
  if (lane.tone === 'session') for (const at of new Set(layer.activities)) if (at >= window.from) track.append(positioned('deed', place(window, at)));
  track.append(positioned('now', place(window, now)));
  const name = element('span', { class: 'name' }, lane.name);
  const small = element('small', {}, lane.detail ?? '');
  if (lane.wins) small.append(' · ', element('em', {}, 'ends it first'));
  if (small.textContent) name.append(small);
  return element('div', { class: `lane ${lane.tone}${over ? ' over' : ''}${lane.wins ? ' first' : ''}` }, name, track, element('span', { class: 'left' }, left));
}

function barOf(lane: Lane, window: Window, over: boolean): HTMLElement[] {
  const { from, to } = lane.bar as { from: number; to: number };
  const bar = element('span', { class: 'bar' });
  const [start, end] = [place(window, from), place(window, Math.min(to, lane.endedAt ?? to))];
  bar.style.left = `${start}%`;
  bar.style.width = `${Math.max(0, end - start)}%`;
  const parts = [bar];
  if (to > window.to) parts.push(...(over ? [] : [positioned('beyond', 100, '›')]));
  else if (to > window.from) parts.push(positioned(over ? 'deadline gone' : 'deadline', place(window, to)));
  if (lane.stricterAt !== undefined) parts.push(positioned('stricter', place(window, lane.stricterAt)));
  if (lane.endedAt !== undefined) parts.push(positioned('end', place(window, lane.endedAt)));
  return parts;
}

function leftOf(lane: Lane, now: number): string {
  if (lane.note !== undefined && (!lane.bar || lane.endedAt !== undefined)) return lane.note;
  if (lane.endedAt !== undefined) return 'ended';
  if (!lane.bar) return '';
  const left = lane.bar.to - now;
  if (left <= 0) return 'over';
  const stricter = lane.stricterAt === undefined ? '' : lane.stricterAt <= now ? ' (next activity ends it)' : ` (${span(lane.stricterAt - now)} for activity)`;
  return `${span(left)}${stricter}`;
}
