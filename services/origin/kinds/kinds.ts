import type { originServices } from "#shared/config/schema/origin.ts";
import { ReplicaClient } from "../replica-client.ts";
import { TelemetryClient } from "../telemetry-client.ts";
import { ApiPages } from "./api.ts";
import { DbKind } from "./db.ts";
import { HttpKind } from "./http.ts";
import { JobPages } from "./jobs.ts";
import type { Kind, ServerContext } from "./kind.ts";
import { FactsPages } from "./facts.ts";
import { StaticPages } from "./static.ts";
import { TelemetryKind } from "./telemetry.ts";
import { WebPages } from "./web.ts";

/** What a server needs of the others of its zone. */
export interface Neighbours {
  /** Where the forwarders of the zone listen for its replicas; the same array until a reload. */
  readonly replicas: () => readonly string[];
  /** Where they listen for its telemetry sinks. */
  readonly telemetry: () => readonly string[];
}

type CreateKind = (context: ServerContext, neighbours: Neighbours) => Kind;

export const kinds = {
  web: (context) => new HttpKind(context, new WebPages(context)),
  api: (context, { replicas, telemetry }) => {
    const { host: localAddress, clock, random } = context;
    const client = new ReplicaClient({ forwarders: replicas, localAddress, clock, random });
    const counters = new TelemetryClient({ sinks: telemetry, localAddress, clock });
    return new HttpKind(context, new ApiPages(client, counters));
  },
  static: (context) => new HttpKind(context, new StaticPages()),
  admin: (context) => new HttpKind(context, new FactsPages()),
  telemetry: (context) => new TelemetryKind(context),
  db: (context) => new DbKind(context),
  jobs: (context) => new HttpKind(context, new JobPages(context)),
} as const satisfies Record<(typeof originServices)[number], CreateKind>;
