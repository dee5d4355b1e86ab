// The HTTP API, as a browser that is logged in speaks it. The session is a cookie
// that no script can read; the second secret goes with every call in a header.

const secret = "tenement.csrf";

// Failure is an answer that was no success; status 0: there was no answer.
export class Failure extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

// ends is told that the session is over.
let ends = () => {};
export const onEnd = (f) => { ends = f; };

// reaches is told whether the daemon answers.
let reaches = () => {};
export const onReach = (f) => { reaches = f; };

function send(method, path, body, signal) {
  const headers = { "X-Csrf-Token": localStorage.getItem(secret) || "" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  return fetch(path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body), credentials: "same-origin", cache: "no-store" });
}

// call gives the decoded answer, null when there is none to decode.
export async function call(method, path, body, signal) {
  let answer;
  try {
    answer = await send(method, path, body, signal);
  } catch (err) {
    if (err.name === "AbortError") throw err;
    reaches(false);
    throw new Failure(0, "the daemon does not answer");
  }
  reaches(true);
  if (answer.status === 204) return null;
  const decoded = await answer.json().catch(() => ({}));
  if (answer.ok) return decoded;
  if (answer.status === 401 && path !== "/api/login") ends();
  throw new Failure(answer.status, decoded.error || "status " + answer.status);
}

export const get = (path, query, signal) => {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query || {})) if (value !== "" && value !== null && value !== undefined) params.set(name, value);
  const text = params.toString();
  return call("GET", path + (text ? "?" + text : ""), undefined, signal);
};

export const instance = (id, rest = "") => "/api/instances/" + encodeURIComponent(id) + rest;

export async function login(token) {
  const session = await call("POST", "/api/login", { token });
  localStorage.setItem(secret, session.csrf);
  return session;
}

export async function logout() {
  await call("POST", "/api/logout").catch(() => {});
  localStorage.removeItem(secret);
}

// follow reads a stream of server-sent events until stopped, and again after a
// pause when it breaks. EventSource would not send the header. Nothing is followed
// while nobody looks: a browser has six connections to a host, for all its tabs.
// opened is called each time it has begun: what came before has to be asked for.
export function follow(path, query, { opened, item }) {
  const params = new URLSearchParams(Object.entries(query).filter(([, v]) => v !== ""));
  let over = false, stream = null, rested = () => {};
  const looks = () => (document.hidden ? stream?.abort() : rested());
  const rest = (ms) => new Promise((done) => {
    const timer = setTimeout(done, ms);
    rested = () => { clearTimeout(timer); done(); };
  });
  document.addEventListener("visibilitychange", looks);
  (async () => {
    while (!over) {
      if (!document.hidden && !(await once())) return;
      if (!over) await rest(document.hidden ? 3600e3 : 2000);
    }
  })();

  // once follows to the end of one stream; false: there will be no other.
  async function once() {
    stream = new AbortController();
    try {
      const answer = await send("GET", path + "?" + params, undefined, stream.signal);
      if (answer.status === 401) ends();
      if (answer.ok) await events(answer.body.pipeThrough(new TextDecoderStream()).getReader(), opened, item);
      return answer.ok || answer.status === 429 || answer.status > 499;
    } catch { // it broke, or was stopped
      return true;
    }
  }

  return () => {
    over = true;
    document.removeEventListener("visibilitychange", looks);
    stream?.abort();
    rested();
  };
}

async function events(reader, opened, item) {
  let rest = "", begun = false;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    if (!begun) [begun] = [true, opened && opened()];
    for (const part of parts) if (part.startsWith("data: ")) item(JSON.parse(part.slice(6)));
  }
}
