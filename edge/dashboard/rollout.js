// The releases of a service, who is at which, and its newest rollout as it goes on.
import { h, put, say, plain, secs, count, moment } from "./dom.js";
import { get, call, follow } from "./api.js";
import { ask } from "./dialog.js";

// The colour of each state, by that of a tenant's.
const moods = { running: "starting", "rolling back": "failed", done: "running", "rolled back": "failed" };
const active = (r) => r && !r.ended;

export function rollout(can) {
  let service = "", releases = [], newest = null, stop = null;
  const body = h("tbody"), state = h("span"), phase = h("p.reason"), reason = h("p.reason.bad"), facts = h("dl.facts"), buttons = h("div.buttons"), fill = h("span");
  const progress = h("div.meter.wide", { role: "progressbar", "aria-label": "Tenants at the release", "aria-valuemin": "0", "aria-valuemax": "100" }, fill);
  const live = h("div", { hidden: true }, h("div.tools", {}, state, h("span.grow"), buttons), progress, phase, reason, facts);
  const none = h("p.muted", {}, "No rollout yet.");
  const el = h("div.columns", {},
    h("section", {}, h("h2", {}, "Releases"), h("div.scroll", { tabindex: "0", role: "region", "aria-label": "Releases" },
      h("table", {}, h("thead", {}, h("tr", {}, ...["Release", "Tenants", "Awake", "Share", ""].map((t, i) => h(i === 1 || i === 2 ? "th.num" : "th", { scope: "col" }, t || h("span.sr", {}, "Actions"))))), body))),
    h("section", { "aria-label": "Rollout" }, h("h2", {}, "Rollout"), none, live));

  // refresh shows a service, another one or the same.
  async function refresh(name) {
    if (name !== service) {
      unfollow();
      [service, newest] = [name, null];
    }
    const [list, rollouts] = name ? await Promise.all([get("/api/releases", { process: name }), get("/api/rollouts", { process: name })]) : [[], []];
    if (name !== service) return;
    releases = list;
    show(rollouts[0] || null);
  }

  function show(r) {
    newest = r;
    if (active(r) && !stop) stop = follow("/api/rollouts/stream", { process: service }, { item: news });
    if (!active(r)) unfollow();
    table();
    none.hidden = Boolean(r);
    live.hidden = !r;
    if (!r) return;
    if (state.dataset.shown !== r.state) put(state, h("span.state", { "data-state": moods[r.state] || "" }, r.state), " ");
    state.dataset.shown = r.state;
    const share = r.tenants ? 100 * r.moved / r.tenants : 0;
    fill.style.width = share + "%";
    progress.setAttribute("aria-valuenow", share.toFixed(0));
    say(phase, told(r));
    say(reason, r.reason ? "It stopped: " + plain(r.reason).replace(/\.?$/, ".") : "");
    const rows = [
      ["From", r.from], ["To", r.to], ["At " + r.to, count(r.moved) + " of " + count(r.tenants)], ["To be replaced", count(r.left)], ["Failed", count(r.failed)],
      [r.canary ? "Canary" : "First batch", count(r.first)], ["Batch", count(r.batch)], ["Began", moment(r.started)], ["Took", secs(Math.max(0, (r.ended || Date.now()) - r.started) / 1000)],
    ];
    if (facts.children.length !== rows.length) put(facts, ...rows.map(() => h("div", {}, h("dt"), h("dd"))));
    rows.forEach(([label, value], i) => { say(facts.children[i].firstChild, label); say(facts.children[i].lastChild, value); });
    facts.children[4].lastChild.dataset.mood = r.failed ? "bad" : "";
    choices(r);
  }

  // news is the rollout as the stream has it; the table is the page's to ask for,
  // and for the last time when the rollout has ended.
  function news(r) {
    if (r.process !== service) return;
    show(r);
    if (!active(r)) refresh(service).catch(() => {}); // the page asks again, and says what is wrong
  }

  function told(r) {
    const first = r.canary ? "The canary" : "The first batch", batches = Math.ceil(r.left / r.batch);
    switch (r.state) {
      case "running":
        return r.proved ? r.to + " has proved itself. Who sleeps wakes at it; who is awake is moved " + count(r.batch) + " at a time" + (batches ? ": " + count(batches) + (batches > 1 ? " batches" : " batch") + " to go." : ".")
          : first + " tries " + r.to + ": " + count(r.first) + (r.first > 1 ? " tenants" : " tenant") + ". Nobody else is moved before that is well.";
      case "rolling back": return "Everybody that it moved goes back to where they were.";
      case "done": return "Every tenant is at " + r.to + ", or will be when it wakes.";
      case "rolled back": return "Everybody is back where they were. What hooks have done is not undone.";
    }
    return "";
  }

  function choices(r) {
    const back = !active(r) && r.state === "done" && releases.some((x) => x.release === r.from && x.configured) && r.from !== r.to;
    const shown = can.admin ? (r.state === "running" ? "abort" : back ? "back " + r.from : "") : "";
    if (buttons.dataset.shown === shown) return;
    buttons.dataset.shown = shown;
    put(buttons, shown === "abort" && h("button.danger", { type: "button", onclick: () => abort(newest) }, "Abort"),
      back && can.admin && h("button", { type: "button", onclick: () => begin(r.from) }, "Move back to " + r.from));
  }

  function table() {
    const sum = releases.reduce((n, r) => n + r.tenants, 0), open = can.admin && !active(newest);
    const shown = JSON.stringify([service, releases, open]);
    if (body.dataset.shown === shown) return;
    body.dataset.shown = shown;
    const had = body.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
    put(body, ...releases.map((r) => {
      const share = sum ? 100 * r.tenants / sum : 0, meter = h("span.meter", { "aria-hidden": "true" }, h("span"));
      meter.firstChild.style.width = share + "%";
      const notes = [r.current && "new tenants begin here", !r.configured && "not in tenement.toml", r.leaving && count(r.leaving) + " leave it at their next start"].filter(Boolean).join(", ");
      return h("tr", {}, h("th", { scope: "row" }, h("span.id", {}, r.release), notes && h("small.note", {}, notes)), h("td.num", {}, count(r.tenants)), h("td.num", {}, count(r.awake)), h("td", {}, meter, share.toFixed(0) + " %"),
        h("td", {}, open && r.configured && !(r.current && r.tenants === sum) && h("button", { type: "button", "aria-label": "Roll out " + r.release, onclick: () => begin(r.release) }, "Roll out")));
    }));
    if (releases.length === 1) body.append(h("tr", {}, h("td.empty", { colspan: 5 }, "A release is a block [service." + service + ".release.NAME] in tenement.toml, to which all tenants can be moved.")));
    if (had) [...body.querySelectorAll("button")].find((b) => b.getAttribute("aria-label") === had)?.focus();
  }

  const begin = (to) => ask({
    title: "Move all tenants of " + service + " to " + to + "?", button: "Roll out",
    text: "Who sleeps wakes at it; who is awake is moved batch by batch, while requests wait. What does not become healthy is moved back by itself; what hooks have done is not undone.",
    fields: [
      { name: "canary", label: "Canary, percent of the tenants that come first and are watched (0: the first batch)", type: "number", min: 0, max: 100, step: "any", value: "0" },
      { name: "batch", label: "Batch, of those awake at a time", type: "number", min: 1, max: 10000, step: 1, value: "10" },
      { name: "timeout", label: "Healthy within, seconds", type: "number", min: 1, max: 3600, step: 1, value: "30" },
    ],
    act: async (v) => {
      const of = service;
      const begun = await call("POST", "/api/rollouts", { process: of, to, canary: Number(v.canary), batch: Number(v.batch), timeout: Number(v.timeout) });
      if (of === service) show(begun);
      return "The rollout of " + of + " to " + to + " has begun";
    },
  });

  const abort = (r) => ask({
    title: "Abort the rollout of " + r.process + " to " + r.to + "?", button: "Abort", danger: true,
    text: "Everybody that it moved goes back to where they were; what hooks have done is not undone.",
    act: async () => { await call("POST", "/api/rollouts/abort", { process: r.process }); return "The rollout of " + r.process + " is moved back"; },
  });

  function unfollow() {
    if (stop) stop();
    stop = null;
  }

  return { el, refresh, end: unfollow };
}
