// The dashboard in headless Chromium: every page, every action, hostile texts,
// accessibility. Figures are printed; nothing passes or fails on speed.
import { chromium } from "playwright-core";
import axe from "axe-core";
import fs from "node:fs";
import path from "node:path";
import { Daemon } from "./daemon.mjs";

const { TEN: ten, WORK: work, SCREENSHOTS: shots, CHROMIUM: program = "/usr/bin/chromium" } = process.env;
const only = process.env.ONLY; // a part of a check's name
const patience = 60000;
const hostile = `<img src=x onerror="window.pwned='img'"><script>window.pwned='script'</script>"'>`;
const args = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--force-color-profile=srgb"];

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));

let failed = 0;
const checks = [];
const check = (name, f) => checks.push([name, f]);
function must(what, is) { if (!is) throw new Error(what); }
function same(what, got, want) { must(`${what}: got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`, JSON.stringify(got) === JSON.stringify(want)); }
async function eventually(what, f) {
  let last;
  for (const end = Date.now() + patience; Date.now() < end; await new Promise((r) => setTimeout(r, 100))) {
    try { if (await f()) return; last = undefined; } catch (err) { last = err; }
  }
  throw new Error("it does not come: " + what + (last ? ": " + last.message : ""));
}

const daemon = await Daemon.start({ ten, work });
const browser = await chromium.launch({ executablePath: program, args });

// visitor opens a page that watches itself: an error on the console, a request to
// elsewhere or a text that ran as script fails the check. minds is what is expected.
const opened = [];
async function visitor({ at = daemon, token = at.token, where = "#/", minds = null, home = "/", ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: "reduce", colorScheme: "light", ...options });
  const page = await context.newPage(), wrong = [];
  page.setDefaultTimeout(patience);
  const url = `http://tenement.localhost:${at.port}`;
  page.on("console", (m) => { if (["error", "warning"].includes(m.type()) && !m.text().includes("willReadFrequently") && !(minds && minds.test(m.text()))) wrong.push("console: " + m.text()); });
  page.on("pageerror", (err) => wrong.push("error: " + err.message));
  page.on("request", (r) => { if (!r.url().startsWith(url + "/")) wrong.push("a request to elsewhere: " + r.url()); });
  const v = { page, context, url, wrong, home };
  opened.push(v);
  await page.goto(url + home + where);
  if (token) await enter(v, token);
  return v;
}
async function enter({ page }, token) {
  await page.fill("#token", token);
  await page.click("form.login button");
  await page.waitForSelector("#bar:not([hidden])");
}
async function leaves(v) {
  const pwned = await v.page.evaluate(() => window.pwned);
  if (pwned) v.wrong.push("a text ran as script: " + pwned);
  await v.context.close();
  must(v.wrong.join("\n"), v.wrong.length === 0);
}
const text = (page, selector) => page.locator(selector).innerText();
const why = (id) => daemon.api("GET", `/api/instances/${id}/why`);
const go = (page, hash) => page.evaluate((h) => { location.hash = h; }, hash);
async function confirm(page, name) {
  await page.click(`.head .buttons button:text-is("${name}")`);
  await page.click("dialog button[type=submit]");
  await page.waitForSelector("dialog", { state: "detached" });
}
// ink counts the pixels of a chart that were drawn on.
const ink = (page, title) => page.evaluate((t) => {
  const canvas = document.querySelector(`figure[aria-label="${t}"] canvas`);
  if (!canvas || !canvas.width) return 0;
  return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.filter((v, i) => i % 4 === 3 && v > 0).length;
}, title);

check("login: a wrong token, a right one, what the cookie is, logout", async () => {
  const v = await visitor({ token: null, minds: /status of 401/ }), { page, context } = v;
  await page.fill("#token", "ten_wrong");
  await page.click("form.login button");
  await eventually("the refusal", async () => (await text(page, ".login .wrong")).includes("unknown or expired token"));
  await enter(v, daemon.token);
  const cookies = await context.cookies([v.url + "/api/session"]);
  same("cookies", cookies.map(({ name, domain, path: p, httpOnly, sameSite, secure }) => ({ name, domain, path: p, httpOnly, sameSite, secure })),
    [{ name: "tenement_session", domain: "tenement.localhost", path: "/api", httpOnly: true, sameSite: "Strict", secure: false }]);
  same("what a script sees of the cookie", await page.evaluate(() => document.cookie), "");
  must("the token is kept in the page's storage", !(await page.evaluate((t) => JSON.stringify({ ...localStorage, ...sessionStorage }).includes(t), daemon.token)));
  await page.reload();
  await page.waitForSelector(".tiles");
  const another = await context.newPage();
  await another.goto(v.url + "/");
  await another.waitForSelector(".tiles");
  await another.close();
  same("the cookie without its secret", await page.evaluate(async () => (await fetch("/api/instances")).status), 401);
  await page.click("#logout");
  await page.waitForSelector("form.login");
  same("the session after logout", (await daemon.raw("GET", "/api/session", undefined, { cookie: "tenement_session=" + cookies[0].value })).status, 401);
  await leaves(v);
});

check("overview: figures, charts, live events", async () => {
  const v = await visitor(), { page } = v;
  const o = await daemon.api("GET", "/api/overview");
  await eventually("the figures", async () => {
    const [awake, asleep, down] = await page.locator(".tile dd:not(.more)").allInnerTexts();
    return awake === String(o.awake) && asleep === o.states.asleep.toLocaleString("en") && down === "1";
  });
  await eventually("a CPU figure", async () => /\d %/.test(await page.locator(".tile", { hasText: "CPU" }).innerText()));
  for (const title of ["Memory", "CPU", "Wakes an hour, last 24 h", "Wake time, last 24 h"]) await eventually("ink in " + title, async () => (await ink(page, title)) > 500);
  const before = await ink(page, "Memory"), minutes = Array.from({ length: 240 }, (_, i) => Date.now() - (240 - i) * 60000), flat = (n) => minutes.map(() => n);
  await page.route("**/api/history", (r) => r.fulfill({ json: { times: minutes, memory_bytes: flat(4e9), tenants_memory_bytes: flat(1e9), cpu_percent: flat(50), tenants_cpu_percent: flat(9) } }));
  await page.reload();
  await eventually("the last hours in the charts", async () => (await ink(page, "Memory")) > 1.5 * before);
  same("services", await page.locator("tbody th").allInnerTexts(), ["broken", "notes", "shop"]);
  await daemon.api("POST", "/api/instances/notes:bob/restart");
  await eventually("the restart among the events", async () => /notes:bob[\s\S]*running/.test(await page.locator(".events li", { hasText: "notes:bob" }).first().innerText()));
  await leaves(v);
});

check("tenants: 5000 rows scroll, are searched, sorted, filtered, and walked by keyboard", async () => {
  const v = await visitor({ where: "#/tenants" }), { page } = v;
  await eventually("the number of tenants", async () => (await text(page, ".total")) === `${(await daemon.api("GET", "/api/tenants?limit=1")).total.toLocaleString("en")} tenants`);
  await page.waitForSelector("tbody a.id");
  const figures = await page.evaluate(async () => {
    const long = [], frames = [];
    new PerformanceObserver((list) => list.getEntries().forEach((e) => long.push(Math.round(e.duration)))).observe({ type: "longtask" });
    const view = document.querySelector(".view");
    let before = performance.now(), most = 0;
    for (let top = 0; top < view.scrollHeight; top += 900) {
      view.scrollTop = top;
      await new Promise(requestAnimationFrame);
      const now = performance.now();
      frames.push(now - before);
      before = now;
      most = Math.max(most, view.querySelectorAll("tbody tr").length);
    }
    view.scrollTop = view.scrollHeight;
    frames.sort((a, b) => a - b);
    return { frames: frames.length, median_ms: Math.round(frames[frames.length >> 1]), p99_ms: Math.round(frames[Math.floor(frames.length * 0.99)]), long_tasks: long.length, longest_ms: Math.max(0, ...long), rows: most };
  });
  console.log("      scrolling past all rows: " + JSON.stringify(figures));
  must("the whole table is in the page: " + figures.rows + " rows", figures.rows < 150);
  await eventually("the last row", async () => (await page.locator("tbody tr:not(.gap) a.id").last().innerText()) === "shop:v1");

  await page.keyboard.press("/");
  same("what / leads to", await page.evaluate(() => document.activeElement.type), "search");
  await page.keyboard.type("T4242");
  await eventually("the one that was searched for", async () => (await page.locator("tbody a.id").allInnerTexts()).join() === "notes:t4242");
  must("the search is not in the address", page.url().includes("search=T4242"));
  await page.reload();
  await eventually("the search after a reload", async () => (await page.locator("tbody a.id").allInnerTexts()).join() === "notes:t4242");
  await page.fill("input[type=search]", "");
  await page.selectOption(".tools select", "failed");
  await eventually("the failed one", async () => (await page.locator("tbody a.id").allInnerTexts()).join() === "broken:one");
  await page.fill("input[type=search]", "nobody at all");
  await eventually("a word about nothing", async () => (await text(page, "td.empty")) === "No tenant matches.");
  await page.fill("input[type=search]", "");
  await page.selectOption(".tools select", "");
  await page.click("button.sort:text-is('Requests')");
  await eventually("the busiest first", async () => (await page.locator("tbody a.id").first().innerText()) === "notes:alice");
  same("aria-sort", await page.locator("th[aria-sort]").evaluateAll((l) => l.map((e) => e.textContent + " " + e.ariaSort)), ["Requests descending"]);
  await page.click("button.sort:text-is('Tenant')");
  await eventually("by name again", async () => (await page.locator("tbody a.id").first().innerText()) === "broken:one");
  await page.focus(".view");
  for (let i = 0; i < 2; i++) await page.keyboard.press("ArrowDown");
  await page.keyboard.press("End");
  await eventually("the end by keyboard", async () => (await page.locator("tr[aria-selected] a.id").allInnerTexts()).join() === "shop:v1");
  await page.keyboard.press("Home");
  await page.keyboard.press("ArrowDown");
  await eventually("a row chosen", async () => (await page.locator("tr[aria-selected] a.id").allInnerTexts()).join() === "notes:alice");
  await page.keyboard.press("Enter");
  await eventually("its page", async () => (await text(page, "h1")) === "notes:alice");
  await leaves(v);
});

check("a tenant: reason, charts, live log with search and pause, hostile lines", async () => {
  const v = await visitor({ where: "#/tenant/notes%3Aalice" }), { page } = v;
  await eventually("what is next", async () => /Next: it sleeps in .*idle_timeout/.test(await text(page, ".reason")));
  await eventually("hostile lines, as text", async () => {
    const log = await text(page, ".lines");
    return ["<script>window.pwned='script'</script>", `<img src=x onerror="window.pwned='img'">`, `"><svg onload=window.pwned='svg'>`, "red \u2407bell \u27e8U+202E\u27e9txt.exe", "</p></div><iframe src=//evil.example>"].every((line) => log.includes(line));
  });
  same("elements out of log lines", await page.locator(".lines :is(script, img, svg, iframe)").count(), 0);
  must("stderr is not marked", (await page.locator('.lines p[data-level="stderr"]').innerText()).includes("a line on stderr"));

  await daemon.visit("notes:alice", "/log?text=live");
  await eventually("a line as it is written", async () => /live \d+$/.test((await text(page, ".lines")).trim()));
  await page.click("button:text-is('Pause')");
  await daemon.visit("notes:alice", "/log?text=waiting&lines=3");
  await eventually("the number of lines that wait", async () => (await text(page, ".log .tools [role=status]")) === "3 new lines");
  must("a line came in spite of the pause", !(await text(page, ".lines")).includes("waiting"));
  await page.click("button:text-is('Resume')");
  await eventually("the lines that waited", async () => (await page.locator(".lines p", { hasText: "waiting" }).count()) === 3);
  await page.fill(".log input[type=search]", "waiting");
  await eventually("the lines that were searched for", async () => (await page.locator(".lines p").count()) === 3);
  await daemon.visit("notes:alice", "/log?text=other");
  await daemon.visit("notes:alice", "/log?text=waiting+more");
  await eventually("a new one that matches", async () => (await page.locator(".lines p").count()) === 4);
  await page.fill(".log input[type=search]", "");
  await page.selectOption(".log select", "stderr");
  await eventually("stderr alone", async () => (await page.locator(".lines p").allInnerTexts()).every((l) => l.includes("stderr")));

  await page.selectOption(".log select", "");
  for (let i = 0; i < 10; i++) await daemon.visit("notes:alice", "/log?lines=2000&text=flood");
  // A follower that is too slow is told how many lines it lost, so not all of them need come.
  await eventually("a flood", async () => (await page.locator(".lines p", { hasText: "flood" }).count()) > 0);
  await daemon.visit("notes:alice", "/log?text=after");
  await eventually("what comes after a flood", async () => /after \d+$/.test((await text(page, ".lines")).trim()));
  must("the page keeps every line of a flood", (await page.locator(".lines p").count()) <= 2000);
  for (let i = 0; i < 5; i++) await daemon.visit("notes:alice", "/?burn=100");
  for (const title of ["CPU", "Memory", "Requests a second"]) await eventually("ink in " + title, async () => (await ink(page, title)) > 500);
  await eventually("points that the daemon has kept", async () => (await daemon.api("GET", "/api/instances/notes:alice/history")).times.length > 0);
  const minutes = Array.from({ length: 110 }, (_, i) => Date.now() - (112 - i) * 30000);
  await page.route("**/api/instances/*/history", (r) => r.fulfill({ json: { now: Date.now(), step_secs: 30, times: minutes, cpu_percent: minutes.map(() => 40), memory_bytes: minutes.map(() => 90e6), requests_per_sec: minutes.map(() => 3) } }));
  await page.reload();
  for (const title of ["CPU", "Memory", "Requests a second"]) await eventually("the last hour in " + title, async () => (await page.evaluate((t) => {
    const { width, height } = document.querySelector(`figure[aria-label="${t}"] canvas`);
    const drawn = document.querySelector(`figure[aria-label="${t}"] canvas`).getContext("2d").getImageData(width * 0.4, height * 0.7, width * 0.2, 1).data; // what is filled below the line
    return drawn.filter((v, i) => i % 4 === 3 && v > 0).length / (drawn.length / 4);
  }, title)) > 0.9);
  await eventually("a timeline", async () => (await text(page, ".tall .events")).includes("running"));
  await leaves(v);
});

check("actions: each asks first, and does what it says", async () => {
  const v = await visitor({ where: "#/tenant/notes%3Acarol", minds: /status of 400/ }), { page } = v;
  await page.click('.head .buttons button:text-is("Stop")');
  same("what has the focus", await page.evaluate(() => document.activeElement.textContent), "Cancel");
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog", { state: "detached" });
  same("the focus afterwards", await page.evaluate(() => document.activeElement.textContent), "Stop");
  same("the state after Escape", (await why("notes:carol")).state, "running");
  await confirm(page, "Stop");
  same("the state after stop", (await why("notes:carol")).state, "asleep");
  await page.waitForSelector('.head [data-state="asleep"]');
  must("nothing is said of it", (await text(page, "#toasts")).includes("notes:carol was stopped"));
  await confirm(page, "Wake");
  same("the state after wake", (await why("notes:carol")).state, "running");
  await page.waitForSelector('.head .buttons button:text-is("Stop")');
  const { generation } = await why("notes:carol");
  await confirm(page, "Restart");
  must("it is the same process", (await why("notes:carol")).generation > generation);
  await confirm(page, "Hold");
  same("the state after hold", (await why("notes:carol")).state, "held");
  await confirm(page, "Unhold");
  same("the state after unhold", (await why("notes:carol")).state, "asleep");
  await page.click('.head .buttons button:text-is("Weigh")');
  await page.fill("dialog input", "40");
  await page.keyboard.press("Enter");
  await page.waitForSelector("dialog", { state: "detached" });
  same("the weight", (await why("notes:carol")).weight, 40);

  await page.route("**/api/instances/*/weight", (r) => r.fulfill({ status: 400, json: { error: hostile } }));
  await page.click('.head .buttons button:text-is("Weigh")');
  await page.click("dialog button[type=submit]");
  await eventually("the error, as text, in the dialog", async () => (await text(page, "dialog .wrong")) === hostile);
  await page.keyboard.press("Escape");
  await leaves(v);
});

check("deploy: a version gets its share, traffic is routed", async () => {
  const v = await visitor({ where: "#/deploy?process=shop" }), { page } = v, versions = '[aria-label="Versions"] tbody';
  await eventually("the one version", async () => (await page.locator("tbody a.id").allInnerTexts()).join() === "shop:v1");
  await page.fill("#version", "v2");
  await page.fill("#weight", "25");
  await page.click("form.card >> nth=0 >> button");
  must("what is asked", (await text(page, "dialog h2")) === "Deploy shop:v2?");
  await page.click("dialog button[type=submit]");
  await eventually("both versions with their shares", async () => /v1[\s\S]*80 %[\s\S]*v2[\s\S]*20 %/.test(await text(page, versions)));
  same("the weight of v2", (await why("shop:v2")).weight, 25);
  await page.selectOption("#from", "v1");
  await page.selectOption("#to", "v2");
  await page.click("form.card >> nth=1 >> button");
  await page.click("dialog button[type=submit]");
  await eventually("all of it at v2", async () => (await why("shop:v2")).weight === 100 && (await why("shop:v1")).weight === 0);
  await eventually("the shares", async () => /v2[\s\S]*100 %[\s\S]*v1[\s\S]*0 %/.test(await text(page, versions)));
  await page.click('button[aria-label="Weigh shop:v1"]');
  await page.fill("dialog input", "50");
  await page.click("dialog button[type=submit]");
  await eventually("the new weight", async () => (await why("shop:v1")).weight === 50);
  await leaves(v);
});

// rollsOut answers the question that a rollout begins with.
async function rollsOut(page, fields) {
  for (const [name, value] of Object.entries(fields)) await page.fill("#ask-" + name, value);
  await page.click("dialog button[type=submit]");
  await page.waitForSelector("dialog", { state: "detached" });
}
const ofShop = async () => (await daemon.api("GET", "/api/rollouts?process=shop"))[0];
// aRollout begins one to the release at which the tenants of shop are not.
async function aRollout(batch) {
  const to = (await why("shop:c1")).release === "spring" ? "base" : "spring";
  await daemon.api("POST", "/api/rollouts", { process: "shop", to, batch });
}
const overWith = (state) => eventually("a rollout that is " + state, async () => (await ofShop()).state === state);

check("rollout: all tenants move to a release, live, and back; one that fails says why", async () => {
  const v = await visitor({ where: "#/deploy?process=shop", minds: /status of 409/ }), { page } = v, releases = '[aria-label="Releases"] tbody', state = '[aria-label="Rollout"] .state';
  const all = (await daemon.api("GET", "/api/tenants?process=shop&limit=1")).total;
  await eventually("the releases", async () => (await page.locator(releases + " th .id").allInnerTexts()).join() === "base,faulty,spring");
  must("where new tenants begin: " + (await text(page, releases)), /base\s+new tenants begin here/.test(await text(page, releases)));
  same("what can be rolled out", await page.locator(releases + " button").evaluateAll((list) => list.map((b) => b.getAttribute("aria-label"))), ["Roll out faulty", "Roll out spring"]);
  must("a rollout before there was one", (await text(page, '[aria-label="Rollout"]')).includes("No rollout yet."));

  await page.click('button[aria-label="Roll out spring"]');
  same("what is asked", await text(page, "dialog h2"), "Move all tenants of shop to spring?");
  await page.keyboard.press("Escape");
  same("rollouts after Escape", await ofShop(), undefined);
  await page.click('button[aria-label="Roll out spring"]');
  await rollsOut(page, { batch: "2" });
  await eventually("its beginning", async () => (await text(page, state)) === "running");
  same("buttons to begin another meanwhile", await page.locator(releases + " button").count(), 0);
  await eventually("some of the way", async () => { const now = Number(await page.getAttribute('[role="progressbar"]', "aria-valuenow")); return now > 0 && now < 100; });
  await eventually("batches to go", async () => /proved itself.*batch(es)? to go/.test(await text(page, '[aria-label="Rollout"]')));
  await eventually("its end", async () => (await text(page, state)) === "done");
  await eventually("all at spring", async () => (await page.locator(releases + " tr", { hasText: "spring" }).locator("td.num").first().innerText()) === String(all));
  const moved = await ofShop();
  same("the rollout", [moved.state, moved.to, moved.moved, moved.left, moved.failed, moved.batch], ["done", "spring", all, 0, 0, 2]);
  same("the release of one of them", (await why("shop:c1")).release, "spring");

  await page.click('button:text-is("Move back to base")');
  await rollsOut(page, { batch: "1" });
  await page.click('button:text-is("Abort")');
  same("what has the focus", await page.evaluate(() => document.activeElement.textContent), "Cancel");
  await page.click("dialog button[type=submit]");
  await eventually("it is undone", async () => (await text(page, state)) === "rolled back" && (await text(page, '[aria-label="Rollout"]')).includes("It stopped: aborted by hand."));
  same("the release of one of them", (await why("shop:c1")).release, "spring");

  await page.click('button[aria-label="Roll out faulty"]');
  await rollsOut(page, { canary: "20" });
  await eventually("its end", async () => (await ofShop()).to === "faulty" && (await ofShop()).state === "rolled back");
  await eventually("why it stopped", async () => (await text(page, state)) === "rolled back" && /It stopped: \w+: .*exit status 3/.test(await text(page, '[aria-label="Rollout"]')));
  must("the canary is not named", /Canary\s+2/.test(await text(page, '[aria-label="Rollout"] .facts')));
  await eventually("nobody at faulty", async () => (await page.locator(releases + " tr", { hasText: "faulty" }).locator("td.num").first().innerText()) === "0");

  await page.route("**/api/rollouts", (r) => (r.request().method() === "POST" ? r.fulfill({ status: 409, json: { error: hostile } }) : r.continue()));
  await page.click('button[aria-label="Roll out base"]');
  await page.click("dialog button[type=submit]");
  await eventually("the refusal, as text, in the dialog", async () => (await text(page, "dialog .wrong")) === hostile);
  await page.keyboard.press("Escape");
  await leaves(v);
});

check("hostile ids, states, reasons and errors are texts", async () => {
  const v = await visitor({ minds: /status of (400|404|500)/ }), { page } = v;
  const row = { id: "notes:" + hostile, state: hostile, health: hostile, reason: hostile, limit: hostile, since: 1, uptime_secs: 5, idle_secs: 1, inflight: 0, requests: 1, restarts: 1, weight: 1, weighted: true, memory_bytes: 1, cpu_secs: 1 };
  const event = { number: 1e9, timestamp: 1, instance: row.id, from: "asleep", to: hostile, event: hostile, reason: hostile, generation: 1 };
  await page.route("**/api/tenants?*", (r) => r.fulfill({ json: { total: 1, matching: 1, offset: 0, tenants: [row] } }));
  await page.route("**/api/events?*", (r) => r.fulfill({ json: [event] }));
  await page.route("**/why", (r) => r.fulfill({ json: { ...row, instance: row.id, since: 1, since_secs: 1, reason: hostile, holds: [hostile], next: hostile, listen: hostile, pid: 1, generation: 1 } }));
  await page.route("**/storage", (r) => r.fulfill({ status: 500, json: { error: hostile } }));
  await page.route("**/api/releases?*", (r) => r.fulfill({ json: [{ process: "shop", release: hostile, configured: true, current: true, tenants: 1, awake: 1, leaving: 1 }, { process: "shop", release: "x" + hostile, configured: false, current: false, tenants: 1, awake: 0, leaving: 0 }] }));
  const rolled = { process: "shop", number: 1, to: hostile, from: hostile, state: "running", proved: true, reason: hostile, tenants: 2, moved: 1, left: 1, failed: 1, batch: 1, first: 1, canary: true, started: 1 };
  await page.route("**/api/rollouts?*", (r) => r.fulfill({ json: [rolled] }));
  await page.route("**/api/rollouts/stream?*", (r) => r.fulfill({ contentType: "text/event-stream", body: "data: " + JSON.stringify(rolled) + "\n\n" }));
  await page.reload();
  await eventually("the event", async () => (await text(page, ".events")).includes(hostile));
  await go(page, "#/tenants");
  await eventually("the row", async () => (await text(page, "tbody")).includes(row.id));
  await page.click("tbody a.id");
  await eventually("the page of it", async () => (await text(page, "h1")) === row.id && (await text(page, ".reason")).includes(hostile));
  await go(page, "#/deploy?process=shop");
  await eventually("the releases", async () => (await text(page, '[aria-label="Releases"]')).includes("x" + hostile));
  const rollout = await text(page, '[aria-label="Rollout"]');
  must("not the texts of the rollout: " + rollout, rollout.includes("It stopped: " + hostile) && rollout.includes("At " + hostile));
  same("elements out of them", await page.locator("main :is(script, img, svg, iframe)").count(), 0);
  await page.click('button:text-is("Abort")');
  must("what is asked", (await text(page, "dialog h2")).includes(hostile));
  await page.keyboard.press("Escape");
  for (const state of ["rolling back", "rolled back", "done", hostile]) {
    Object.assign(rolled, { state, ended: state === "rolling back" ? undefined : 2 });
    await eventually("state " + state, async () => (await text(page, '[aria-label="Rollout"] .state')) === state);
  }
  await page.unroute("**/api/tenants?*");
  await page.route("**/api/tenants?*", (r) => r.fulfill({ status: 500, json: { error: hostile } }));
  await go(page, "#/tenants");
  await eventually("the error", async () => (await text(page, "main .wrong")) === hostile);
  await go(page, "#/tenant/" + encodeURIComponent(hostile));
  await eventually("a word about a name that is none", async () => (await text(page, "main")).includes(hostile));
  await go(page, "#/tenant/%ff");
  await go(page, "#/nothing/" + encodeURIComponent(hostile));
  await page.waitForSelector(".tiles");
  await leaves(v);
});

check("the policy refuses what a hole would let in", async () => {
  const v = await visitor({ minds: /Content Security Policy|TrustedHTML|requires 'Trusted/ }), { page } = v;
  await page.evaluate((markup) => {
    const script = document.createElement("script");
    try { script.text = "window.pwned = 'inline'"; } catch { /* Trusted Types */ }
    document.body.append(script);
    try { document.body.insertAdjacentHTML("beforeend", markup); } catch { /* Trusted Types */ }
    document.body.append(Object.assign(new Image(), { src: "https://evil.example/x.png" }));
  }, hostile);
  await page.waitForTimeout(300);
  v.wrong.splice(0, v.wrong.length, ...v.wrong.filter((w) => !w.startsWith("a request to elsewhere: https://evil.example/x.png")));
  same("pictures from elsewhere", await page.evaluate(() => [...document.images].map((i) => i.naturalWidth)), [0]);
  await leaves(v);
});

check("a read-only token looks, a service's and a tenant's token see their own", async () => {
  if (!(await ofShop())) await aRollout(10).then(() => overWith("done"));
  const looker = await daemon.api("POST", "/api/tokens", { read_only: true, description: hostile });
  let v = await visitor({ token: looker.token, where: "#/tenant/notes%3Aalice" });
  await eventually("its state", async () => (await text(v.page, ".head")).includes("running"));
  same("buttons", await v.page.locator(".head button").count(), 0);
  await go(v.page, "#/deploy");
  await eventually("a word about it", async () => (await text(v.page, "main")).includes("may only look"));
  await eventually("the releases", async () => (await v.page.locator('[aria-label="Releases"] tbody tr').count()) > 0);
  same("forms and buttons", await v.page.locator("main form, main button").count(), 0);
  await go(v.page, "#/deploy?process=shop");
  await eventually("the last rollout", async () => (await text(v.page, '[aria-label="Rollout"] .state')) === (await ofShop()).state);
  same("buttons of a rollout", await v.page.locator("main form, main button").count(), 0);
  await leaves(v);

  const service = await daemon.api("POST", "/api/tokens", { service: "shop" });
  v = await visitor({ token: service.token });
  await v.page.click("a[data-page=deploy]");
  await eventually("its service's releases", async () => (await v.page.locator('[aria-label="Releases"] th .id').allInnerTexts()).join() === "base,faulty,spring");
  same("services to choose from", await v.page.locator("#service option").allInnerTexts(), ["shop"]);
  must("why it has no buttons", (await text(v.page, "main")).includes("takes an admin token"));
  same("its forms and buttons", await v.page.locator("main form, main button").count(), 0);
  await leaves(v);

  const own = await daemon.api("POST", "/api/tokens", { tenant: "notes:bob" });
  v = await visitor({ token: own.token, where: "#/tenants", minds: /status of 403/ });
  await eventually("its only row", async () => (await v.page.locator("tbody a.id").allInnerTexts()).join() === "notes:bob");
  must("it is offered to deploy", !(await v.page.locator("a[data-page=deploy]").isVisible()));
  await go(v.page, "#/");
  await eventually("one awake", async () => (await v.page.locator(".tile dd").first().innerText()) === "1");
  must("it sees the server", !(await text(v.page, ".tiles")).includes("CPUs"));
  await go(v.page, "#/tenant/notes%3Aalice");
  await eventually("the refusal", async () => (await text(v.page, "main > .wrong")).includes("not for notes:alice"));
  await go(v.page, "#/tenant/notes%3Abob");
  await confirm(v.page, "Stop");
  same("its own tenant", (await why("notes:bob")).state, "asleep");
  await daemon.api("POST", "/api/tokens/revoke", { id: own.id });
  v.wrong.length = 0;
  await eventually("the end of the session with its token", async () => (await v.page.locator("form.login").count()) === 1);
  await v.context.close();
});

check("axe finds nothing serious, light and dark, on every page", async () => {
  const found = [];
  if (!(await ofShop())) await aRollout(10).then(() => overWith("done"));
  for (const colorScheme of ["light", "dark"]) {
    const v = await visitor({ token: null, colorScheme }), { page } = v;
    const look = async (name) => {
      await page.evaluate(axe.source);
      const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
      for (const x of violations) {
        const line = `${name}, ${colorScheme}: ${x.impact} ${x.id}: ${x.help}: ${x.nodes.map((n) => n.target.join(" ") + " " + (n.any[0]?.message || "")).slice(0, 3).join("; ")}`;
        if (["serious", "critical"].includes(x.impact)) found.push(line);
        else console.log("      " + line);
      }
    };
    await look("login");
    await enter(v, daemon.token);
    await page.waitForSelector(".events li");
    await eventually("charts", async () => (await ink(page, "Memory")) > 500);
    await look("overview");
    await go(page, "#/tenants");
    await page.waitForSelector("tbody a.id");
    await look("tenants");
    await go(page, "#/tenant/notes%3Aalice");
    await page.waitForSelector(".lines p");
    await page.waitForSelector(".head .buttons button");
    await look("tenant");
    await page.click('.head .buttons button:text-is("Weigh")');
    await look("dialog");
    await page.keyboard.press("Escape");
    await go(page, "#/deploy?process=shop");
    await page.waitForSelector("tbody a.id");
    await page.waitForSelector('[aria-label="Rollout"] .facts dd');
    await look("deploy");
    await page.click('[aria-label="Releases"] button');
    await look("rollout dialog");
    await page.keyboard.press("Escape");
    await leaves(v);
  }
  must(found.join("\n"), found.length === 0);
});

check("pages, as in docs/screenshots", async () => {
  fs.mkdirSync(shots, { recursive: true });
  const take = (page, name) => page.screenshot({ path: path.join(shots, name + ".png"), animations: "disabled", caret: "hide" });
  const places = [["#/", "overview"], ["#/tenants", "tenants"], ["#/deploy?process=shop", "deploy"], ["#/tenant/notes%3Aalice", "tenant"]];
  const v = await visitor(), { page } = v;
  const busy = setInterval(() => { for (const [id, burn] of [["notes:alice", 30], ["notes:alice", 10], ["shop:v1", 5]]) daemon.visit(id, "/api/notes?burn=" + burn * Math.random()).catch(() => {}); }, 250);
  try {
    await go(page, "#/tenant/notes%3Aalice");
    await page.waitForTimeout(15000); // charts need some time to show
    await take(page, "tenant");
    await go(page, "#/");
    await page.waitForTimeout(15000);
    await take(page, "overview");
    await page.emulateMedia({ colorScheme: "dark" });
    await go(page, "#/tenants");
    await page.waitForSelector("tbody a.id");
    await page.waitForTimeout(500);
    await take(page, "tenants-dark");
    await page.emulateMedia({ colorScheme: "light" });
    await go(page, "#/deploy?process=shop");
    await page.waitForSelector("tbody a.id");
    await aRollout(1);
    await eventually("some of a rollout on the page", async () => (await text(page, '[aria-label="Rollout"] .state')) === "running" && Number(await page.getAttribute('[role="progressbar"]', "aria-valuenow")) > 40);
    await eventually("the table in step with it", async () => new Set(await page.locator('[aria-label="Releases"] td.num:nth-child(2)').allInnerTexts()).size > 2);
    await take(page, "deploy");
    await overWith("done");
    for (const [hash, name] of process.env.ALL ? places : []) { // to be looked at
      await go(page, hash);
      for (const colorScheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme });
        await page.waitForTimeout(4000);
        await take(page, `all-${name}-${colorScheme}`);
      }
    }
    await page.emulateMedia({ colorScheme: "light" });
    await page.setViewportSize({ width: 390, height: 844 });
    for (const [hash, name] of places) {
      await go(page, hash);
      await page.waitForTimeout(1500);
      same("what sticks out of a phone at " + hash, await page.evaluate(() => document.documentElement.scrollWidth), 390);
      if (name === "overview") await take(page, "phone");
      if (process.env.ALL) await page.screenshot({ path: path.join(shots, `all-${name}-phone.png`), fullPage: true });
    }
  } finally { clearInterval(busy); }
  await leaves(v);
});

check("the theme is chosen by hand and kept", async () => {
  const v = await visitor(), { page } = v;
  const page1 = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await page1();
  await page.click("#theme");
  const dark = await page1();
  must("the theme stays as it is", light !== dark);
  await page.reload();
  await page.waitForSelector(".tiles");
  same("after a reload", await page1(), dark);
  await page.click("#theme");
  same("and back", await page1(), light);
  await leaves(v);
});

check("with [routing] default the dashboard is at /_tenement/", async () => {
  const other = await Daemon.start({ ten, work, routing: '[routing]\ndefault = "shop"' });
  try {
    await other.api("POST", "/api/instances/spawn", { process: "shop", id: "v1" });
    same("the front page", (await other.raw("GET", "/")).text, "hello from v1\n");
    same("without its slash", (await other.raw("GET", "/_tenement")).headers.location, "/_tenement/");
    const v = await visitor({ at: other, home: "/_tenement/" });
    await v.page.waitForSelector(".tiles");
    await leaves(v);
  } finally { await other.stop(); }
});

check("a daemon that goes and comes back", async () => {
  const v = await visitor({ where: "#/tenants", minds: /Failed to load|ERR_|status of 401/ }), { page } = v;
  await page.waitForSelector("tbody a.id");
  await daemon.stop();
  await eventually("a word about it", async () => (await text(page, "#lost")).includes("does not answer"));
  await daemon.serve();
  await eventually("the login", async () => (await page.locator("form.login").count()) === 1);
  await enter(v, daemon.token);
  await page.waitForSelector("tbody a.id");
  must("the word about it stays", await page.locator("#lost").isHidden());
  await leaves(v);
});

try {
  await daemon.api("POST", "/api/instances/register", { instances: Array.from({ length: 5000 }, (_, i) => "notes:t" + String(i).padStart(4, "0")) });
  for (const id of ["alice", "bob", "carol", "t0007", "t0011"]) await daemon.api("POST", "/api/instances/spawn", { process: "notes", id });
  await daemon.api("POST", "/api/instances/spawn", { process: "shop", id: "v1" });
  await daemon.api("POST", "/api/instances/register", { instances: ["c1", "c2", "c3", "c4", "c5", "c6", "c7"].map((id) => "shop:" + id) });
  for (const id of ["c1", "c2", "c3", "c4", "c5"]) await daemon.visit("shop:" + id, "/");
  await daemon.api("POST", "/api/instances/spawn", { process: "broken", id: "one" }).catch((err) => same("a broken one", err.status, 503));
  await eventually("a failed one", async () => (await why("broken:one")).state === "failed");
  for (let i = 0; i < 20; i++) await daemon.visit("notes:alice", "/notes/" + i);
  for (const [name, f] of checks) {
    if (only && !name.includes(only)) continue;
    const began = Date.now();
    try {
      await f();
      console.log(`ok    ${((Date.now() - began) / 1000).toFixed(1)}s  ${name}`);
    } catch (err) {
      failed++;
      console.log(`FAIL  ${name}\n      ${err.stack.split("\n").slice(0, 6).join("\n      ")}`);
      const last = opened.at(-1);
      if (last && last.wrong.length) console.log("      " + last.wrong.join("\n      "));
      if (process.env.FAILED) await last?.page.screenshot({ path: process.env.FAILED }).catch(() => {});
    }
    for (const v of opened.splice(0)) await v.context.close().catch(() => {});
  }
} finally {
  await browser.close();
  await daemon.stop();
}
console.log(failed ? `${failed} failed` : "the browser suite: all passed");
process.exit(failed ? 1 : 0);
