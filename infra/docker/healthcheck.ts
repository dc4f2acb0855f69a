// Asks a node's own /readyz: exit 0 where it is ready. It runs every few seconds in every container, so it loads nothing
// but a socket.
import net from "node:net";

const timeoutMs = 2_000;
const admin = process.env["WATERSHED_ADMIN_ADDRESS"] ?? "127.0.0.1:7900";
const colon = admin.lastIndexOf(":");

const socket = net.connect(Number(admin.slice(colon + 1)), admin.slice(0, colon).replace(/^\[(.*)\]$/, "$1"));
socket.setTimeout(timeoutMs, () => end(1, `${admin}: no answer in ${timeoutMs} ms`));
socket.on("connect", () => socket.write(`GET /readyz HTTP/1.1\r\nHost: ${admin}\r\nConnection: close\r\n\r\n`));
socket.on("error", (error) => end(1, error.message));
// The answer is a few words: its first segment holds the status.
socket.on("data", (bytes) => {
  const text = bytes.toString("latin1");
  end(text.startsWith("HTTP/1.1 200 ") ? 0 : 1, text.slice(text.indexOf("\r\n\r\n") + 4));
});
socket.on("end", () => end(1, `${admin}: no answer`));

function end(code: 0 | 1, says: string): void {
  process.stdout.write(says); // shown by docker inspect
  process.exit(code);
}
