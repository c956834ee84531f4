// Attribute lists, as the trace and the logs show them.

import { h, ico } from './dom.js';
import { safe } from './fmt.js';
import { copy } from './main.js';

const CUT = 4096, shown = new Set();
const isUrl = text => /^[a-z][a-z0-9+.-]{1,12}:\/\//i.test(text);

/** `[[key, value], ...]`: every value is text; long ones are cut, addresses get a copy button and no link. */
export function attributes(pairs, page) {
  return h('dl', pairs.map(([key, value, full]) => {
    const id = key + value.length, cut = value.length > CUT && !shown.has(id);
    return [h('dt.mono', { title: safe(key) }, safe(key).split(/(?<=[._])/).map(part => [part, h('wbr')])), h('dd', safe(cut ? value.slice(0, CUT) : value), cut && h('button.btn.mini-b', { on: { click: e => { shown.add(id); e.currentTarget.parentNode.replaceChildren(safe(value)); } } }, 'Show all'),
      full > value.length && h('span.mute', ` and ${full - value.length} more bytes`),
      isUrl(value) && h('button.btn.bare.ico.mini-b', { 'aria-label': 'Copy ' + key, on: { click: () => copy(value, 'Address copied.') } }, ico('copy')))];
  }));
}
