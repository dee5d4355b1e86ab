// A tenant's log: its last lines, and those that come.
import { h, put, say, plain, clock, count } from "./dom.js";
import { get, follow } from "./api.js";

const keep = 2000, first = 500;

export function log(process, id) {
  let paused = false, stale = false, stop = () => {}, turn = 0, timer = 0;
  let waiting = []; // lines that came while it was paused
  const lines = h("div.lines", { tabindex: "0", role: "log", "aria-live": "off", "aria-label": "Log of " + process + ":" + id });
  const search = h("input", { type: "search", placeholder: "Search the log", "aria-label": "Search the log", oninput: () => { clearTimeout(timer); timer = setTimeout(begin, 250); } });
  const level = h("select", { "aria-label": "Stream", onchange: begin }, ...[["", "both streams"], ["stdout", "stdout"], ["stderr", "stderr"]].map(([v, t]) => h("option", { value: v }, t)));
  const pause = h("button", { type: "button", "aria-pressed": "false", onclick: toggle }, "Pause"), note = h("span.muted", { role: "status" });
  const el = h("section.log", {}, h("div.tools", {}, h("h2", {}, "Log"), search, level, pause, note), lines);

  const query = () => ({ process, id, level: level.value, search: search.value });

  function begin() {
    stop();
    const mine = ++turn;
    let buffer = []; // what streams in before the last lines are here
    [waiting, stale] = [[], false];
    put(lines);
    counted();
    stop = follow("/api/logs/stream", query(), {
      opened: async () => {
        if (paused && lines.children.length) { // it broke and goes on: what is shown stays
          stale = true;
          return;
        }
        buffer ||= [];
        const had = await get("/api/logs", { ...query(), limit: first }).catch((err) => { say(note, err.message); return []; });
        if (mine !== turn) return;
        const known = new Set(had.map(mark));
        const come = buffer.filter((line) => !known.has(mark(line)));
        buffer = null;
        put(lines);
        add([...had, ...come]);
        lines.scrollTop = lines.scrollHeight;
        if (!had.length && !come.length) lines.append(h("p.muted.none", {}, search.value || level.value ? "No line matches." : "It has written nothing yet."));
      },
      item: (line) => { if (buffer) buffer.push(line); else if (paused) wait(line); else soon(line); },
    });
  }
  const mark = (line) => line.timestamp + line.level + line.message;

  // Lines are shown once a frame, however many come.
  let fresh = [], frame = 0;
  function soon(line) {
    fresh.push(line);
    if (fresh.length > keep) fresh.shift();
    frame ||= requestAnimationFrame(() => {
      const list = fresh;
      [fresh, frame] = [[], 0];
      add(list);
    });
  }

  function add(list) {
    const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 40;
    if (list.length) lines.querySelector(".none")?.remove();
    lines.append(...list.slice(-keep).map((line) => h("p", { "data-level": line.level }, h("time", {}, clock(line.timestamp)), h("span", {}, plain(line.message)))));
    while (lines.children.length > keep) lines.firstChild.remove();
    if (atEnd) lines.scrollTop = lines.scrollHeight;
  }

  function wait(line) {
    waiting.push(line);
    if (waiting.length > keep) waiting.shift();
    counted();
  }

  function toggle() {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    say(pause, paused ? "Resume" : "Pause");
    if (!paused && stale) return begin(); // some lines were missed
    if (!paused) {
      add(waiting);
      waiting = [];
    }
    counted();
  }
  const counted = () => say(note, paused ? (waiting.length ? count(waiting.length) + (waiting.length === keep ? " or more" : "") + " new lines" : "paused") : "");

  begin();
  return { el, end: () => { turn++; clearTimeout(timer); cancelAnimationFrame(frame); stop(); } };
}
