// One tenant: what it does and why, what it takes, what it says.
import { h, put, say, badge, plain, bytes, secs, count, percent, moment, every } from "./dom.js";
import { get, call, instance, follow } from "./api.js";
import { chart, powers, Series, Rate } from "./chart.js";
import { ask } from "./dialog.js";
import { log } from "./log.js";

// What was measured of whom, of those looked at last. A line does not cross a
// minute without a look: the tenant slept, or nobody looked.
const kept = new Map(), gap = 70;
function measured(id) {
  if (!kept.has(id)) kept.set(id, { cpu: new Series(1, gap), memory: new Series(1, gap), requests: new Series(1, gap) });
  if (kept.size > 20) kept.delete(kept.keys().next().value);
  return kept.get(id);
}

export function tenant(main, can, id) {
  const [service, name] = id.split(":");
  if (!service || !name) {
    put(main, h("p.wrong", { role: "alert" }, "No tenant is called \u201c" + plain(id) + "\u201d: names are SERVICE:ID."));
    return null;
  }
  const state = h("span"), health = h("span.muted"), facts = h("dl.facts"), reason = h("p.reason"), note = h("p.wrong", { role: "alert" });
  const charts = {
    cpu: chart("CPU", [{ label: "CPU", fill: true }], percent, { least: 5, height: 130, span: 120 }),
    memory: chart("Memory", [{ label: "memory", fill: true, ink: 2 }], bytes, { least: 1 << 20, height: 130, span: 120, steps: powers }),
    requests: chart("Requests a second", [{ label: "requests/s", fill: true, ink: 3 }], (n) => (n < 10 ? n.toFixed(1) : count(Math.round(n))), { least: 1, height: 130, span: 120 }),
  };
  const timeline = h("ol.events", {});
  const buttons = h("div.buttons", {}), output = log(service, name);
  let now = null, storage = "";

  put(main,
    h("div.head", {}, h("h1", {}, id), state, health, h("span.grow"), buttons), note,
    h("section.why", { "aria-label": "Why" }, reason, facts),
    h("div.charts.three", {}, ...Object.values(charts).map((c) => c.el)),
    h("div.columns.log-first", {}, output.el, h("section", {}, h("h2", {}, "Timeline"), h("div.scroll.tall", { tabindex: "0", role: "region", "aria-label": "Timeline" }, timeline))));

  const numbers = measured(id), cpuRate = new Rate(), requestRate = new Rate();
  let ahead = 0; // how far the daemon's clock is ahead of ours, in ms: its points and ours are on one line
  const past = get(instance(id, "/history")).then((had) => {
    const times = had.times.map((ms) => ms / 1000);
    ahead = had.now - Date.now();
    numbers.cpu.seed(times, had.cpu_percent);
    numbers.memory.seed(times, had.memory_bytes);
    numbers.requests.seed(times, had.requests_per_sec);
  }, () => {}); // what comes from now on is shown all the same
  const stop = every(2000, async () => {
    try {
      await past;
      const [why, table] = await Promise.all([get(instance(id, "/why")), get("/api/tenants", { process: service, id: name })]);
      show(why, table.tenants[0]);
      say(note, "");
    } catch (err) { say(note, err.message); }
  });
  get(instance(id, "/storage")).then((s) => { storage = bytes(s.used_bytes) + (s.quota_bytes ? " of " + bytes(s.quota_bytes) + (s.enforced ? ", enforced" : "") : ""); }, () => {});

  function show(why, row) {
    now = why;
    if (state.dataset.shown !== why.state) {
      put(state, badge(why.state));
      state.dataset.shown = why.state;
    }
    say(health, why.pid ? why.health + (why.limit ? ", ran into " + why.limit : "") : "");
    say(reason, [plain(why.reason), ...why.holds.map(plain), why.next && "Next: " + plain(why.next)].filter(Boolean).map((s) => s.replace(/\.?$/, ".")).join(" "));
    const rows = [
      ["In this state for", why.since ? secs(why.since_secs) : "\u2013"], ["Uptime", why.pid ? secs(why.uptime_secs) : "\u2013"], ["Idle", why.pid ? secs(why.idle_secs) : "\u2013"],
      ["In progress", count(why.inflight)], ["Requests", count(why.requests)], ["Restarts", count(why.restarts)], ["Weight", String(why.weight)],
      ["Process", why.pid ? why.pid + ", generation " + why.generation : "\u2013"], ["Listens on", plain(why.listen) || "\u2013"], ["Storage", storage || "\u2013"],
    ];
    if (facts.children.length !== rows.length) put(facts, ...rows.map(([label]) => h("div", {}, h("dt", {}, label), h("dd"))));
    rows.forEach(([, value], i) => say(facts.children[i].lastChild, value));
    actions(why);
    if (!row) return;
    const at = Date.now() + ahead;
    const cpu = cpuRate.next(row.cpu_secs, at / 1000), requests = requestRate.next(row.requests, at / 1000);
    numbers.memory.add(at, row.memory_bytes);
    if (cpu !== null || row.cpu_secs === null) numbers.cpu.add(at, cpu === null ? null : 100 * cpu); // no rate: the first look, or it sleeps
    if (requests !== null) numbers.requests.add(at, requests);
    for (const name of Object.keys(charts)) numbers[name].show(charts[name]);
  }

  // actions shows the buttons that mean something in this state.
  function actions(why) {
    const awake = why.pid !== 0, held = why.state === "held", shown = can.act + why.state + awake;
    if (buttons.dataset.shown === shown || !can.act) return;
    buttons.dataset.shown = shown;
    const had = document.activeElement && buttons.contains(document.activeElement) ? document.activeElement.textContent : "";
    put(buttons,
      awake ? null : button("Wake", "Wake " + id + "?", "It is started and stays awake until it is idle.", () => call("POST", "/api/instances/spawn", { process: service, id: name }), "is awake"),
      awake ? button("Stop", "Stop " + id + "?", "Requests in progress are finished first. The next request wakes it again.", () => call("DELETE", instance(id)), "was stopped", true) : null,
      button("Restart", "Restart " + id + "?", awake ? "Requests in progress are finished first; new ones wait for the new process." : "It is started, whatever kept it down.", () => call("POST", instance(id, "/restart")), "was restarted", awake),
      held ? button("Unhold", "Let " + id + " wake again?", "The next request wakes it.", () => call("POST", instance(id, "/unhold")), "may wake again")
        : button("Hold", "Hold " + id + " asleep?", "It is stopped, and no request wakes it until unhold, wake or restart: visitors get 503.", () => call("POST", instance(id, "/hold")), "is held", true),
      h("button", { type: "button", onclick: weigh }, "Weigh"),
      h("a.button", { href: address(), target: "_blank", rel: "noopener noreferrer" }, "Open"));
    if (had) [...buttons.children].find((b) => b.textContent === had)?.focus();
  }

  const button = (label, title, text, act, done, danger) => h("button", { type: "button", onclick: () => ask({ title, text, button: label, danger, act: async () => { await act(); return id + " " + done; } }) }, label);

  const weigh = () => ask({
    title: "Weigh " + id, text: "Its share of the requests to " + service + "." + can.session.domain + ", beside the other tenants that take part.", button: "Set",
    fields: [{ name: "weight", label: "Weight, 0 to 100", type: "number", min: 0, max: 100, step: 1, value: String(now.weight) }],
    act: async ({ weight }) => { await call("PUT", instance(id, "/weight"), { weight: Number(weight) }); return id + " weighs " + weight; },
  });

  const address = () => location.protocol + "//" + name + "." + service + "." + can.session.domain + (location.port ? ":" + location.port : "") + "/";

  let newest = 0;
  const end = follow("/api/events/stream", { process: service, id: name }, {
    opened: async () => {
      const list = await get("/api/events", { process: service, id: name, limit: 200 }).catch(() => []);
      list.forEach(event);
      if (!timeline.children.length) timeline.append(h("li.muted", {}, "Nothing has happened since the daemon started."));
    },
    item: event,
  });
  function event(e) {
    if (e.number <= newest) return;
    if (newest === 0) put(timeline);
    newest = e.number;
    timeline.prepend(h("li", {}, h("time", {}, moment(e.timestamp)), badge(e.to), h("span.why", {}, e.event + (e.reason ? ": " + plain(e.reason) : ""))));
    while (timeline.children.length > 300) timeline.lastChild.remove();
  }

  return () => {
    stop();
    end();
    output.end();
    Object.values(charts).forEach((c) => c.end());
  };
}
