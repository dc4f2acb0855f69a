import { close, open, write } from "node:fs";
import { promisify } from "node:util";
import { UsageError, codeOf, messageOf } from "#shared/core/error.ts";
import type { Clock, Timer } from "#shared/core/clock.ts";

const waitMs = 100; // how late a line may be written
const waitingBytesMax = 4_194_304; // a second of a busy node: a disk that is slower for long loses lines, not traffic
const fileBatchBytes = 65_536;
const pipeBatchBytes = 4_096; // PIPE_BUF: so much is never torn apart by what another process writes
const patienceMs = 1_000; // with a disk that hangs, when the log is closed or opened anew
const stdoutFd = 1;
const busyMs = 20; // a pipe that is full is asked again

const openFile = promisify(open);

/** @returns how many bytes were written */
function writeSome(fd: number, bytes: Buffer, from: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, bytes, from, (error, written) => (error ? reject(error) : resolve(written)));
  });
}

export interface LineWriterOptions {
  /** "stdout" or a path. */
  readonly to: string;
  readonly clock: Clock;
  /** Lines were lost: the disk is full, or too slow. */
  onDropped(lines: number, why: string): void;
}

/** Writes lines in batches and never makes anybody wait: what cannot be written in time is dropped and counted. */
export class LineWriter {
  readonly #options: LineWriterOptions;
  #lines: string[] = [];
  #bytes = 0;
  #fd = -1;
  #timer: Timer | undefined;
  #writing: Promise<void> | undefined;

  constructor(options: LineWriterOptions) {
    this.#options = options;
  }

  /** Opens the file, or opens it anew: a log rotation has moved the old one.
   * @throws {UsageError} naming the file; then the old one stays */
  async open(): Promise<void> {
    const { to } = this.#options;
    if (to === "stdout") return void (this.#fd = stdoutFd);
    let fd;
    try {
      fd = await openFile(to, "a", 0o640);
    } catch (error) {
      const why = { ENOENT: "there is no such folder", EACCES: "not permitted", EISDIR: "it is a directory" };
      const known = why[codeOf(error) as keyof typeof why];
      throw new UsageError(`accessLog.to: ${to}: ${known ?? messageOf(error)}`, { cause: error });
    }
    if (this.#fd >= 0) await this.#flushInTime(); // What was added so far belongs to the old one.
    const former = this.#fd;
    this.#fd = fd;
    if (former >= 0) close(former, () => {});
  }

  /** @param line without its end */
  add(line: string): void {
    const bytes = line.length + 1; // characters, nearly all of them ASCII: this is a bound, not an account
    if (this.#bytes + bytes > waitingBytesMax)
      return this.#options.onDropped(1, "the log cannot be written fast enough");
    this.#lines.push(line);
    this.#bytes += bytes;
    this.#timer ??= this.#options.clock.after(waitMs, () => void this.flush());
  }

  /** Resolves when what was added so far is written, or lost. */
  async flush(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.#writing;
    if (this.#lines.length === 0) return;
    this.#writing ??= this.#writeAll().finally(() => (this.#writing = undefined));
    await this.#writing;
  }

  async #flushInTime(): Promise<void> {
    let late: Timer | undefined;
    const tooLate = new Promise<void>((resolve) => (late = this.#options.clock.after(patienceMs, resolve)));
    await Promise.race([this.flush(), tooLate]);
    late?.cancel();
  }

  /** Writes what is left, for a second at most. */
  async close(): Promise<void> {
    await this.#flushInTime();
    this.#timer?.cancel();
    const fd = this.#fd;
    this.#fd = -1;
    if (fd > stdoutFd && !this.#writing) close(fd, () => {});
  }

  async #writeAll(): Promise<void> {
    const lines = this.#lines;
    this.#lines = [];
    this.#bytes = 0;
    const batchBytes = this.#fd === stdoutFd ? pipeBatchBytes : fileBatchBytes;
    for (let from = 0; from < lines.length;) {
      let text = "";
      let to = from;
      while (to < lines.length && (to === from || text.length + (lines[to]?.length ?? 0) < batchBytes))
        text += `${lines[to++]}\n`;
      try {
        await this.#write(Buffer.from(text));
      } catch (error) {
        this.#options.onDropped(to - from, messageOf(error)); // A full disk; the next batch may fit again.
      }
      from = to;
    }
  }

  async #write(bytes: Buffer): Promise<void> {
    let triesLeft = 50; // a second
    for (let at = 0; at < bytes.length;)
      try {
        at += await writeSome(this.#fd, bytes, at);
      } catch (error) {
        if (codeOf(error) !== "EAGAIN" || triesLeft-- === 0) throw error;
        await new Promise<void>((resolve) => this.#options.clock.after(busyMs, resolve));
      }
  }
}
