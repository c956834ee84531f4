// Only for loss or skipping (and what a person just copied): one at a time, merged by cause.

import { h, morph, st } from './dom.js';
import { plural } from './fmt.js';

let shown = null, timer = 0;

export function toast(cause, one, two, href, rows = 0) {
  if (shown?.cause === cause && rows) {
    rows += shown.rows;
    one = `${plural(rows, 'row')} arrived faster than this page draws`;
  }
  shown = { cause, rows };
  const box = document.getElementById('toasts'), loss = !!href;
  box.setAttribute('role', loss ? 'alert' : 'status');
  morph(box, [h('div.toast' + (loss ? '' : '.said'), { on: { focusout: wait } }, loss ? st('warn', one) : h('span', one), two && h('p', two),
    loss && h('div.acts', h('a.btn', { href }, 'See the pipeline'), h('button.btn.bare', { on: { click: dismiss } }, 'Dismiss')))]);
  wait();
}

function wait() {
  clearTimeout(timer);
  timer = setTimeout(() => { if (!document.getElementById('toasts').contains(document.activeElement)) dismiss(); }, shown?.rows ? 10_000 : 3_000);
}

export function dismiss() {
  shown = null;
  morph(document.getElementById('toasts'), []);
}
