// The suite from Node's ws. usage: node client.mjs PORT HOST
import assert from 'node:assert';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import WebSocket from 'ws';

const [port, host] = process.argv.slice(2);
setTimeout(() => { console.error('client.mjs: no end after 60 s'); process.exit(1); }, 60000).unref();

async function open() {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { headers: { Host: host }, maxPayload: 16 << 20 });
  await once(socket, 'open');
  return socket;
}

async function echoed(socket, data) {
  const reply = once(socket, 'message');
  socket.send(data);
  const [back, binary] = await reply;
  assert.strictEqual(binary, Buffer.isBuffer(data), 'text stays text');
  assert.ok(Buffer.from(back).equals(Buffer.from(data)), `${data.length} bytes came back as ${back.length}`);
}

const parts = {
  async 'sizes at the borders of the framing'() {
    const socket = await open();
    for (const n of [0, 1, 125, 126, 127, 65535, 65536, 65537]) await echoed(socket, randomBytes(n));
    socket.close();
  },
  async 'text of every kind'() {
    const socket = await open();
    for (const text of ['', 'a', 'é日本\u{1f600}', '\0\r\n\r\n', 'x'.repeat(70000)]) await echoed(socket, text);
    socket.close();
  },
  async '1 MB, and 8 MB'() {
    const socket = await open();
    await echoed(socket, randomBytes(1 << 20));
    await echoed(socket, randomBytes(8 << 20));
    socket.close();
  },
  async 'fragments, with a ping between them'() {
    const socket = await open();
    const reply = once(socket, 'message');
    const pong = once(socket, 'pong');
    for (let i = 0; i < 50; i++) socket.send(`part ${i};`, { fin: false });
    socket.ping('between');
    socket.send('end', { fin: true });
    assert.strictEqual((await pong)[0].toString(), 'between');
    const [back] = await reply;
    assert.ok(back.toString().startsWith('part 0;part 1;') && back.toString().endsWith('part 49;end'));
    socket.close();
  },
  async 'ping and pong'() {
    const socket = await open();
    for (const payload of ['', 'x'.repeat(125)]) {
      const pong = once(socket, 'pong');
      socket.ping(payload);
      assert.strictEqual((await pong)[0].toString(), payload);
    }
    socket.close();
  },
  async 'close codes from either side'() {
    for (const code of [1000, 1001, 1003, 1008, 1011, 3000, 4999]) {
      const told = await open();
      const closed = once(told, 'close');
      told.send(`close ${code} because`);
      const [got, reason] = await closed;
      assert.deepStrictEqual([got, reason.toString()], [code, 'because']);
      const telling = await open();
      const done = once(telling, 'close');
      telling.close(code, 'enough');
      assert.strictEqual((await done)[0], code);
    }
  },
  async '10 000 frames in order'() {
    const socket = await open();
    let next = 0;
    const all = new Promise((resolve, reject) => socket.on('message', (data) => {
      if (Number(data.toString()) !== next++) reject(new Error(`${data} came as number ${next - 1}`));
      if (next === 10000) resolve();
    }));
    for (let i = 0; i < 10000; i++) socket.send(String(i));
    await all;
    socket.close();
  },
  async '100 sockets at once'() {
    const sockets = await Promise.all(Array.from({ length: 100 }, open));
    await Promise.all(sockets.map((socket, i) => echoed(socket, `socket ${i}`)));
    for (const socket of sockets) socket.close();
  },
  async 'compression'() {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { headers: { Host: host }, perMessageDeflate: { threshold: 0 } });
    await once(socket, 'open');
    await echoed(socket, 'again and '.repeat(10000));
    socket.close();
  },
};

for (const [name, part] of Object.entries(parts)) {
  try {
    await part();
  } catch (error) {
    console.error(`ws at ${host}: ${name}: ${error.stack}`);
    process.exit(1);
  }
}
console.log(`ws at ${host}: ${Object.keys(parts).length} parts passed`);
process.exit(0);
