// Builds elements from descriptions and morphs one tree into another, so that focus, selection and
// hover survive an update. Text enters as text nodes, sizes through CSSOM: no markup string exists.

const NS = 'http://www.w3.org/2000/svg';

function dispatch(event) {
  event.currentTarget.$on?.[event.type]?.(event);
}

export function put(el, props, kids = []) {
  if (props?.constructor !== Object) kids = [props, kids];
  else for (const [key, value] of Object.entries(props)) {
    if (value == null || value === false) continue;
    if (key === 'css') setCss(el, value);
    else if (key === 'on') listen(el, value);
    else if (key === 'key') el.$key = String(value);
    else if (key === 'draw') el.$draw = value;
    else if (key === 'keep') el.$keep = true;
    else el.setAttribute(key, value === true ? '' : value);
  }
  for (const kid of kids.flat(9)) if (kid != null && kid !== false && kid !== '') el.append(kid);
  return el;
}

function setCss(el, css) {
  for (const name of Object.keys(el.$css || {})) if (!(name in css)) el.style.removeProperty(name);
  for (const [name, value] of Object.entries(css)) if (el.$css?.[name] !== value) el.style.setProperty(name, value);
  el.$css = css;
}

function listen(el, on) {
  // The same function added twice is heard once, so a type already heard may be added again.
  for (const type of Object.keys(on)) el.addEventListener(type, dispatch);
  el.$on = on;
}

/** `h('a.btn.pri', { href }, 'text')`; without properties the children begin at once. */
export function h(tag, props, ...kids) {
  const [name, ...classes] = tag.split('.');
  const el = document.createElement(name || 'div');
  if (classes.length) el.className = classes.join(' ');
  return put(el, props, kids);
}

export const s = (tag, props, ...kids) => put(document.createElementNS(NS, tag), props, kids);

/** Makes `parent` hold what `nodes` describe, reusing the elements that are already there. */
export function morph(parent, nodes) {
  const focused = document.activeElement;
  children(parent, nodes.flat(9).filter(node => node != null && node !== false && node !== ''));
  if (focused !== document.activeElement && focused?.isConnected && parent.contains(focused)) focused.focus({ preventScroll: true });
}

function children(parent, fresh) {
  const keyed = new Map(), used = new Set();
  for (const node of parent.childNodes) if (node.$key) keyed.set(node.$key, node);
  let at = parent.firstChild;
  for (let node of fresh) {
    if (typeof node !== 'object') node = document.createTextNode(node);
    if (!node.$key) while (at && at.$key) at = at.nextSibling;
    const old = node.$key ? keyed.get(node.$key) : at;
    if (!old || used.has(old) || old.nodeName !== node.nodeName) {
      parent.insertBefore(node, at);
      used.add(node);
      continue;
    }
    if (old === at) at = at.nextSibling;
    else parent.insertBefore(old, at);
    used.add(old);
    patch(old, node);
  }
  for (const node of [...parent.childNodes]) if (!used.has(node)) node.remove();
}

function patch(old, node) {
  if (old.nodeType === 3) {
    if (old.nodeValue !== node.nodeValue) old.nodeValue = node.nodeValue;
    return;
  }
  for (const { name } of [...old.attributes]) if (name !== 'style' && !node.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of node.attributes) if (name !== 'style' && old.getAttribute(name) !== value) old.setAttribute(name, value);
  setCss(old, node.$css || {});
  listen(old, node.$on || {});
  old.$key = node.$key;
  if (node.$draw) {
    old.$draw = node.$draw;
    paint(old);
  }
  if (!node.$keep) children(old, [...node.childNodes]);
}

// One animation frame paints every canvas that is dirty, and no frame is asked for otherwise.
const dirty = new Set();
export function paint(canvas) {
  if (!dirty.size) requestAnimationFrame(() => {
    const batch = [...dirty];
    dirty.clear();
    for (const el of batch) if (el.isConnected) draw(el);
  });
  dirty.add(canvas);
}

function draw(canvas) {
  const width = canvas.clientWidth, height = canvas.clientHeight, ratio = Math.max(2, devicePixelRatio);
  if (!width) return;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const g = canvas.getContext('2d');
  g.scale(ratio, ratio);
  canvas.$draw(g, width, height);
}

export function canvas(cls, draw) {
  const el = h('canvas' + cls, { 'aria-hidden': 'true', draw });
  paint(el);
  return el;
}

export const repaint = () => document.querySelectorAll('canvas').forEach(paint);

/** The resolved colour of a token, for canvases. */
export function color(token) {
  const probe = document.body.appendChild(h('i', { css: { color: `var(${token})` } }));
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

const PATHS = { overview: 'M2 13V9M6 13V4M10 13V7M14 13V2', traces: 'M2 3h7M5 8h8M8 13h6', logs: 'M2 3h12M2 8h12M2 13h7', ws: 'M2 5h10l-3-3M14 11H4l3 3', metrics: 'M2 12l4-5 3 3 5-7', pipeline: 'M2 4h4l4 8h4M10 4h4', moon: 'M13 9.5A5.5 5.5 0 0 1 6.5 3 5.5 5.5 0 1 0 13 9.5z', copy: 'M6 6h7v7H6zM3 10V3h7', back: 'M10 3 5 8l5 5', link: 'M6 10l4-4M7 4l1-1a3 3 0 0 1 5 4l-2 2M9 12l-1 1a3 3 0 0 1-5-4l2-2', check: 'M3 8.5 6.5 12 13 4', wait: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 5v3l2 2', search: 'M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM11 11l3 3' };
const SHAPES = { err: 'M6 .5 11.5 6 6 11.5.5 6z', warn: 'M6 1 11.5 11H.5z', ok: 'M6 1.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zm0 1.5a3 3 0 1 1 0 6 3 3 0 0 1 0-6z' };
export const ico = name => s('svg', { class: 'i', viewBox: '0 0 16 16', 'aria-hidden': 'true' }, s('path', { d: PATHS[name] }));
/** A status: shape and word, then colour. */
export const st = (kind, text) => h('span.st.' + kind, s('svg', { viewBox: '0 0 12 12', 'aria-hidden': 'true' }, s('path', { d: SHAPES[kind], fill: 'currentColor' })), text);
export const sw = cls => h('span.sw' + (cls ? '.' + cls : ''), { 'aria-hidden': 'true' });

export const panel = (title, right, ...body) => h('section.panel', h('header', h('h2', title), right && h('div.r.mute', right)), body);
export const num = (value, cls = '') => ({ cls: 'num ' + cls, value });

/** A row of a table made of divs: the grid comes from the template `g`. */
export function row(g, cells, o = {}) {
  return h((o.href ? 'a' : 'div') + '.tr' + (o.cls || ''), { role: 'row', href: o.href, key: o.key, id: o.id, 'aria-selected': o.selected, 'aria-rowindex': o.index, 'aria-label': o.label, on: o.on, css: { '--g': g, ...o.css } },
    cells.map(cell => h('div', { role: o.cls === '.h' ? 'columnheader' : 'cell', class: 'trunc ' + (cell?.cls || '') }, cell?.cls !== undefined ? cell.value : cell)));
}
