// The table of all tenants. The daemon searches, sorts and counts; the page has the
// rows that are in sight, and asks for the next ones as somebody scrolls.
import { h, put, say, badge, tenantLink, plain, bytes, secs, count, every } from "./dom.js";
import { get } from "./api.js";

const rowHeight = 32, part = 100, spare = 12;

const columns = [
  ["Tenant", "name"], ["State", "state"], ["Health", ""], ["Uptime", "-uptime", "num"], ["Idle", "-idle", "num"],
  ["Memory", "", "num"], ["Requests", "-requests", "num"], ["Restarts", "-restarts", "num"], ["Weight", "-weight", "num"], ["Reason", ""],
];

export function tenants(main) {
  const asked = new URLSearchParams(location.hash.split("?")[1] || "");
  const query = { search: asked.get("search") || "", process: asked.get("process") || "", state: asked.get("state") || "", sort: asked.get("sort") || "" };
  let rows = new Map(), matching = 0, turn = 0, chosen = -1, answered = false; // rows: number -> row
  const loading = new Set();

  const search = h("input", { type: "search", placeholder: "Search tenants", "aria-label": "Search tenants by id or reason", value: query.search, oninput: later(() => change({ search: search.value.trim() })) });
  const state = h("select", { "aria-label": "State", onchange: () => change({ state: state.value }) },
    ...["", "awake", "asleep", "running", "starting", "queued", "draining", "stopping", "backoff", "failed", "held"].map((s) => h("option", { value: s, selected: s === query.state }, s || "every state")));
  const service = query.process ? h("a.filter", { href: "#/tenants", title: "Show every service" }, "service " + query.process + " \u00d7") : null;
  const total = h("span.total", { role: "status" }), note = h("p.wrong", { role: "alert" });
  const above = h("tr.gap", { "aria-hidden": "true" }, h("td", { colspan: columns.length })), below = above.cloneNode(true);
  const heads = columns.map(([label, sort, kind]) => h(kind ? "th." + kind : "th", { scope: "col" }, sort ? h("button.sort", { type: "button", onclick: () => resort(sort) }, label) : label));
  const body = h("tbody"), table = h("table.rows", { "aria-label": "Tenants", "aria-rowcount": "0" }, h("thead", {}, h("tr", { "aria-rowindex": "1" }, ...heads)), body);
  const view = h("div.view", { tabindex: "0", role: "region", "aria-label": "Tenants; arrow keys choose, Enter opens", onscroll: paint, onkeydown: key }, table);
  put(main, h("h1.sr", {}, "Tenants"), h("div.tools", {}, search, state, service, total), note, view);

  function change(what) {
    Object.assign(query, what);
    const params = new URLSearchParams(Object.entries(query).filter(([, v]) => v));
    history.replaceState(null, "", "#/tenants" + (params.size ? "?" + params : ""));
    [rows, chosen, answered] = [new Map(), -1, false];
    loading.clear();
    turn++;
    view.scrollTop = 0;
    load(0);
  }

  function resort(sort) {
    const other = sort.startsWith("-") ? sort.slice(1) : "-" + sort;
    change({ sort: query.sort === sort ? other : sort });
  }

  // load gets one part of the list; an answer to an older question is dropped.
  async function load(first) {
    if (loading.has(first)) return;
    loading.add(first);
    const mine = turn;
    try {
      const page = await get("/api/tenants", { ...query, offset: first, limit: part });
      if (mine !== turn) return;
      [matching, answered] = [page.matching, true];
      for (let i = 0; i < part; i++) rows.delete(first + i);
      page.tenants.forEach((row, i) => rows.set(first + i, row));
      say(total, page.matching === page.total ? count(page.total) + " tenants" : count(page.matching) + " of " + count(page.total) + " tenants");
      say(note, "");
      paint();
    } catch (err) {
      if (mine === turn) say(note, err.message);
    } finally {
      if (mine === turn) loading.delete(first);
    }
  }

  const range = () => {
    const first = Math.max(0, Math.floor(view.scrollTop / rowHeight) - spare);
    return [first, Math.min(matching, first + Math.ceil(view.clientHeight / rowHeight) + 2 * spare)];
  };

  function paint() {
    const [first, last] = range();
    above.firstChild.style.height = first * rowHeight + "px";
    below.firstChild.style.height = Math.max(0, matching - last) * rowHeight + "px";
    above.hidden = first === 0;
    below.hidden = last === matching;
    const held = document.activeElement && body.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const lines = [];
    for (let i = first; i < last; i++) lines.push(line(i));
    if (matching === 0 && answered) lines.push(h("tr", {}, h("td.empty", { colspan: columns.length }, query.search || query.state ? "No tenant matches." : "No tenant is registered yet: ten register S:I, or ten spawn S:I.")));
    body.replaceChildren(above, ...lines, below);
    table.setAttribute("aria-rowcount", matching + 1);
    heads.forEach((head, i) => {
      const sort = columns[i][1].replace("-", ""), now = query.sort || "name";
      if (sort && now.replace("-", "") === sort) head.setAttribute("aria-sort", now.startsWith("-") ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    if (held) body.querySelector('a[href="' + CSS.escape(held) + '"]')?.focus({ preventScroll: true });
    for (let at = first - first % part; at < last; at += part) if (!rows.has(at)) load(at);
  }

  function line(i) {
    const r = rows.get(i), where = { "aria-rowindex": i + 2, "aria-selected": i === chosen ? "true" : null };
    if (!r) return h("tr.coming", where, h("td", { colspan: columns.length }, "\u2026"));
    const awake = r.uptime_secs > 0 || r.state === "running";
    return h("tr", { ...where, onclick: (e) => e.target.closest("a") || (location.hash = "#/tenant/" + encodeURIComponent(r.id)) },
      h("td", {}, tenantLink(r.id)), h("td", {}, badge(r.state)), h("td", {}, awake || r.health !== "unknown" ? r.health : ""),
      h("td.num", {}, awake ? secs(r.uptime_secs) : ""), h("td.num", {}, awake ? (r.inflight ? "busy" : secs(r.idle_secs)) : ""),
      h("td.num", {}, r.memory_bytes === null ? "" : bytes(r.memory_bytes)), h("td.num", {}, count(r.requests)),
      h(r.restarts ? "td.num.warn" : "td.num", {}, count(r.restarts)), h("td.num", {}, r.weighted ? String(r.weight) : ""),
      h("td.why", { title: plain(r.reason) }, plain((r.limit ? r.limit + ": " : "") + r.reason)));
  }

  function key(event) {
    const page = Math.max(1, Math.floor(view.clientHeight / rowHeight) - 2);
    const move = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -matching, End: matching }[event.key];
    if (event.key === "Enter" && event.target === view && rows.get(chosen)) location.hash = "#/tenant/" + encodeURIComponent(rows.get(chosen).id);
    if (!move || !matching) return;
    event.preventDefault();
    chosen = Math.min(matching - 1, Math.max(0, chosen + move));
    const top = chosen * rowHeight, room = view.clientHeight - 2 * rowHeight; // the head is in the way
    if (top < view.scrollTop) view.scrollTop = top;
    else if (top > view.scrollTop + room) view.scrollTop = top - room;
    paint();
  }

  const stop = every(3000, async () => {
    const [first, last] = range();
    for (let at = first - first % part; at === 0 || at < last; at += part) await load(at);
  });
  const watch = new ResizeObserver(paint);
  watch.observe(view);
  return () => {
    turn++;
    stop();
    watch.disconnect();
  };
}

// later calls f when nothing has been typed for a moment.
function later(f) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(f, 150);
  };
}
