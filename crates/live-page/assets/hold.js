// Hold still: while a pointer, a selection or the focus is inside a held list, its order stays.

const order = new Map();

export function busy(name) {
  const box = document.querySelector(`[data-hold="${name}"]`);
  if (!box) return false;
  const picked = getSelection();
  return box.matches(':hover') || box.contains(document.activeElement) || (!picked.isCollapsed && box.contains(picked.anchorNode));
}

/** `rows` in the order they had while the list is busy, otherwise as they come. */
export function hold(name, rows, id) {
  const before = order.get(name);
  if (before && busy(name)) {
    const place = new Map(before.map((key, i) => [key, i]));
    rows = [...rows].sort((a, b) => (place.get(id(a)) ?? 1e9) - (place.get(id(b)) ?? 1e9));
  }
  order.set(name, rows.map(id));
  return rows;
}

/** The slice of `rows` around the visible part of the page, in a box whose padding stands for the rest. */
export function windowed(id, rows, height, draw, extra = 0) {
  const box = document.getElementById(id), top = box ? box.getBoundingClientRect().top : 200;
  const fits = Math.ceil(innerHeight / height), first = Math.max(0, Math.min(rows.length - fits, Math.floor(-top / height) - 10));
  const last = Math.min(rows.length, first + fits + 24);
  return { first, last, css: { 'padding-top': first * height + 'px', 'padding-bottom': Math.max(0, (rows.length - last) * height - extra) + 'px' }, rows: rows.slice(first, last).map((r, i) => draw(r, first + i)) };
}
