// Elements from values. Text only ever becomes text: whatever people say is hostile until shown as such.

export const $ = (id) => document.getElementById(id);

/** Creates an element: `h('p.mute', { title: 'x' }, 'text', child)`. */
export function h(selector, attributes = {}, ...children) {
  const [tag, ...classes] = selector.split('.');
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(' ');
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null && child !== false));
  return element;
}

const SHAPES = {
  ok: 'M6 2a4 4 0 1 1 0 8 4 4 0 0 1 0-8z',
  wait: 'M6 2a4 4 0 1 1 0 8 4 4 0 0 1 0-8z',
  warn: 'M6 1 11.5 11H.5z',
  err: 'M6 .5 11.5 6 6 11.5.5 6z',
};

/** A status: shape and word, never colour alone. */
export function status(kind, text) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 12 12');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', SHAPES[kind]);
  svg.append(path);
  return h(`span.st.${kind}`, {}, svg, text);
}

// Control characters but tab and line end, marks that turn the direction, and the invisible ones.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

/** Makes what cannot be seen visible, so that nothing pretends to be something else. */
export const plain = (text) =>
  String(text).replace(HIDDEN, (c) => '\\u' + c.codePointAt(0).toString(16).padStart(4, '0'));

const NB = '\u00a0';

/** A duration as people say it: 9.4 ms, 96 ms, 1.84 s. */
export function duration(ms) {
  if (ms < 9.95) return ms.toFixed(1) + NB + 'ms';
  if (ms < 999.5) return Math.round(ms) + NB + 'ms';
  return (ms / 1000).toFixed(ms < 9995 ? 2 : 1) + NB + 's';
}

/** One or several of a thing. */
export const count = (n, one, many = one + 's') => n + NB + (n === 1 ? one : many);
