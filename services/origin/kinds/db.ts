import type { Socket } from "node:net";
import { Catalog } from "../catalog.ts";
import { CommandParser, array, bulk, emptyArray, encodeReply, errorReply, integer, nullBulk, ok } from "../resp2.ts";
import type { Reply } from "../resp2.ts";
import { untilWritable } from "../until-writable.ts";
import { idleTimeoutMs } from "./kind.ts";
import type { Connection, ServerContext, TcpKind } from "./kind.ts";

const sleepSecondsMax = 60; // a drill, not a way to hold connections

interface Client {
  readonly socket: Socket;
  /** A command is being answered. */
  busy: boolean;
}

/** A command's words behind its name, and who asked. */
type Command = (words: readonly Buffer[], client: Client) => Reply | Promise<Reply | undefined>;

interface CommandEntry {
  /** How many words may stand behind the name. */
  readonly words: readonly [min: number, max: number];
  readonly run: Command;
}

/** A read replica of the film catalogue, behind enough of Redis' protocol for its clients and redis-cli. */
export class DbKind implements TcpKind {
  readonly protocol = "tcp";
  readonly #context: ServerContext;
  readonly #catalog = new Catalog();
  readonly #clients = new Set<Client>();
  readonly #commands: ReadonlyMap<string, CommandEntry>;
  #finishing = false;

  constructor(context: ServerContext) {
    this.#context = context;
    const any = Number.POSITIVE_INFINITY;
    this.#commands = new Map<string, CommandEntry>([
      ["PING", { words: [0, 1], run: ([text]) => (text ? bulk(text) : { kind: "simple", text: "PONG" }) }],
      ["ECHO", { words: [1, 1], run: ([text]) => bulk(text ?? "") }],
      ["GET", { words: [1, 1], run: ([key]) => this.#get(key) }],
      ["MGET", { words: [1, any], run: (keys) => array(keys.map((key) => this.#get(key))) }],
      ["EXISTS", { words: [1, any], run: (keys) => integer(keys.filter((key) => this.#film(key)).length) }],
      ["DBSIZE", { words: [0, 0], run: () => integer(this.#catalog.size) }],
      ["INFO", { words: [0, any], run: () => bulk(this.#info()) }],
      ["SLEEP", { words: [1, 1], run: ([seconds], client) => this.#sleep(seconds, client) }],
      [
        "SELECT",
        { words: [1, 1], run: ([index]) => (String(index) === "0" ? ok : errorReply("ERR no such database")) },
      ],
      ["COMMAND", { words: [0, any], run: () => emptyArray }],
      ["CLIENT", { words: [1, any], run: ([verb]) => clientCommand(String(verb)) }],
      ["HELLO", { words: [0, any], run: ([version]) => this.#hello(version) }],
    ]);
  }

  serve(connection: Connection): void {
    void this.#converse({ socket: connection.socket, busy: false });
  }

  finish(): void {
    this.#finishing = true;
    for (const client of this.#clients) if (!client.busy) client.socket.destroySoon();
  }

  drop(): void {}

  status(): Record<string, unknown> {
    return { films: this.#catalog.size };
  }

  /** Answers one command after another until either side has had enough. Never rejects.
   * A client that does not read its answers is not read from either. */
  async #converse(client: Client): Promise<void> {
    const { socket } = client;
    this.#clients.add(client);
    socket.once("close", () => this.#clients.delete(client));
    socket.setTimeout(idleTimeoutMs, () => socket.destroy());
    const parser = new CommandParser();
    try {
      for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
        parser.push(chunk as Buffer);
        client.busy = true;
        if (!(await this.#answerAll(parser, client)) || this.#finishing) break;
        client.busy = false;
      }
    } catch {
      // The client is gone: a reset is a way to leave, too.
    }
    socket.destroySoon();
  }

  /** @returns false once the connection is to be closed */
  async #answerAll(parser: CommandParser, client: Client): Promise<boolean> {
    for (;;) {
      const next = parser.next();
      if (next.state === "more") return true;
      const [name, ...words] = next.state === "done" ? next.value : [];
      const verb = (name ?? "").toString("latin1").toUpperCase();
      const reply =
        next.state === "invalid"
          ? errorReply(`ERR Protocol error: ${next.why}`)
          : verb === "QUIT"
            ? ok
            : await this.#run(verb, words, client);
      if (!reply || !(await this.#context.gate.pass(client.socket)) || client.socket.writableEnded) return false;
      this.#context.answered();
      if (!client.socket.write(encodeReply(reply))) await untilWritable(client.socket);
      if (next.state === "invalid" || verb === "QUIT") return false;
    }
  }

  /** @returns undefined if the client left meanwhile */
  async #run(verb: string, words: readonly Buffer[], client: Client): Promise<Reply | undefined> {
    const command = this.#commands.get(verb);
    if (!command) return errorReply(`ERR unknown command '${verb.slice(0, 64)}'`);
    const [min, max] = command.words;
    if (words.length < min || words.length > max) {
      return errorReply(`ERR wrong number of arguments for '${verb.toLowerCase()}' command`);
    }
    return command.run(words, client);
  }

  #film(key: Buffer | undefined) {
    const id = /^film:(\d{1,9})$/.exec(String(key))?.[1];
    return id === undefined ? undefined : this.#catalog.find(Number(id));
  }

  #get(key: Buffer | undefined): Reply {
    const film = this.#film(key);
    return film ? bulk(JSON.stringify(film)) : nullBulk;
  }

  #info(): string {
    const { server, zone, region } = this.#context.identity;
    return [
      "# Server",
      "server:watershed-replica",
      `name:${server}`,
      `zone:${zone ?? ""}`,
      `region:${region ?? ""}`,
      "# Replication",
      "role:slave",
      "# Clients",
      `connected_clients:${this.#clients.size}`,
      "# Keyspace",
      `db0:keys=${this.#catalog.size},expires=0`,
      "",
    ].join("\r\n");
  }

  async #sleep(text: Buffer | undefined, client: Client): Promise<Reply | undefined> {
    const seconds = /^\d{1,2}(?:\.\d{1,3})?$/.test(String(text)) ? Number(String(text)) : Number.NaN;
    if (!(seconds <= sleepSecondsMax)) return errorReply(`ERR seconds must be 0..${sleepSecondsMax}`);
    return (await this.#context.gate.pause(client.socket, seconds * 1_000)) ? ok : undefined;
  }

  #hello(version: Buffer | undefined): Reply {
    if (version && String(version) !== "2") return errorReply("NOPROTO unsupported protocol version");
    const facts: readonly (readonly [string, Reply])[] = [
      ["server", bulk("watershed-replica")],
      ["name", bulk(this.#context.identity.server)],
      ["proto", integer(2)],
      ["mode", bulk("standalone")],
      ["role", bulk("replica")],
      ["modules", emptyArray],
    ];
    return array(facts.flatMap(([name, value]) => [bulk(name), value]));
  }
}

function clientCommand(verb: string): Reply {
  const known = ["SETINFO", "SETNAME", "NO-EVICT", "NO-TOUCH"].includes(verb.toUpperCase());
  return known ? ok : errorReply(`ERR unknown subcommand '${verb.slice(0, 64)}'`);
}
