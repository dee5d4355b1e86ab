// Elements and texts. Whatever strangers wrote (ids, reasons, log lines) gets
// into the page as text nodes only; the Content-Security-Policy allows no other way.

// h makes an element: h("a.quiet", {href}, "text", child). Properties that begin
// with "on" are listeners; null and false are left out.
export function h(what, props, ...children) {
  const [tag, ...classes] = what.split(".");
  const el = document.createElement(tag);
  if (classes.length) el.className = classes.join(" ");
  for (const [name, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) el.addEventListener(name.slice(2), value);
    else el.setAttribute(name, value === true ? "" : value);
  }
  el.append(...children.filter((c) => c !== null && c !== undefined && c !== false));
  return el;
}

// put replaces what is in an element.
export function put(el, ...children) {
  el.replaceChildren(...children.filter((c) => c !== null && c !== undefined && c !== false));
  return el;
}

// say sets a text, without touching the page when it is there already.
export function say(el, text) {
  if (el.textContent !== text) el.textContent = text;
}

// plain shows what a terminal or a bidirectional text would act upon.
export function plain(text) {
  return text
    .replace(/\x1b\[[0-9;]*m/g, "") // colours
    .replace(/[\x00-\x08\x0b-\x1f\x7f]/g, (c) => (c === "\x7f" ? "\u2421" : String.fromCharCode(0x2400 + c.charCodeAt(0))))
    .replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (c) => "\u27e8U+" + c.charCodeAt(0).toString(16).toUpperCase() + "\u27e9");
}

// badge is a state in words, with its colour.
export function badge(state) {
  return h("span.state", { "data-state": state }, state);
}

export const tenantLink = (id) => h("a.id", { href: "#/tenant/" + encodeURIComponent(id) }, id);

export function bytes(n) {
  if (n === null || n === undefined) return "\u2013";
  const units = ["B", "KB", "MB", "GB", "TB"];
  let i = 0;
  while (n >= 1024 && i < units.length - 1) [n, i] = [n / 1024, i + 1];
  return (i === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)) + " " + units[i];
}

export function secs(n) {
  if (n === null || n === undefined) return "\u2013";
  if (n < 60) return Math.floor(n) + "s";
  if (n < 3600) return Math.floor(n / 60) + "m";
  if (n < 86400) return Math.floor(n / 3600) + "h";
  return Math.floor(n / 86400) + "d";
}

export function millis(n) {
  if (!n) return "\u2013";
  if (n < 10) return n.toFixed(1) + " ms";
  return n < 1000 ? Math.round(n) + " ms" : (n / 1000).toFixed(n < 10000 ? 1 : 0) + " s";
}

export const count = (n) => n.toLocaleString("en");
export const percent = (n) => (n === null || n === undefined ? "\u2013" : n.toFixed(n > 0 && n < 10 ? 1 : 0) + " %");

export const clock = (ms) => new Date(ms).toTimeString().slice(0, 8);
export function moment(ms) {
  const at = new Date(ms), today = new Date();
  return (at.toDateString() === today.toDateString() ? "" : at.toISOString().slice(5, 10) + " ") + clock(ms);
}

// every calls f now and ms after it has ended, as long as somebody looks at the
// page. The answer stops it.
export function every(ms, f) {
  let timer = 0, over = false, busy = false;
  async function turn() {
    clearTimeout(timer);
    if (over || busy || document.hidden) return;
    busy = true;
    try { await f(); } finally { busy = false; }
    if (!over) timer = setTimeout(turn, ms);
  }
  document.addEventListener("visibilitychange", turn);
  turn();
  return () => {
    over = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", turn);
  };
}
