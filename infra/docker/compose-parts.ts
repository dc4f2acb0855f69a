/** Where the volume of the token is mounted. */
export const tokenFile = "/run/watershed/token";

/** Networks of a service, with its address in each. */
export function attachmentLines(attachments: ReadonlyMap<string, string>): string {
  return Array.from(attachments, ([key, address]) => `      ${key}: { ipv4_address: ${address} }`).join("\n");
}

/** Every profile of docker-compose.yml. */
export const profiles = ["countries", "chaos", "observability", "postgres"] as const;
