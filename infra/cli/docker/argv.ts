// The command lines of docker that the stack needs, without `docker` itself.
import { profiles } from "../../docker/compose-parts.ts";

/** Every container of the Compose project in a folder, also those that have ended. */
export function listContainers(projectDir: string): string[] {
  const filter = `label=com.docker.compose.project.working_dir=${projectDir}`;
  return ["ps", "--all", "--quiet", "--no-trunc", "--filter", filter];
}

export const inspectContainers = (ids: readonly string[]): string[] => ["container", "inspect", ...ids];
export const killContainer = (id: string): string[] => ["kill", id];
export const stopContainer = (id: string): string[] => ["stop", "--time", "30", id]; // as stop_grace_period
export const restartContainer = (id: string): string[] => ["restart", "--time", "2", id];
export const pauseContainer = (id: string): string[] => ["pause", id];
export const unpauseContainer = (id: string): string[] => ["unpause", id];
export const startContainer = (id: string): string[] => ["start", id];

/** @param network key in docker-compose.yml */
export function disconnectNetwork(network: string, id: string): string[] {
  return ["network", "disconnect", `watershed-${network}`, id];
}

/** Back to the address that it had: everybody else knows it by that. */
export function connectNetwork(network: string, id: string, address: string): string[] {
  return ["network", "connect", "--ip", address, `watershed-${network}`, id];
}

export const readTokenIn = (id: string): string[] => ["exec", id, "cat", "/run/watershed/token"];

/** @param lines how many of the last ones */
export const logsOf = (id: string, lines: number): string[] => ["logs", "--tail", String(lines), id];

/** A command of the command line, inside of a client. */
export function watershedIn(id: string, args: readonly string[], tty: boolean): string[] {
  const program = ["node", "infra/cli/main.ts"];
  return ["exec", ...(tty ? ["--tty"] : []), id, ...program, ...args];
}

/** Behind `docker compose` or `docker-compose`. */
export const composeUp: readonly string[] = ["up", "--detach", "--no-build"];

/** The networks go too, and so does the token: the next stack makes its own. What a profile started is in those networks. */
export function composeDown(project: string | undefined): string[] {
  const which = project === undefined ? [] : ["--project-name", project];
  return [
    ...which,
    ...profiles.flatMap((profile) => ["--profile", profile]),
    "down",
    "--volumes",
    "--remove-orphans",
    "--timeout",
    "5",
  ];
}
