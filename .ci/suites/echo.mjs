// A WebSocket server on Node's ws: it says back what it hears, and closes with
// the code that it is told ("close 4321 reason").
import { WebSocketServer } from 'ws';
import { createServer } from 'node:http';

const server = createServer((req, res) => req.resume().on('end', () => res.end('plain')));
const sockets = new WebSocketServer({ server, maxPayload: 16 << 20 });
sockets.on('connection', (socket) => {
  socket.on('message', (data, binary) => {
    const [, code, reason] = (binary ? '' : data.toString()).match(/^close (\d+) (.*)$/) ?? [];
    if (code) socket.close(Number(code), reason);
    else socket.send(data, { binary });
  });
});
server.listen(process.env.PORT, '127.0.0.1');
