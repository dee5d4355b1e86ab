// Node's own http on descriptor 3 (fd), SOCKET_PATH (unix) or PORT (tcp).
const where = { fd: { fd: 3 }, unix: { path: process.env.SOCKET_PATH }, tcp: { host: "127.0.0.1", port: process.env.PORT } };
require("http").createServer((_, res) => res.writeHead(200, { "Content-Length": 2 }).end("ok")).listen(where[process.argv[2]]);
