// Newest-first lists: they follow only at the top; otherwise what is new waits behind a pill.

import { h } from './dom.js';
import { count } from './fmt.js';
import { busy } from './hold.js';

const MOST = 3000;

export const records = (cols, rows) => rows.map(r => Object.fromEntries(cols.map((c, i) => [c, r[i]])));

export function start(page, data, id) {
  page.ui.rows = records(data.cols, data.rows);
  page.ui.waiting = [];
  page.ui.older = data.older;
  page.ui.id = id;
}

export function add(page, d, sorted) {
  const { ui } = page, known = new Map(ui.rows.map(r => [r[ui.id], r]));
  for (const r of records(d.cols || [], d.add || [])) {
    const old = known.get(r[ui.id]);
    if (old) Object.assign(old, r);
    else {
      const at = ui.waiting.findIndex(w => w[ui.id] === r[ui.id]);
      if (at >= 0) ui.waiting[at] = r; else ui.waiting.push(r);
    }
  }
  if (!sorted && scrollY < 60 && !busy('list')) flush(page);
  if (ui.waiting.length > MOST) ui.waiting = ui.waiting.slice(-MOST);
}

export function flush(page) {
  const { ui } = page;
  ui.rows = [...ui.waiting, ...ui.rows].sort((a, b) => b.t - a.t).slice(0, MOST);
  ui.waiting = [];
}

export function pill(page, sorted) {
  const n = page.ui.waiting.length;
  return n > 0 && h('button.pill', { key: 'pill', id: 'new', on: { click: () => { if (sorted) page.reload(); else flush(page); scrollTo(0, 0); page.draw(); } } }, count(n) + ' new');
}

/** Reads older rows when the end of the list comes near. */
export async function older(page, path) {
  const { ui } = page;
  if (!ui.older || ui.asking) return;
  ui.asking = true;
  try {
    const more = await (await fetch(path + '&before=' + encodeURIComponent(ui.older))).json(), known = new Set(ui.rows.map(r => r[ui.id]));
    ui.rows.push(...records(more.cols, more.rows).filter(r => !known.has(r[ui.id])));
    ui.older = ui.rows.length < MOST ? more.older : null;
  } catch { ui.older = null; }
  ui.asking = false;
  page.draw();
}
