import net from "node:net";

// Opens connections, asks once on each, and keeps them open until it is ended. Says "open" when all were answered.
const [port = "", count = ""] = process.argv.slice(2);
const batch = 200; // at a time, so that no backlog overflows
let answered = 0;
let opened = 0;

function openMore(): void {
  const until = Math.min(Number(count), opened + batch);
  for (; opened < until; opened++) {
    const socket = net.connect({ port: Number(port), host: "127.0.0.1" });
    socket.write("GET /json HTTP/1.1\r\nHost: bench\r\n\r\n");
    socket.once("data", () => {
      answered++;
      if (answered === Number(count)) process.stdout.write("open\n");
      else if (answered === opened) openMore();
    });
    socket.on("error", () => process.exit(1));
    socket.on("data", () => {});
  }
}

openMore();
