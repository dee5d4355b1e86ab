// The tenants of the suite: they answer, they write what strangers might, and one
// of their services cannot start.
import http from "node:http";

if (process.argv[2] === "broken") {
  console.error("cannot open <b>config</b>: no such file");
  process.exit(3);
}
const hostile = [
  "<script>window.pwned='script'</script>", "<img src=x onerror=\"window.pwned='img'\">", "\"><svg onload=window.pwned='svg'>",
  "javascript:window.pwned='url'", "\u001b[31mred\u001b[0m \u0007bell \u202etxt.exe", "</p></div><iframe src=//evil.example>",
];
hostile.forEach((line) => console.log(line));
console.error("a line on stderr");
let n = 0;
http.createServer((request, answer) => {
  const url = new URL(request.url, "http://x");
  if (url.pathname === "/log") for (let i = 0; i < Number(url.searchParams.get("lines") || 1); i++) console.log(url.searchParams.get("text") + " " + n++);
  else console.log(request.method + " " + url.pathname);
  for (const end = Date.now() + Number(url.searchParams.get("burn") || 0); Date.now() < end;);
  answer.end("hello from " + process.env.TENEMENT_ID + "\n");
}).listen(process.env.PORT, "127.0.0.1");
