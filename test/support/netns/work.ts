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
  http: { takes: [method: string, url: string]; gives: { status: number; body: string } };
}
export type WorkName = keyof Work;
