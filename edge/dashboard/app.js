// The dashboard: which page is shown, who is logged in, light or dark.
import { h, put, say } from "./dom.js";
import { get, login, logout, onEnd, onReach, Failure } from "./api.js";
import { redraw } from "./chart.js";
import { overview } from "./overview.js";
import { tenants } from "./tenants.js";
import { tenant } from "./tenant.js";
import { deploy } from "./deploy.js";

const pages = { overview, tenants, tenant, deploy };
const main = document.getElementById("main"), bar = document.getElementById("bar");
const lost = document.getElementById("lost");

let session = null; // who is logged in
let leave = null; // ends what the shown page has begun

// place reads the address: "#/tenant/notes%3Aalice" is page "tenant" with that argument.
function place() {
  const [name, argument] = location.hash.replace(/^#\/?/, "").split("?")[0].split("/");
  let text = "";
  try { text = decodeURIComponent(argument || ""); } catch { /* not one of ours: it names nobody */ }
  return { name: name || "overview", argument: text };
}

// can says what the session may do: a tenant's token may act on its own tenants.
const can = () => ({ act: !session.read_only, admin: session.scope === "admin" && !session.read_only, session });

function show() {
  if (!session) return;
  if (leave) leave();
  let { name, argument } = place();
  if (!pages[name]) name = "overview";
  for (const link of bar.querySelectorAll("a[data-page]")) {
    if (link.dataset.page === name || (name === "tenant" && link.dataset.page === "tenants")) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  put(main);
  document.title = (argument || name[0].toUpperCase() + name.slice(1)) + " \u2013 tenement";
  leave = pages[name](main, can(), argument) || null;
  window.scrollTo(0, 0);
}

function begin(who) {
  session = who;
  bar.hidden = false;
  bar.querySelector("a[data-page=deploy]").hidden = session.scope === "tenant";
  say(document.getElementById("who"), who.scope + (who.for ? " " + who.for : "") + (who.read_only ? ", read-only" : ""));
  show();
}

function ask(text) {
  if (leave) leave();
  [session, leave, bar.hidden] = [null, null, true];
  document.title = "Log in \u2013 tenement";
  const wrong = h("p.wrong", { role: "alert" }, text || "");
  const field = h("input", { type: "password", name: "token", id: "token", autocomplete: "current-password", required: true, spellcheck: "false" });
  const button = h("button.primary", { type: "submit" }, "Log in");
  const form = h("form.login", {
    onsubmit: async (event) => {
      event.preventDefault();
      button.disabled = true;
      try {
        begin(await login(field.value));
      } catch (err) {
        wrong.textContent = err.message;
        button.disabled = false;
        field.select();
      }
    },
  }, h("h1", {}, "tenement"), h("input", { type: "text", autocomplete: "username", value: "tenement", hidden: true, tabindex: "-1" }), h("label", { for: "token" }, "Token"), field, wrong, button,
  h("p.hint", {}, "An admin token, or one of a service or tenant. On the machine: ", h("code", {}, "ten token-gen"), "."));
  put(main, form);
  field.focus();
}

onEnd(() => session && ask("The session has ended: log in again."));
onReach((yes) => {
  lost.hidden = yes;
  if (!yes) say(lost, "The daemon does not answer. Asking again.");
});

document.getElementById("logout").addEventListener("click", async () => {
  await logout();
  ask();
});
document.getElementById("theme").addEventListener("click", () => {
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark" ||
    (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("tenement.theme", document.documentElement.dataset.theme);
  redraw();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
window.addEventListener("hashchange", show);
document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, select, textarea, dialog") || event.ctrlKey || event.metaKey || event.altKey || !session) return;
  if (event.key === "/") {
    event.preventDefault();
    const search = document.querySelector("input[type=search]");
    if (search) search.focus();
    else location.hash = "#/tenants";
  }
});

// begun finds out whether the cookie of an earlier visit still counts.
async function begun() {
  if (!localStorage.getItem("tenement.csrf")) return ask();
  try {
    begin(await get("/api/session"));
  } catch (err) {
    ask(err instanceof Failure && err.status === 401 ? "" : err.message);
  }
}
begun();
