import http from "node:http";

/** What a fake node does once it is started. */
export interface FakeNode {
  /** "address:port" of its readiness. */
  readonly admin: string;
  readonly does: "get ready" | "stay starting" | "exit" | "ignore SIGINT";
  readonly exitCode?: number;
}

// A stand-in for a service: `fake-node.ts '{"NAME": FakeNode, ...}' --node NAME`.
const nodes = JSON.parse(process.argv[2] ?? "{}") as Record<string, FakeNode>;
const name = process.argv[4] ?? "";
const node = nodes[name];
if (!node) throw new Error(`no behaviour is given for ${name}`);

process.stdout.write(`${name} starts\n`);
if (node.does === "exit") {
  process.stderr.write(`error: cannot listen on ${node.admin} (tcp): the port is already in use\n`);
  process.exit(node.exitCode ?? 1);
}
if (node.does === "ignore SIGINT") process.on("SIGINT", () => {});
process.on("disconnect", () => process.exit(0));

const [host, port] = node.admin.split(":");
http
  .createServer((_, response) => {
    response.writeHead(node.does === "stay starting" ? 503 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify({ reason: "first health round" }));
  })
  .listen(Number(port), host, () => process.stdout.write(`${name} listens\n`));
