import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { UsageError, assert, messageOf } from "#shared/core/error.ts";
import type { MetricsSnapshot } from "#shared/observe/metrics.ts";
import type { Host, NodeConfig } from "./service.ts";
import { workerVariable } from "./worker.ts";
import type { FromWorker, ToWorker } from "./worker-messages.ts";

const restartMs = 1_000; // a worker that dies at once must not be started in a tight loop
const answerMsMax = 10_000; // a worker that hangs must not hang the admin API
const readMsMax = 1_000; // nor what is asked for each second
const changesMax = 4_096; // of endpoints, routes and the like that an operator has set since the start

type Question<Config> = ToWorker<Config> extends infer One ? (One extends unknown ? Omit<One, "id"> : never) : never;

/** A request that changed something, as the admin API got it. */
interface Change {
  readonly method: string;
  readonly path: string;
  readonly body: string;
}

/** Of "/pools/web/endpoints/a:80/drain" all but the verb. */
function subjectOf(path: string): string {
  const plain = path.replace(/\?.*/s, "");
  return plain.split("/").length > 3 ? plain.replace(/\/[^/]*$/, "") : plain;
}

/** How many processes answer on the sockets of a node. */
export function workerCount({ workers = 1 }: NodeConfig): number {
  return workers === 0 ? availableParallelism() : workers;
}

/** One further process that answers on the same sockets. */
class Worker<Config> {
  readonly process: ChildProcess;
  readonly exited: Promise<unknown>;
  readonly #host: Host;
  readonly #waiting = new Map<number, { resolve(answer: FromWorker): void; reject(error: Error): void }>();
  #nextId = 1;

  constructor(host: Host) {
    this.#host = host;
    const [, entry] = process.argv;
    assert(entry, "a service is started by its file");
    this.process = fork(entry, { env: { ...process.env, [workerVariable]: "1" }, serialization: "advanced" });
    this.exited = once(this.process, "exit");
    this.process.on("error", () => {}); // "exit" or the answer that does not come says the rest
    this.process.on("message", (message: FromWorker) => this.#heard(message));
    void this.exited.then(() => {
      for (const waiting of this.#waiting.values()) waiting.reject(new Error("the worker ended"));
    });
  }

  /** @throws {UsageError} for what the operator must mend */
  async ask(question: Question<Config>): Promise<FromWorker> {
    const id = this.#nextId++;
    const answered = new Promise<FromWorker>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    const late = this.#host.clock.after(question.ask === "read" ? readMsMax : answerMsMax, () =>
      this.#waiting.get(id)?.reject(new Error("the worker does not answer")),
    );
    try {
      if (this.process.connected) this.process.send({ id, ...question });
      else throw new Error("the worker has ended");
      const answer = await answered;
      if (!("error" in answer) || answer.error === undefined) return answer;
      throw answer.isUsage ? new UsageError(answer.error) : new Error(answer.error);
    } finally {
      late.cancel();
      this.#waiting.delete(id);
    }
  }

  #heard(message: FromWorker): void {
    const { decisions, events } = this.#host;
    if (message.id === "decision") decisions.record(message.name, message.decision);
    else if (message.id === "event") events.emit(message.type, { ...message.data, worker: this.process.pid });
    else this.#waiting.get(message.id)?.resolve(message);
  }
}

/** The workers of a node, started and replaced by its first process, which has a share of the traffic itself. */
export class Workers<Config> {
  readonly #count: number;
  readonly #host: Host;
  readonly #running = new Set<Worker<Config>>();
  readonly #changes = new Map<string, Change>();
  #config: Config | undefined;
  #stopping = false;

  constructor(count: number, host: Host) {
    this.#count = count;
    this.#host = host;
  }

  /** @throws {UsageError} what a worker cannot be started with; then none is left */
  async start(config: Config): Promise<void> {
    this.#config = config;
    try {
      await Promise.all(Array.from({ length: this.#count }, () => this.#startOne()));
    } catch (error) {
      await this.stop("SIGKILL");
      throw error;
    }
  }

  /** All of them, or as many as live: one that dies meanwhile comes back with the new config. */
  async reload(config: Config): Promise<void> {
    this.#config = config;
    await this.#askAll({ ask: "reload", config });
  }

  /** Does what the admin API did to the first process. */
  async change(request: Change): Promise<void> {
    this.#remember(request);
    await this.#askAll({ ask: "change", ...request });
  }

  /** The last word on each thing: a worker that comes later is told all of them. */
  #remember(request: Change): void {
    const key = subjectOf(request.path);
    this.#changes.delete(key);
    this.#changes.set(key, request);
    const [oldest] = this.#changes.keys();
    if (this.#changes.size > changesMax && oldest !== undefined) this.#changes.delete(oldest);
  }

  /** What the admin API of each of them answers to a GET, where that is a success. */
  async read(path: string): Promise<readonly unknown[]> {
    const answers = await this.#askAll({ ask: "read", path });
    return answers.flatMap((one) => ("text" in one && one.text !== undefined ? [JSON.parse(one.text) as unknown] : []));
  }

  async metrics(): Promise<readonly MetricsSnapshot[]> {
    const answers = await this.#askAll({ ask: "metrics" });
    return answers.flatMap((answer) => ("metrics" in answer && answer.metrics ? [answer.metrics] : []));
  }

  status(): readonly { readonly pid: number | undefined }[] {
    return [...this.#running].map(({ process }) => ({ pid: process.pid }));
  }

  /** Tells all of them to end, and resolves when they have. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    this.#stopping = true;
    for (const { process } of this.#running) process.kill(signal);
    await Promise.all([...this.#running].map(({ exited }) => exited));
  }

  async #startOne(): Promise<void> {
    const worker = new Worker<Config>(this.#host);
    this.#running.add(worker);
    void worker.exited.then(() => this.#lost(worker));
    assert(this.#config, "a config comes before the first worker");
    await worker.ask({ ask: "start", config: this.#config, seed: this.#host.seed });
    for (const change of this.#changes.values())
      await worker.ask({ ask: "change", ...change }).catch((error: unknown) => {
        const { path } = change; // Such as an endpoint that has left the config since.
        this.#host.log.warn({ path, error: messageOf(error) }, "change_not_repeated");
      });
  }

  #lost(worker: Worker<Config>): void {
    this.#running.delete(worker);
    if (this.#stopping) return;
    const { log, metrics, clock } = this.#host;
    log.error({ pid: worker.process.pid }, "worker_lost");
    metrics.count("watershed_worker_restarts_total", {});
    clock.after(restartMs, () => {
      if (!this.#stopping)
        this.#startOne().catch((error: unknown) => log.error({ error: String(error) }, "worker_not_started"));
    });
  }

  async #askAll(question: Question<Config>): Promise<readonly FromWorker[]> {
    const asked = await Promise.allSettled([...this.#running].map((worker) => worker.ask(question)));
    for (const answer of asked)
      if (answer.status === "rejected")
        this.#host.log.error({ error: String(answer.reason), ask: question.ask }, "worker_refused");
    return asked.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
  }
}
