import dgram from "node:dgram";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import type { Clock, Timer } from "#shared/core/clock.ts";

export interface TelemetryClientOptions {
  /** "address:port" of forwarders that carry datagrams to the zone's sinks; none: nothing is counted. */
  readonly sinks: () => readonly string[];
  /** Own IP address. */
  readonly localAddress: string;
  readonly clock: Clock;
}

const sendEveryMs = 1_000;
const namesMax = 32; // a datagram of them fits into one packet

/** Counts, and sends what was counted by UDP, once a second, to one forwarder after the other. What is lost is lost: a counter is
 * not worth a request's time.
 * @see https://github.com/statsd/statsd/blob/master/docs/metric_types.md */
export class TelemetryClient {
  readonly #options: TelemetryClientOptions;
  readonly #counters = new Map<string, number>();
  #socket: dgram.Socket | undefined;
  #timer: Timer | undefined;
  #turn = 0;
  #sent = 0;

  constructor(options: TelemetryClientOptions) {
    this.#options = options;
  }

  /** Datagrams so far. */
  get sent(): number {
    return this.#sent;
  }

  count(name: string): void {
    if (this.#options.sinks().length === 0) return;
    if (!this.#counters.has(name) && this.#counters.size >= namesMax) return;
    this.#counters.set(name, (this.#counters.get(name) ?? 0) + 1);
    this.#timer ??= this.#options.clock.after(sendEveryMs, () => this.#send());
  }

  /** Ends; counting again begins anew. */
  drop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#counters.clear();
    this.#socket?.close();
    this.#socket = undefined;
  }

  #send(): void {
    this.#timer = undefined;
    const sinks = this.#options.sinks();
    const sink = parseSocketAddress(sinks[this.#turn++ % Math.max(1, sinks.length)] ?? "");
    if (!sink) return this.#counters.clear();
    const text = Array.from(this.#counters, ([name, value]) => `${name}:${value}|c`).join("\n");
    this.#counters.clear();
    this.#socket ??= this.#open();
    this.#socket.send(text, sink.port, sink.host, () => {});
    this.#sent++;
  }

  #open(): dgram.Socket {
    const { localAddress } = this.#options;
    const socket = dgram.createSocket(localAddress.includes(":") ? "udp6" : "udp4");
    socket.on("error", () => {
      if (this.#socket === socket) this.#socket = undefined; // No such address, no descriptor: the next second tries again.
    });
    socket.bind(0, localAddress);
    socket.unref();
    return socket;
  }
}
