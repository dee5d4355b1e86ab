// The front page: who is awake, what the server has left, how fast tenants wake.
import { h, put, say, badge, tenantLink, plain, bytes, count, millis, percent, clock, every } from "./dom.js";
import { get, follow } from "./api.js";
import { chart, powers, Series, Rate } from "./chart.js";

// What was measured stays when another page is looked at in between.
const memory = new Series(2), cpu = new Series(2);
const serverCPU = new Rate(), tenantCPU = new Rate();

function tile(label) {
  const value = h("dd"), more = h("dd.more");
  return { el: h("div.tile", {}, h("dt", {}, label), value, more), set: (v, m, mood) => { say(value, v); say(more, m || ""); value.dataset.mood = mood || ""; } };
}

export function overview(main, can) {
  const tiles = { awake: tile("Awake"), asleep: tile("Asleep"), failed: tile("Failed"), memory: tile("Memory"), cpu: tile("CPU"), wakes: tile("Wakes, last hour"), wake: tile("Wake time, last hour") };
  const charts = {
    memory: chart("Memory", [{ label: "server", fill: true }, { label: "tenants" }], bytes, { least: 1 << 20, span: 300, steps: powers }),
    cpu: chart("CPU", [{ label: "server", fill: true }, { label: "tenants" }], percent, { least: 10, span: 300 }),
    wakes: chart("Wakes an hour, last 24 h", [{ label: "wakes", bars: true }], (n) => count(Math.round(n)), { least: 5, history: true }),
    wake: chart("Wake time, last 24 h", [{ label: "p50" }, { label: "p99", ink: 3 }], millis, { least: 5, history: true }),
  };
  const services = h("tbody"), news = h("ol.events");
  const whole = can.session.scope !== "tenant", server = can.session.scope === "admin";
  const note = h("p.wrong", { role: "alert" });
  put(main,
    h("h1.sr", {}, "Overview"), note,
    h("dl.tiles", {}, tiles.awake.el, tiles.asleep.el, tiles.failed.el, server && tiles.memory.el, server && tiles.cpu.el, whole && tiles.wakes.el, whole && tiles.wake.el),
    h("div.charts", {}, charts.memory.el, charts.cpu.el, whole && charts.wakes.el, whole && charts.wake.el),
    h("div.columns", {},
      h("section", {}, h("h2", {}, "Services"), h("div.scroll", { tabindex: "0", role: "region", "aria-label": "Services" }, h("table", {}, h("thead", {}, h("tr", {}, ...["Service", "Registered", "Awake", "Failed", "Apex"].map((t, i) => h(i && i < 4 ? "th.num" : "th", { scope: "col" }, t)))), services))),
      h("section", {}, h("h2", {}, "Latest events"), news)));

  if (server) {
    get("/api/history").then((past) => {
      const times = past.times.map((ms) => ms / 1000);
      memory.seed(times, past.memory_bytes, past.tenants_memory_bytes);
      cpu.seed(times, past.cpu_percent, past.tenants_cpu_percent);
    }, () => {}); // what comes from now on is shown all the same
  }
  const stop = every(3000, async () => {
    try {
      show(await get("/api/overview"));
      say(note, "");
    } catch (err) { say(note, err.message); }
  });

  function show(o) {
    const { states, server: s, wakes: w } = o, down = (states.failed || 0) + (states.backoff || 0);
    tiles.awake.set(count(o.awake), count(o.inflight) + " requests in progress");
    tiles.asleep.set(count(states.asleep || 0), count(o.registered) + " registered" + (states.held ? ", " + count(states.held) + " held" : ""));
    tiles.failed.set(count(states.failed || 0), states.backoff ? count(states.backoff) + " waiting to restart" : "", down ? "bad" : "");
    const tenants = tenantCPU.next(o.cpu_secs, o.now / 1000);
    const busy = s && serverCPU.next(s.cpu_busy_secs, s.cpu_total_secs);
    if (s) {
      const used = s.memory_total_bytes - s.memory_available_bytes, share = 100 * used / s.memory_total_bytes;
      tiles.memory.set(bytes(used), percent(share) + " of " + bytes(s.memory_total_bytes) + "; tenants " + bytes(o.memory_bytes), share > 90 ? "warn" : "");
      tiles.cpu.set(busy === null ? "\u2013" : percent(100 * busy), s.cpus + " CPUs, load " + s.load1.toFixed(2), busy > 0.9 ? "warn" : "");
      memory.add(o.now, used, o.memory_bytes);
      if (busy !== null) cpu.add(o.now, 100 * busy, tenants === null ? null : 100 * tenants / s.cpus);
    } else {
      memory.add(o.now, null, o.memory_bytes);
      if (tenants !== null) cpu.add(o.now, null, 100 * tenants);
    }
    memory.show(charts.memory);
    cpu.show(charts.cpu);
    if (w) day(w);
    put(services, ...(o.services || []).map((x) => h("tr", {},
      h("th", { scope: "row" }, h("a", { href: "#/tenants?process=" + encodeURIComponent(x.name) }, x.name), x.configured || !whole ? null : h("small", {}, " not in tenement.toml")),
      h("td.num", {}, count(x.registered)), h("td.num", {}, count(x.awake)), h(x.failed ? "td.num.bad" : "td.num", {}, count(x.failed)), h("td", {}, x.apex || "\u2013"))));
  }

  function day(w) {
    const hour = Math.round(3600 / w.step_secs), times = w.counts.map((_, i) => w.start / 1000 + i * w.step_secs);
    const hourly = times.filter((_, i) => i % hour === 0);
    charts.wakes.set(hourly, hourly.map((_, i) => w.counts.slice(i * hour, (i + 1) * hour).reduce((a, b) => a + b, 0)));
    const known = (list) => list.map((v, i) => (w.counts[i] ? v : null));
    charts.wake.set(times, known(w.p50_ms), known(w.p99_ms));
    tiles.wakes.set(count(w.hour), "");
    tiles.wake.set(millis(w.hour_p50_ms), "median; p99 " + millis(w.hour_p99_ms));
  }

  const seen = new Set();
  const end = follow("/api/events/stream", {}, {
    opened: async () => {
      const list = await get("/api/events", { limit: 14 }).catch(() => []);
      put(news);
      seen.clear();
      list.forEach(event);
    },
    item: event,
  });
  function event(e) {
    if (seen.has(e.number)) return;
    seen.add(e.number);
    news.prepend(h("li", {}, h("time", {}, clock(e.timestamp)), tenantLink(e.instance), badge(e.to), h("span.why", { title: plain(e.reason) }, e.event + (e.reason ? ": " + plain(e.reason) : ""))));
    while (news.children.length > 14) news.lastChild.remove();
    if (seen.size > 2000) seen.clear();
  }

  return () => {
    stop();
    end();
    Object.values(charts).forEach((c) => c.end());
  };
}
