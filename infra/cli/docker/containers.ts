import { z } from "zod";
import { TrafficError } from "#shared/core/error.ts";
import { engineVersion, run } from "../../docker/engine.ts";
import { projectDir } from "../stack/state.ts";
import { inspectContainers, listContainers } from "./argv.ts";

const commandLimitMs = 60_000; // a stop takes up to 30 s

const containerSchema = z
  .object({
    Id: z.string(),
    Name: z.string(),
    State: z.object({
      Status: z.string(),
      ExitCode: z.number(),
      Health: z.object({ Status: z.string() }).nullish(),
    }),
    Config: z.object({ Labels: z.record(z.string(), z.string()).nullish() }),
    NetworkSettings: z.object({ Networks: z.record(z.string(), z.unknown()).nullish() }),
  })
  .transform(({ Id, Name, State, Config, NetworkSettings }) => ({
    id: Id,
    name: Name.replace(/^\//, ""),
    /** "running", "paused", "exited" ... */
    state: State.Status,
    exitCode: State.ExitCode,
    /** "healthy", "unhealthy", "starting"; null without a check */
    health: State.Health?.Status ?? null,
    /** Of the topology; null for clients. */
    node: Config.Labels?.["watershed.node"] ?? null,
    /** Name in docker-compose.yml. */
    service: Config.Labels?.["com.docker.compose.service"] ?? "",
    project: Config.Labels?.["com.docker.compose.project"] ?? "",
    /** Keys in docker-compose.yml of the networks that it is in. */
    networks: Object.keys(NetworkSettings.Networks ?? {}).map((name) => name.replace(/^watershed-/, "")),
  }));
export type Container = z.output<typeof containerSchema>;

/** What `docker container inspect` printed. */
export function parseContainers(text: string): Container[] {
  return z.array(containerSchema).parse(JSON.parse(text));
}

/** Every container of the stack, also those that have ended.
 * @throws {UsageError} saying how to get an engine, if none answers */
export async function findContainers(): Promise<Container[]> {
  const listed = await docker(listContainers(projectDir)).catch(async (error: unknown) => {
    await engineVersion(); // It says better what is missing.
    throw error;
  });
  const ids = listed.split("\n").filter((id) => id !== "");
  return ids.length === 0 ? [] : inspectThose(ids);
}

/** A container may be removed between list and look: the others are told all the same. */
async function inspectThose(ids: readonly string[]): Promise<Container[]> {
  const output = await run("docker", inspectContainers(ids), { limitMs: commandLimitMs });
  if (output.code === 0 || /no such container/i.test(output.all)) return parseContainers(output.stdout || "[]");
  throw failure(inspectContainers(ids), output.all);
}

/** Runs docker to its end.
 * @returns its standard output
 * @throws {TrafficError} with its last line, if it fails */
export async function docker(args: readonly string[]): Promise<string> {
  const output = await run("docker", args, { limitMs: commandLimitMs });
  if (output.code === 0) return output.stdout;
  throw failure(args, output.all);
}

function failure(args: readonly string[], said: string): TrafficError {
  const why = said.trim().split("\n").at(-1) ?? "";
  return new TrafficError("UPSTREAM_INVALID", `docker ${args[0]}: ${why || `no end in ${commandLimitMs / 1_000} s`}`, {
    origin: "upstream",
  });
}
