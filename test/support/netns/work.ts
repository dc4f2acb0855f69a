/** What an agent in a namespace can be told to do. */
export interface Work {
  ready: { takes: []; gives: boolean };
  run: { takes: [program: string, args: readonly string[], input?: string]; gives: string };
  serve: { takes: [host: string, port: number, name: string]; gives: void };
  digest: { takes: [host: string, port: number]; gives: void };
  serveUdp: { takes: [host: string, port: number, name: string]; gives: void };
  stop: { takes: [protocol: "tcp" | "udp", host: string, port: number]; gives: void };
  ask: { takes: [address: string, times: number, options?: { from?: string; limitMs?: number }]; gives: string[] };
  askUdp: {
    takes: [address: string, times: number, options?: { from?: string; oneSocket?: boolean; text?: string }];
    gives: string[];
  };
  hold: { takes: [address: string, count: number]; gives: { id: number; greeting: string }[] };
  echo: { takes: [ids: readonly number[]]; gives: number };
  drop: { takes: [ids: readonly number[]]; gives: void };
  send: { takes: [address: string, bytes: number, chunkBytes: number]; gives: { sent: string; got: string } };
  /** A server that resets whoever says "reset", and remembers how each connection ended. */
  serveEnds: { takes: [host: string, port: number]; gives: void };
  /** How those that it saw have ended, the first one first. */
  endsSeen: { takes: []; gives: ("end" | "reset")[] };
  /** Says a word, and ends as told once it came back. @returns how the other side ended */
  talk: { takes: [address: string, word: string, then: "end" | "reset" | "wait"]; gives: "end" | "reset" };
  /** A server that sends so many zeros to everybody. */
  flood: { takes: [host: string, port: number, bytes: number]; gives: void };
  /** Opens connections that read nothing: their numbers. */
  holdUnread: { takes: [address: string, count: number]; gives: number[] };
  /** Reads them to their end. @returns bytes of each */
  drainUnread: { takes: [ids: readonly number[]]; gives: number[] };
  serveWebSocket: { takes: [host: string, port: number, name: string]; gives: void };
  /** Opens WebSockets that stay: their numbers, and the first message of each. */
  holdWebSockets: { takes: [address: string, count: number]; gives: { id: number; greeting: string }[] };
  /** Sends so many bytes over each, binary. @returns how many came back unchanged */
  echoWebSockets: { takes: [ids: readonly number[], bytes: number]; gives: number };
  /** @returns the close codes that the clients saw */
  closeWebSockets: { takes: [ids: readonly number[]]; gives: number[] };
  http: { takes: [method: string, url: string]; gives: { status: number; body: string } };
}
export type WorkName = keyof Work;
