// The smallest Express app, on descriptor 3 (fd), SOCKET_PATH (unix) or PORT (tcp).
const where = { fd: { fd: 3 }, unix: { path: process.env.SOCKET_PATH }, tcp: { host: "127.0.0.1", port: process.env.PORT } };
const app = require("express")();
app.get("/", (_, res) => res.send("ok"));
require("http").createServer(app).listen(where[process.argv[2]]);
