import { expect, it } from "vitest";
import { testHost } from "#test/support/host.ts";
import { testPool } from "#test/support/pool.ts";
import { DrainWatch } from "./drain-watch.ts";

it("tells of each drain once, also where the server was back for less than the time between two looks", async () => {
  const { pool, clock, events } = testPool({ endpoints: [{ address: "10.0.0.1:80" }] });
  const told: unknown[] = [];
  events.subscribe(({ type, data }) => {
    if (type === "endpoint_empty") told.push(data["endpoint"]);
  });
  const watch = new DrainWatch(testHost({ clock, events }));
  watch.look([pool]);
  expect(told).toEqual([]);
  pool.setEndpointState("10.0.0.1:80", "draining");
  watch.look([pool]);
  watch.look([pool]);
  expect(told).toEqual(["10.0.0.1:80"]);
  await clock.advance(10);
  pool.setEndpointState("10.0.0.1:80", "enabled");
  pool.setEndpointState("10.0.0.1:80", "draining");
  watch.look([pool]);
  expect(told).toEqual(["10.0.0.1:80", "10.0.0.1:80"]);
});
