// Sparkline, percentile bar, axes, histogram and heat map. SVG up to 200 marks, canvas above.

import { canvas, color, h, s } from './dom.js';
import { axisX, dur, hm, hms, tick } from './fmt.js';

/** A zero-based line of at most 60 points; `null` breaks it. Errors are ticks on its floor. */
export function spark(values, o = {}) {
  const W = 120, H = 34, known = values.filter(v => v != null), max = Math.max(...known, o.max || 0) || 1;
  const x = i => i / Math.max(1, values.length - 1) * W, y = v => H - 2 - v / max * (H - 5);
  let line = '', fill = '', from = null;
  values.forEach((v, i) => {
    if (v == null) from = null;
    else {
      line += (from == null ? 'M' : 'L') + x(i).toFixed(1) + ' ' + y(v).toFixed(1);
      if (from == null) from = i;
      if (from === i && values[i + 1] == null) line += 'h1.2';
      if (values[i + 1] == null) fill += 'M' + x(from).toFixed(1) + ' ' + H + values.slice(from, i + 1).map((w, k) => 'L' + x(from + k).toFixed(1) + ' ' + y(w).toFixed(1)).join('') + 'L' + x(i).toFixed(1) + ' ' + H + 'Z';
    }
  });
  const most = Math.max(...(o.err || [0]), 1);
  return s('svg', { class: 'sp ' + (o.c || ''), viewBox: `0 0 ${W} ${H}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': o.label || spoken(known) },
    s('path', { class: 'a', d: fill }), s('path', { class: 'l', d: line }),
    (o.err || []).map((e, i) => e > 0 && s('rect', { class: 'e', x: x(i) - .8, y: H - 1 - (3 + 6 * e / most), width: 1.6, height: 3 + 6 * e / most })));
}

function spoken(values) {
  if (values.length < 4) return 'too few points for a trend';
  const half = values.length >> 1, sum = a => a.reduce((x, y) => x + y, 0) / a.length;
  const before = sum(values.slice(0, half)), after = sum(values.slice(half));
  return 'trend: ' + (after > before * 1.25 ? 'rising' : after < before * .8 ? 'falling' : 'steady');
}

/** Tick p50, thick p50 to p95, thin p95 to p99, dashed target. Quantiles that are not known are left out. */
export function pbar(p50, p95, p99, o) {
  const X = v => axisX(v, o.lo, o.hi) * 100 + '%', W = (a, b) => (axisX(b, o.lo, o.hi) - axisX(a, o.lo, o.hi)) * 100 + '%';
  return h('div.pb' + (o.target && (p99 ?? p95 ?? 0) > o.target ? '.over' : ''), { role: 'img', 'aria-label': `p50 ${dur(p50)}, p95 ${dur(p95)}, p99 ${dur(p99)}` + (o.target ? `, target ${dur(o.target)}` : '') },
    p95 != null && h('i', { css: { '--x': X(p50), '--w': W(p50, p95) } }), p99 != null && h('i.thin', { css: { '--x': X(p95), '--w': W(p95, p99) } }),
    p50 != null && h('u', { css: { '--x': X(p50) } }), o.target && h('s', { css: { '--x': X(o.target) } }));
}

export const axis = (ticks, lo, hi) => h('div.axis', { 'aria-hidden': 'true' }, ticks.map(t => h('span', { css: { '--x': axisX(t, lo, hi) * 100 + '%' } }, tick(t))));

/** Round ticks of a shared log axis that covers `values`. */
export function scale(values) {
  const known = values.filter(v => v > 0), lo = 10 ** Math.floor(Math.log10(Math.min(...known, 1))), hi = Math.max(lo * 100, Math.max(...known, 1) * 1.1);
  const ticks = [];
  for (let t = lo; t < hi; t *= 10) ticks.push(+t.toPrecision(1));
  const last = ticks.at(-1), top = [2, 3, 5, 10].map(k => last * k).find(t => t >= hi) || last * 10;
  if (top >= last * 3) ticks.push(+top.toPrecision(1));
  return { lo, hi: Math.max(top, last), ticks };
}

export const timeAxis = (t0, t1, n = 6) => h('div.axis.time', { 'aria-hidden': 'true' }, Array.from({ length: n }, (_, i) => h('span', { css: { '--x': i / (n - 1) * 100 + '%' } }, (t1 - t0 < 6 * 60_000 ? hms : hm)(t0 + (t1 - t0) * i / (n - 1)))));

/** Stacked bars: `[[plain, warn, err], ...]`. */
export function hist(bins, label, height = 54) {
  const max = Math.max(1, ...bins.map(b => b[0] + b[1] + b[2])), px = v => Math.max(v ? 2 : 0, v / max * (height - 2)) + 'px';
  return h('div.hist', { role: 'img', 'aria-label': label, css: { height: height + 'px' } }, bins.map(b => h('span', b[0] > 0 && h('i', { css: { '--h': px(b[0]) } }), b[1] > 0 && h('i.w', { css: { '--h': px(b[1]) } }), b[2] > 0 && h('i.e', { css: { '--h': px(b[2]) } }))));
}

/** The latency heat map: `m.cells` is `cols x rows` counts, row 0 the fastest. */
export function heat(m, o) {
  const y = v => 1 - axisX(v, m.lo, m.hi), H = 188, floor = 12;
  const draw = (g, w) => {
    const cw = w / m.cols, ch = (H - floor) / m.rows, low = rgb('--heat-0'), high = rgb('--heat-1'), most = Math.max(1, ...m.cells);
    for (let i = 0; i < m.cols; i++) for (let j = 0; j < m.rows; j++) {
      const k = m.cells[i * m.rows + j], t = k ? .16 + .84 * Math.min(1, k / most) ** .6 : 0;
      g.fillStyle = k ? `rgb(${low.map((a, q) => Math.round(a + (high[q] - a) * t))})` : `rgba(${low},.5)`;
      g.fillRect(i * cw, H - floor - (j + 1) * ch, cw - .6, ch - .6);
    }
    const line = (values, dash) => {
      g.beginPath();
      let on = false;
      values.forEach((v, i) => {
        if (v == null) { on = false; return; }
        const yy = y(v) * (H - floor), xx = (i + .5) * cw;
        if (on) g.lineTo(xx, yy); else { g.moveTo(xx, yy); g.lineTo(xx + .1, yy); }
        on = true;
      });
      for (const [stroke, width, d] of [[`rgba(${rgb('--surface')},.75)`, 3.6, []], [color('--ink'), 1.6, dash]]) {
        g.strokeStyle = stroke; g.lineWidth = width; g.setLineDash(d); g.stroke();
      }
      g.setLineDash([]);
    };
    line(m.p50, []);
    line(m.p99, [1.5, 3]);
    g.fillStyle = color('--err');
    const worst = Math.max(1, ...m.err);
    m.err.forEach((e, i) => { if (e) { const tall = 2 + (floor - 3) * e / worst; g.fillRect(i * cw, H - tall, cw - .6, tall); } });
  };
  const ticks = [];
  for (let t = 10 ** Math.ceil(Math.log10(m.lo) - 1e-9); t <= m.hi * 1.001; t *= 10) ticks.push(+t.toPrecision(1));
  const box = m.box;
  return h('div.heat', { role: 'img', 'aria-label': o.label, on: o.on },
    h('div.y', ticks.map(v => h('span', { css: { '--y': Math.max(6, y(v) * (H - floor)) + 'px' } }, tick(v)))),
    canvas('', draw),
    box && h('div.brush' + (box.x0 < .34 ? '.right' : ''), { css: { '--x0': box.x0, '--x1': box.x1 - box.x0, '--y0': y(box.hi) * (H - floor) - 3 + 'px', '--y1': (y(box.lo) - y(box.hi)) * (H - floor) + 5 + 'px' } }, h('b', `${hm(box.t0)} – ${hm(box.t1)}, ${box.chosen ? dur(box.lo) + ' to ' + dur(box.hi) : 'over ' + dur(box.lo)}`)),
    o.drag && band(o.drag, H - floor),
    timeAxis(m.t0, m.t1));
}

/** The box while it is drawn. */
function band([[xa, ya], [xb, yb]], height) {
  return h('div.brush', { css: { '--x0': Math.min(xa, xb), '--x1': Math.abs(xb - xa), '--y0': Math.min(ya, yb) * height + 'px', '--y1': Math.abs(yb - ya) * height + 'px' } });
}

const rgb = token => color(token).match(/[\d.]+/g).slice(0, 3).map(Number);

/** All spans of a trace in little: `spans` in the order of the waterfall, from 60 of them. */
export function minimap(spans, total) {
  return canvas('.mini', (g, w, height) => {
    const tall = Math.max(1, Math.min(3, height / spans.length)), base = color('--ink-3'), hues = {};
    spans.forEach((s, i) => {
      g.fillStyle = s.err ? color('--err') : s.c ? hues[s.c] ||= color('--c-' + s.c) : base;
      g.globalAlpha = s.cp.length || s.err ? 1 : .4;
      g.fillRect(s.at / total * w, i / spans.length * (height - tall), Math.max(1, s.len / total * w), tall);
    });
  });
}
