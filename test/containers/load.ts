// A load generator. It runs inside the client containers: node --eval TEXT SITE PATHS WORKERS, so it imports nothing of ours.
//
// Each worker is a client as browsers are: it asks the name servers of its resolv.conf and keeps the answer for its TTL,
// sends one GET after the other, each on a connection of its own, and tries the next address where one is silent.
// It prints one JSON object a line; "report" on its input asks for one, the end of its input ends it.
import { Resolver } from "node:dns/promises";
import http from "node:http";
import { createInterface } from "node:readline";

const [site = "", wanted = "/", workers = "1"] = process.argv.slice(1);
const paths = wanted.split(","); // asked for in turn

const connectLimitMs = 1_000;
const answerLimitMs = 5_000; // longer than three attempts of a router of 1 s each
const pauseMs = 50;
const tickMs = 500;
const lifeMs = 900_000; // whoever started it may be gone
const failuresShownMax = 100;

const counts = {
  requests: 0,
  /** No address answered, or one answered anything but 200. */
  failed: 0,
  /** Went on to the next address because this one took no connection. */
  unconnected: 0,
  /** Went on to the next address because this one took the request and gave no whole answer. */
  unanswered: 0,
  regions: {} as Record<string, number>,
};
let over = false;

function print(kind: string, fields: object): void {
  process.stdout.write(`${JSON.stringify({ kind, ...fields })}\n`);
}

interface Answers {
  addresses: string[];
  readonly untilMs: number;
}

async function work(): Promise<void> {
  const resolver = new Resolver({ timeout: 1_000, tries: 2 });
  let answers: Answers = { addresses: [], untilMs: 0 };
  while (!over) {
    const startedMs = performance.now();
    counts.requests++;
    try {
      if (startedMs >= answers.untilMs) answers = await resolve(resolver);
      const region = await getFromAny(answers, paths[counts.requests % paths.length] ?? "/");
      counts.regions[region] = (counts.regions[region] ?? 0) + 1;
    } catch (error) {
      if (counts.failed++ < failuresShownMax)
        print("failure", { tookMs: performance.now() - startedMs, what: String(error) });
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

async function resolve(resolver: Resolver): Promise<Answers> {
  const records = await resolver.resolve4(site, { ttl: true });
  const ttlSeconds = Math.min(...records.map(({ ttl }) => ttl));
  return { addresses: records.map(({ address }) => address), untilMs: performance.now() + ttlSeconds * 1_000 };
}

/** An address that fails is tried last from then on, until the name is resolved anew. */
async function getFromAny(answers: Answers, path: string): Promise<string> {
  const said: string[] = [];
  for (const address of answers.addresses) {
    try {
      return await get(address, path);
    } catch (error) {
      if (!(error instanceof Silence)) throw error;
      said.push(`${address}: ${error.message}`);
      answers.addresses = [...answers.addresses.filter((one) => one !== address), address];
      if (said.length < answers.addresses.length) counts[error.connected ? "unanswered" : "unconnected"]++;
    }
  }
  throw new Error(said.join("; "));
}

/** One address did not answer: the next one may be tried, as a GET is safe. */
class Silence extends Error {
  readonly connected: boolean;
  constructor(message: string, connected: boolean) {
    super(message);
    this.connected = connected;
  }
}

/** @returns the region that answered */
function get(address: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let connected = false;
    const request = http.get({ host: address, path, headers: { host: site }, agent: false });
    const limit = (ms: number) => setTimeout(() => request.destroy(new Error(`silent for ${ms} ms`)), ms);
    let timer = limit(connectLimitMs);
    const fail = (error: Error) => {
      clearTimeout(timer);
      reject(new Silence(error.message, connected));
    };
    request.on("error", fail);
    request.on("socket", (socket) =>
      socket.on("connect", () => {
        connected = true;
        clearTimeout(timer);
        timer = limit(answerLimitMs);
      }),
    );
    request.on("response", (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.on("error", fail);
      response.on("end", () => {
        clearTimeout(timer);
        if (response.statusCode === 200) resolve((JSON.parse(body) as { region: string }).region);
        else reject(new Error(`${address}: ${response.statusCode} ${body.slice(0, 200)}`));
      });
    });
  });
}

const ticks = setInterval(() => print("tick", counts), tickMs);
const life = setTimeout(end, lifeMs);
const input = createInterface({ input: process.stdin });
input.on("line", () => print("report", counts));
input.on("close", end);

function end(): void {
  over = true;
  clearTimeout(life);
  input.close();
}

await Promise.all(Array.from({ length: Number(workers) }, work));
clearInterval(ticks);
print("report", counts);
