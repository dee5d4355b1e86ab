// A service's releases and rollout; its versions and their shares: weights, deploy, route.
import { h, put, say, badge, tenantLink, secs, every } from "./dom.js";
import { get, call, instance } from "./api.js";
import { ask } from "./dialog.js";
import { rollout } from "./rollout.js";

export function deploy(main, can) {
  let services = [], rows = [];
  const note = h("p.wrong", { role: "alert" });
  const service = h("select", { id: "service", onchange: () => { choose(service.value); refresh(); } });
  const apex = h("p.muted"), body = h("tbody");
  const version = h("input", { id: "version", name: "version", required: true, autocomplete: "off", spellcheck: "false", placeholder: "v42" });
  const weight = h("input", { id: "weight", name: "weight", type: "number", min: 0, max: 100, value: "100", required: true });
  const timeout = h("input", { id: "timeout", name: "timeout", type: "number", min: 1, max: 3600, value: "30", required: true });
  const from = h("select", { id: "from", required: true }), to = h("select", { id: "to", required: true });
  const off = can.admin ? null : h("p.muted.off", {}, can.act ? "To deploy takes an admin token." : "This token may only look.");
  const releases = rollout(can);

  put(main, h("h1.sr", {}, "Deploy"), note,
    h("div.tools", {}, h("label", { for: "service" }, "Service"), service, apex),
    releases.el,
    h("section", {}, h("h2", {}, "Versions that share the traffic"), h("div.scroll", { tabindex: "0", role: "region", "aria-label": "Versions" }, h("table", {}, h("thead", {}, h("tr", {}, ...["Version", "State", "Health", "Uptime", "Weight", "Share", ""].map((t) => h("th", { scope: "col" }, t || h("span.sr", {}, "Actions"))))), body))),
    off || h("div.columns.even", {},
      h("form.card", { onsubmit: doDeploy }, h("h2", {}, "Deploy a version"), h("p.muted", {}, "Wakes the version; once it is healthy, it gets its share."),
        field("Version, an instance id", version), field("Weight, 0 to 100", weight), field("Healthy within, seconds", timeout), h("button.primary", { type: "submit" }, "Deploy")),
      h("form.card", { onsubmit: doRoute }, h("h2", {}, "Route"), h("p.muted", {}, "Moves all traffic from one version to another."),
        field("From", from), field("To", to), h("button.primary", { type: "submit" }, "Route"))));

  function field(label, input) { return h("label", { for: input.id }, label, input); }

  let chosen = new URLSearchParams(location.hash.split("?")[1] || "").get("process") || "";
  function choose(name) {
    chosen = name;
    history.replaceState(null, "", "#/deploy?process=" + encodeURIComponent(name));
  }

  async function refresh() {
    try {
      services = ((await get("/api/overview")).services || []).filter((s) => s.configured);
      if (!services.some((s) => s.name === chosen) && services.length) choose(services.reduce((a, b) => (b.awake > a.awake ? b : a)).name);
      options(service, services.map((s) => s.name), chosen);
      const now = services.find((s) => s.name === chosen);
      say(apex, !now ? "No service is configured." : { weighted: chosen + "." + can.session.domain + " is shared by weight.", none: "apex = \u201cnone\u201d: " + chosen + "." + can.session.domain + " serves nobody, whatever the weights." }[now.apex] || chosen + "." + can.session.domain + " always serves " + now.apex + ".");
      rows = now ? (await get("/api/tenants", { process: chosen, weighted: true, sort: "-weight", limit: 200 })).tenants : [];
      table();
      await releases.refresh(now ? chosen : "");
      say(note, "");
    } catch (err) { say(note, err.message); }
  }

  function table() {
    const sum = rows.reduce((n, r) => n + r.weight, 0);
    if (body.contains(document.activeElement)) return; // a button that somebody is about to press stays
    put(body, ...rows.map((r) => {
      const share = sum ? 100 * r.weight / sum : 0;
      const meter = h("span.meter", { "aria-hidden": "true" }, h("span"));
      meter.firstChild.style.width = share + "%";
      return h("tr", {}, h("td", {}, tenantLink(r.id)), h("td", {}, badge(r.state)), h("td", {}, r.health), h("td", {}, r.uptime_secs ? secs(r.uptime_secs) : ""),
        h("td", {}, String(r.weight)), h("td", {}, meter, share.toFixed(0) + " %"),
        h("td", {}, can.admin && h("button", { type: "button", "aria-label": "Weigh " + r.id, onclick: () => weigh(r) }, "Weigh")));
    }));
    if (!rows.length) put(body, h("tr", {}, h("td.empty", { colspan: 7 }, "None yet: those that were spawned, deployed or listed take part.")));
    const names = rows.map((r) => r.id.split(":")[1]);
    options(from, names, from.value);
    options(to, names, to.value || names[1]);
  }

  // options keeps what is chosen, and the list when it is the same.
  function options(select, names, value) {
    if ([...select.options].map((o) => o.value).join() !== names.join()) put(select, ...names.map((n) => h("option", { value: n }, n)));
    if (names.includes(value)) select.value = value;
  }

  const weigh = (r) => ask({
    title: "Weigh " + r.id, text: "Its share of the requests, beside the other versions.", button: "Set",
    fields: [{ name: "weight", label: "Weight, 0 to 100", type: "number", min: 0, max: 100, step: 1, value: String(r.weight) }],
    act: async (v) => { await call("PUT", instance(r.id, "/weight"), { weight: Number(v.weight) }); document.activeElement?.blur(); refresh(); return r.id + " weighs " + v.weight; },
  });

  function doDeploy(event) {
    event.preventDefault();
    const name = version.value.trim(), want = Number(weight.value), within = Number(timeout.value);
    ask({
      title: "Deploy " + chosen + ":" + name + "?", text: "It is woken, and gets weight " + want + " once it is healthy, within " + within + " s. The other versions keep theirs.", button: "Deploy",
      act: async () => { const d = await call("POST", "/api/deploy", { process: chosen, version: name, weight: want, timeout: within }); refresh(); return d.instance + " is " + d.status + " with weight " + d.weight; },
    });
  }

  function doRoute(event) {
    event.preventDefault();
    const [a, b] = [from.value, to.value];
    ask({
      title: "Route " + chosen + ":" + a + " to " + b + "?", text: b + " gets all the traffic that " + a + " had.", button: "Route",
      act: async () => { const r = await call("POST", "/api/route", { process: chosen, from: a, to: b }); refresh(); return r.from_instance + " weighs " + r.from_weight + ", " + r.to_instance + " " + r.to_weight; },
    });
  }

  const stop = every(3000, refresh);
  return () => {
    stop();
    releases.end();
  };
}
