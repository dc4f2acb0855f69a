import type { ServerContext, UdpKind } from "./kind.ts";

const countersMax = 1_000; // names a zone's players send are few; a flood of made-up ones must not grow the map
const linesMax = 512; // of one datagram: 64 KiB hold no more that mean anything
const line = /^([\w.:/-]{1,128}):(-?\d{1,12}(?:\.\d{1,6})?)\|c(?:\|@(0?\.\d{1,6}|1))?(?:\|#.{0,512})?$/;

const healthQuestion = Buffer.from("health"); // a forwarder's check; no counter looks like it

/** A sink of metrics by UDP: adds up counters written as `name:value|c`, one a line.
 * @see https://github.com/statsd/statsd/blob/master/docs/metric_types.md */
export class TelemetryKind implements UdpKind {
  readonly protocol = "udp";
  readonly #context: ServerContext;
  readonly #counters = new Map<string, number>();
  #datagrams = 0;
  #malformed = 0;
  #refused = 0;

  constructor(context: ServerContext) {
    this.#context = context;
  }

  receive(datagram: Buffer, answer: (text: string) => void): void {
    if (this.#context.gate.hung) return;
    if (datagram.equals(healthQuestion)) return answer("ok");
    this.#datagrams++;
    this.#context.answered();
    const lines = datagram.toString("latin1").split("\n", linesMax);
    for (const text of lines) if (text !== "") this.#add(text);
  }

  #add(text: string): void {
    const [, name, value, rate] = line.exec(text) ?? [];
    if (name === undefined) {
      this.#malformed++;
      return;
    }
    if (!this.#counters.has(name) && this.#counters.size >= countersMax) {
      this.#refused++;
      return;
    }
    const sampled = Number(rate ?? 1);
    if (sampled > 0) this.#counters.set(name, (this.#counters.get(name) ?? 0) + Number(value) / sampled);
    else this.#malformed++;
  }

  status(): Record<string, unknown> {
    return {
      datagrams: this.#datagrams,
      malformed: this.#malformed,
      refused: this.#refused,
      counters: Object.fromEntries(this.#counters),
    };
  }

  finish(): void {}

  drop(): void {}
}
