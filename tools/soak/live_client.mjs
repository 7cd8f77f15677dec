// One page's connection to /api/live: reads all it is sent, as a browser would, and counts it.
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';

const AGAIN_AFTER = 1000; // ms
const TEXT = 1;
const PING = 9;
const PONG = 10;

export class LiveClient {
  messages = 0;
  connects = 0;
  disorder = 0; // numbers of changes that did not follow one another
  #port;
  #socket;
  #last;
  #closed = false;

  constructor(port) {
    this.#port = port;
    this.#open();
  }

  close() {
    this.#closed = true;
    this.#socket?.destroy();
  }

  #open() {
    if (this.#closed) return;
    this.#last = undefined;
    let buffer = Buffer.alloc(0);
    let upgraded = false;
    const socket = connect(this.#port, '127.0.0.1', () => {
      socket.write(
        `GET /api/live HTTP/1.1\r\nHost: localhost:${this.#port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
          `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
      );
    });
    this.#socket = socket;
    socket.on('data', (bytes) => {
      buffer = buffer.length === 0 ? bytes : Buffer.concat([buffer, bytes]);
      if (!upgraded) {
        const end = buffer.indexOf('\r\n\r\n');
        if (end < 0) return;
        upgraded = true;
        this.connects += 1;
        buffer = buffer.subarray(end + 4);
      }
      buffer = this.#frames(buffer);
    });
    socket.on('error', () => {});
    socket.on('close', () => setTimeout(() => this.#open(), AGAIN_AFTER).unref());
  }

  // Takes whole frames off the front; what is left comes back.
  #frames(buffer) {
    for (;;) {
      if (buffer.length < 2) return buffer;
      let size = buffer[1] & 0x7f;
      let head = 2;
      if (size === 126) {
        if (buffer.length < 4) return buffer;
        size = buffer.readUInt16BE(2);
        head = 4;
      } else if (size === 127) {
        if (buffer.length < 10) return buffer;
        size = Number(buffer.readBigUInt64BE(2));
        head = 10;
      }
      if (buffer.length < head + size) return buffer;
      const text = buffer.subarray(head, head + size);
      if ((buffer[0] & 0x0f) === TEXT) this.#message(text);
      if ((buffer[0] & 0x0f) === PING) this.#pong(text);
      buffer = buffer.subarray(head + size);
    }
  }

  // A client's frames are masked (RFC 6455, 5.3).
  #pong(payload) {
    const mask = randomBytes(4);
    const masked = payload.map((byte, i) => byte ^ mask[i % 4]);
    this.#socket.write(Buffer.concat([Buffer.from([0x80 | PONG, 0x80 | masked.length]), mask, masked]));
  }

  #message(text) {
    this.messages += 1;
    const found = /"seq":(\d+)/.exec(text.subarray(0, 200).toString());
    if (!found) return;
    const number = Number(found[1]);
    if (this.#last !== undefined && number !== this.#last + 1) this.disorder += 1;
    this.#last = number;
  }
}
