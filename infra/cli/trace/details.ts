import type { CandidateReport, Choice } from "#shared/endpoint/status.ts";
import { paintForStdout, printable, renderTable, stateCell } from "../table.ts";
import type { Cell, Column } from "../table.ts";
import { formatAge, formatTook } from "../text.ts";
import type { ConnectionRecord } from "./records.ts";
import type { DnsDecision } from "./decisions.ts";
import type { Trace } from "./trace.ts";

/** Every tier's recorded decision, with the candidates it had and why the others were not taken; then the answer.
 * @param body whether its body is shown whole */
export function detailText(trace: Trace, { body = false }: { body?: boolean | undefined } = {}): string {
  const connections = trace.connections.map(connectionText);
  return [dnsText(trace), httpText(trace), ...connections, answerText(trace, body)]
    .filter((part) => part !== "")
    .join("\n");
}

function dnsText({ dns, target }: Trace): string {
  if (!dns) return "";
  const failures = dns.failures.map(({ server, reason, message }) => `  ${server.name}: ${reason}, ${message}`);
  if (!dns.answer || !dns.server) return lines("GeoDNS  no answer", ...failures);
  const { rcode, ttlSeconds, addresses } = dns.answer;
  const ttl = ttlSeconds === null ? "" : `, TTL ${ttlSeconds} s`;
  const head = `GeoDNS  ${dns.server.name}: ${target.host} A: ${rcode}, ${addresses.length} addresses${ttl}, in ${formatTook(dns.tookMs)}`;
  const decision = dns.record?.decision;
  if (!decision) return lines(head, ...failures, `  no record: ${dns.record?.missing}`);
  const { place, source, decidedBy } = decision;
  const where = place
    ? `  client in ${place.country ?? "an unknown country"}, continent ${place.continent ?? "unknown"}: ${source?.kind} ${source?.network ?? ""} by ${decidedBy === "ecs" ? "client subnet" : "source address"}`
    : "";
  const rows = decision.regions.flatMap(({ region: name, healthy, reason: why, addresses: each }): Cell[][] => [
    [name === decision.region ? "→" : "", name, stateCell(healthy ? "up" : "down"), why],
    ...each.map((one) => ["", `  ${one.address}`, stateCell(one.state), one.reason]),
  ]);
  const table = rows.length > 0 ? indent(renderTable(regionColumns, rows, paintForStdout)) : "";
  return lines(head, ...failures, where, `  ${decision.rule} → ${outcomeText(decision, rcode)}`) + table;
}

/** "eu-west (OK)"; of a name that leads to no region what was answered, and why. */
function outcomeText({ region, regions, reason }: DnsDecision, rcode: string): string {
  if (regions.length === 0) return reason === "OK" ? rcode : `${rcode} (${reason})`;
  return `${region ?? "no single region"} (${reason})`;
}

const regionColumns: readonly Column[] = [{ title: "" }, { title: "region" }, { title: "state" }, { title: "reason" }];

function httpText({ http, tries }: Trace): string {
  const failed = tries
    .filter(({ outcome }) => outcome !== "OK")
    .map(({ address, outcome, message }) => `  client's try at ${address}: ${outcome}, ${message ?? ""}`);
  if (!http) return failed.length > 0 ? lines("L7  no answer", ...failed) : "";
  const { decision } = http;
  if (!decision) return lines(`L7  ${http.node}`, ...failed, `  no record: ${http.missing}`);
  const route = decision.route ? `route ${decision.route.index} ${JSON.stringify(decision.route.match)}` : "no route";
  const head = `L7  ${http.node}: ${route}${decision.pool ? ` → pool ${decision.pool}` : ""}`;
  const id = decision.requestId ? [`  request id ${decision.requestId}`] : [];
  const attempts = decision.attempts.map((attempt, i) => {
    const connection = attempt.connection
      ? `, connection ${attempt.connection} (${attempt.reused ? "kept alive" : "new"})`
      : "";
    return attemptText(i + 1, attempt.choice, `${attempt.outcome} in ${formatTook(attempt.tookMs)}${connection}`);
  });
  return lines(head, ...failed, ...id) + attempts.join("");
}

function connectionText({ attempt, connection, record }: ConnectionRecord): string {
  if (!record) return lines(`L4  attempt ${attempt} went to no forwarder of this topology`);
  const { decision } = record;
  if (!decision) return lines(`L4  ${record.node}: connection ${connection}`, `  no record: ${record.missing}`);
  const age = decision.ageMs === undefined ? "" : `, opened ${formatAge(decision.ageMs)} ago`;
  const head = `L4  ${record.node}: connection ${connection}${age}, pool ${decision.pool}`;
  const attempts = decision.attempts.map(({ choice, outcome, tookMs }, i) => {
    if (decision.mode === "kernel") return attemptText(i + 1, choice, outcome, "the kernel chose among its slots");
    return attemptText(i + 1, choice, tookMs === null ? outcome : `${outcome} in ${formatTook(tookMs)}`);
  });
  return lines(head) + attempts.join("");
}

const candidateColumns: readonly Column[] = [
  { title: "" },
  { title: "endpoint" },
  { title: "name" },
  { title: "zone" },
  { title: "reason" },
  { title: "active", align: "right" },
  { title: "weight", align: "right" },
];

function attemptText(
  number: number,
  choice: Choice | null | undefined,
  outcome: string,
  why = "the candidates are not known any more",
): string {
  if (!choice) return lines(`  attempt ${number}: nobody could be chosen: ${outcome}`);
  const picked = choice.name ?? choice.address ?? "nobody";
  const head = lines(`  attempt ${number}: ${picked} by ${choice.balance} (${reasonText(choice)}): ${outcome}`);
  if (choice.candidates.length === 0) return head + lines(`    ${why}`);
  return head + indent(renderTable(candidateColumns, choice.candidates.map(candidateRow), paintForStdout));
}

function reasonText({ reason }: Choice): string {
  return reason === "PANIC" ? "PANIC: too few are eligible, so others are used too" : reason;
}

function candidateRow(candidate: CandidateReport): Cell[] {
  const { reason, picked, address, name, zone, active, weight } = candidate;
  const why: Cell = reason === "OK" ? { text: reason, colour: "green" } : { text: reason, colour: "yellow" };
  return [picked ? "→" : "", address, name, zone ?? "", why, String(active), String(weight)];
}

const bodyCharsMax = 300; // of what people look at to know what answered

function answerText({ answer }: Trace, whole: boolean): string {
  if (!answer) return lines("No answer came.");
  const { status, bodyBytes, complete, connectMs, firstByteMs, tookMs } = answer;
  const times = `connected after ${formatTook(connectMs)}, first byte ${formatTook(firstByteMs)}, all ${formatTook(tookMs)}`;
  const headers = answer.headers.map(([name, value]) => `  ${name}: ${value}`);
  const kept = answer.body.toString("utf8");
  const shown = whole ? kept : kept.slice(0, bodyCharsMax).replace(/[\uD800-\uDBFF]$/, ""); // No half of a character.
  const isCut = shown !== kept || bodyBytes > answer.body.length;
  const rest = isCut ? [`  ${bodyBytes} bytes in all${whole ? "" : "; --body shows them"}`] : [];
  const cut = complete ? "" : ", cut before its end";
  return lines(
    `Answer  ${status}, ${bodyBytes} bytes${cut}; ${times}`,
    ...headers,
    ...`${shown}${isCut ? "…" : ""}`.split("\n").map((line) => `  ${line}`),
    ...rest,
  );
}

function lines(...parts: readonly string[]): string {
  return parts
    .filter((part) => part.trim() !== "")
    .map((part) => `${printable(part)}\n`)
    .join("");
}

function indent(text: string): string {
  return text.replaceAll(/^(?=.)/gm, "    ");
}
