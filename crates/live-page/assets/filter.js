// The filter bar: tokens, completion, and the remedy for a mistyped key. The server decides what a
// token means; here it is only cut at spaces outside quotes.

import { h, ico, morph } from './dom.js';
import { count, safe } from './fmt.js';

export const split = q => q.match(/(?:[^\s"]|"(?:[^"\\]|\\.)*"?)+/g) || [];
/** A value as a token may hold it. */
export const quote = text => /[\s",]/.test(text) ? '"' + text.replace(/(["\\])/g, '\\$1') + '"' : text;
const parts = token => token.match(/^(-?[^:<>=\s"]+?(?::|>=|<=|>|<))(.*)$/s)?.slice(1) || ['', token];

let wrap, box, input, tokens = [], options = [], at = -1, hint = '', problems = [], change = () => {}, view = '', asked = 0, seen = '';

const asText = () => [...tokens, input.value.trim()].filter(Boolean).join(' ');

function submit(push) {
  seen = asText();
  change(seen, push);
}

function commit() {
  const typed = split(input.value);
  if (!typed.length) return;
  tokens.push(...typed);
  input.value = '';
  options = [];
  draw();
  submit(true);
}

function pick(option) {
  const more = option.text.endsWith(':');
  input.value = option.text;
  if (!more) commit(); else complete();
  input.focus();
}

function keydown(e) {
  const open = options.length > 0;
  if (e.key === 'ArrowDown' && open) at = Math.min(options.length - 1, at + 1);
  else if (e.key === 'ArrowUp' && open) at = Math.max(-1, at - 1);
  else if (e.key === 'Enter') { if (open && at >= 0) pick(options[at]); else commit(); }
  else if (e.key === 'Tab' && open && at >= 0) pick(options[at]);
  else if (e.key === ' ' && input.value.trim() && split(input.value + 'x').length > split(input.value).length) commit();
  else if (e.key === 'Backspace' && !input.value && tokens.length) { input.value = tokens.pop(); submit(true); complete(); }
  else if (e.key === 'Escape') { if (open) options = []; else input.blur(); e.stopPropagation(); }
  else return;
  e.preventDefault();
  draw();
}

let typing;
function typed() {
  clearTimeout(typing);
  typing = setTimeout(() => { complete(); submit(false); }, 180);
}

async function complete() {
  const mine = ++asked;
  try {
    const found = await (await fetch('/api/complete?' + new URLSearchParams({ view, q: input.value }))).json();
    if (mine !== asked || document.activeElement !== input) return;
    options = found.options;
    at = -1;
    draw();
  } catch { /* completion is a help, never a condition */ }
}

function draw() {
  const bad = new Map(problems.map(p => [p.token, p]));
  const token = (text, i) => {
    const [key, value] = parts(text), p = bad.get(text);
    return h('span.tok' + (p ? '.bad-tok' : ''), { key: i + text, title: p?.message }, h('b', safe(key)), safe(value), h('button', { type: 'button', 'aria-label': 'Remove ' + text, on: { click: () => { tokens.splice(i, 1); draw(); submit(true); } } }, '×'));
  };
  morph(box, [ico('search'), tokens.map(token), input, h('kbd.hide-s', { 'aria-hidden': 'true' }, '/')]);
  input.placeholder = tokens.length ? '' : hint;
  input.setAttribute('aria-expanded', String(options.length > 0));
  const list = wrap.lastChild;
  list.hidden = !options.length;
  morph(list, options.map((o, i) => h('li', { role: 'option', id: 'option-' + i, 'aria-selected': String(i === at), on: { mousedown: e => { e.preventDefault(); pick(o); } } }, h('code.trunc', safe(o.text)), h('span.mute', o.count == null ? o.help || '' : count(o.count)))));
  if (at >= 0) input.setAttribute('aria-activedescendant', 'option-' + at); else input.removeAttribute('aria-activedescendant');
}

/** Draws the bar for `q`; `onchange(q, push)` hears every edit. */
export function bar(o) {
  hint = o.hint; problems = o.problems || []; change = o.change; view = o.view;
  if (!wrap) {
    input = h('input', { key: 'in', id: 'q', 'aria-label': 'Filter', role: 'combobox', 'aria-controls': 'options', 'aria-autocomplete': 'list', spellcheck: 'false', autocomplete: 'off', maxlength: 1000,
      on: { keydown, input: typed, focus: complete, blur: () => { options = []; commit(); draw(); } } });
    box = h('div.q', { role: 'search' });
    wrap = h('div.qwrap', { keep: true, key: 'filter' }, box, h('ul.menu', { id: 'options', role: 'listbox', 'aria-label': 'Completions', hidden: true }));
  }
  // Only an address that changed by itself replaces what is being typed.
  if (o.q !== seen && o.q !== asText()) { tokens = split(o.q); input.value = ''; }
  seen = o.q;
  // The bar keeps its own elements: what is drawn over it is only a place holder.
  return wrap.isConnected ? h('div.qwrap', { keep: true, key: 'filter' }) : wrap;
}

export const refresh = () => { if (wrap?.isConnected) draw(); };
