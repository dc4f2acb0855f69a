import { describe, expect, it } from "vitest";
import { parseAddress } from "#shared/core/cidr.ts";
import { ecs } from "#test/support/dns.ts";
import { addressesOf, ask } from "#test/support/geodns-answers.ts";
import { snapshotOf } from "#test/support/geodns-snapshot.ts";
import { decide } from "./decide.ts";
import { parseName } from "./wire/name.ts";

describe("records of a steered name for browsers", () => {
  const https = (client: string) => {
    const question = { name: parseName("www.stream.test", "")!, type: 65, class: 1 };
    const { answers } = decide(question, { client: parseAddress(client)!, subnet: undefined }, snapshotOf());
    return answers.map(({ set }) => `${set.ttl} ${set.texts.join()}`);
  };

  it("carry alpn, port and the addresses of the client's region", () => {
    expect(https("127.49.0.7")).toEqual([
      '10 1 . alpn="h2,http/1.1" port=8443 ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1',
    ]);
    expect(https("127.1.0.7")).toEqual(['10 1 . alpn="h2,http/1.1" port=8443 ipv4hint=198.51.100.1,198.51.100.2']);
  });

  it("have the scope of the region, follow aliases, and do not turn the addresses", () => {
    const snapshot = snapshotOf();
    const first = addressesOf(ask({}, { snapshot }))!;
    expect(
      ask({ type: 65, name: "api.stream.test", edns: { options: [ecs(1, 24, [127, 49, 2])] } }, { snapshot }),
    ).toMatchObject({
      rcode: 0,
      aa: true,
      answers: [{ type: 5 }, { type: 65, ttl: 10 }],
    });
    expect(addressesOf(ask({}, { snapshot }))).toEqual([first[1], "192.0.2.3"]);
  });

  it("are no SVCB", () => {
    expect(ask({ type: 64 })).toMatchObject({ rcode: 0, answers: [], authority: [{ type: 6 }] });
  });
});

describe("a delegation", () => {
  it("is referred to: AA clear, NS and glue, scope 0", () => {
    const reply = ask({ name: "www.sub.stream.test", edns: { options: [ecs(1, 24, [127, 49, 2])] } })!;
    expect(reply).toMatchObject({ rcode: 0, aa: false, tc: false, answers: [], authority: [{ type: 2 }, { type: 2 }] });
    expect(reply.additional.map(({ type }) => type)).toEqual([1, 28, 41]);
    expect(reply.opt?.options.get(8)?.[3]).toBe(0);
  });
});
