// Notes: one customer's notes, in one file of that customer's own directory.
const fs = require("fs");
const http = require("http");
const path = require("path");

const notes = path.join(process.env.DATA_DIR, "notes.txt");

const server = http.createServer((req, res) => {
  if (req.method !== "POST") {
    console.log("reading the notes");
    const text = fs.existsSync(notes) ? fs.readFileSync(notes, "utf8") : "";
    res.setHeader("Content-Type", "text/plain; charset=utf-8");
    res.end(`notes of ${process.env.TENEMENT_ID}\n${text}`);
    return;
  }
  let body = "";
  req.on("data", (chunk) => (body += chunk));
  req.on("end", () => {
    fs.appendFileSync(notes, body + "\n");
    console.log("wrote a note");
    res.statusCode = 201;
    res.end();
  });
});

if (process.env.SOCKET_PATH) server.listen(process.env.SOCKET_PATH);
else server.listen(process.env.PORT, "127.0.0.1");

process.on("SIGTERM", () => process.exit(0));
