// Asks a node's own /readyz: exit 0 where it is ready. It runs in every container, so it loads nothing but a socket.
//
// The engine starts a check soon after the last one has ended, so that a stack whose tiers wait for each other is up soon.
// But to start a process in a container costs far more than the question. Therefore the check of a node that was ready
// the last time rests first, as many milliseconds as the first argument says; one that fails is followed by quick ones.
import { rmSync, writeFileSync } from "node:fs";
import net from "node:net";

const timeoutMs = 5_000;
const restMs = Number(process.argv[2] ?? 0);
const readyFile = `${process.env["TMPDIR"] ?? "/tmp"}/watershed-ready`; // gone when the container starts again
const admin = process.env["WATERSHED_ADMIN_ADDRESS"] ?? "127.0.0.1:7900";

if (wasReady()) setTimeout(ask, restMs);
else ask();

/** Takes the note of the last check away: a check that does not end leaves none. */
function wasReady(): boolean {
  try {
    rmSync(readyFile);
    return true;
  } catch {
    return false;
  }
}

function ask(): void {
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
}

function end(code: 0 | 1, says: string): void {
  if (code === 0) noteReady();
  process.stdout.write(says); // shown by docker inspect
  process.exit(code);
}

function noteReady(): void {
  try {
    writeFileSync(readyFile, "");
  } catch {
    // Nothing can be written here: every check is a quick one.
  }
}
