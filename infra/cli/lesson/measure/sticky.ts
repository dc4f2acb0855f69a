import { requestHttp } from "../../http-client.ts";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import { assert } from "#shared/core/error.ts";
import { fleetAddresses, startFleet } from "../fleet.ts";
import { number } from "./measure.ts";
import type { Measurement } from "./measure.ts";

const users = 40;
const visits = 5; // of each user, after the first
const timeoutMs = 2_000;

interface Visit {
  readonly server: string;
  readonly cookie: string;
  readonly status: number;
}

/** Users with and without the router's cookie, with a forged one, and after the death of their server. */
export const sticky: Measurement = {
  summary: "a sticky pool: who meets the same server again, with its cookie, without, and with a forged one",
  cases: [],
  async run() {
    const addresses = await fleetAddresses();
    const { host } = addresses;
    const router = `${host}:8080`;
    const servers = [1, 2, 3, 4].map((i) => ({ name: `web-${i}`, service: "web", address: `${host}:${9_000 + i}` }));
    await using fleet = await startFleet(addresses, [
      { name: "origin", service: "origin", config: { servers } },
      {
        name: "router",
        service: "l7-router",
        config: {
          listeners: [{ address: router }],
          routes: [{ match: {}, pool: "web" }],
          pools: {
            web: { endpoints: servers.map(({ address }) => ({ address })), sticky: { cookie: "ws", ttl: "1h" } },
          },
        },
      },
    ]);
    const first = await each((user) => visit(router, addresses.client(user), ""));
    const again = async (cookieOf: (user: number) => string) => {
      const came: { readonly user: number; readonly visit: Visit }[] = [];
      for (let i = 0; i < visits; i++) {
        const all = await each((user) => visit(router, addresses.client(user), cookieOf(user)));
        came.push(...all.map((one, user) => ({ user, visit: one })));
      }
      return came;
    };
    const ownCookie = (user: number) => first[user]?.cookie ?? "";
    const row = (name: string, came: Awaited<ReturnType<typeof again>>) => [
      name,
      String(came.length),
      percentOf(came, ({ visit: { status } }) => status === 200),
      percentOf(came, ({ user, visit: { server } }) => server === first[user]?.server),
    ];
    const rows = [
      row("with the cookie", await again(ownCookie)),
      row("without a cookie", await again(() => "")),
      row("with a forged cookie", await again((user) => forged(ownCookie(user)))),
    ];
    const dead = first[0]?.server ?? "";
    await fleet.post("origin", `/servers/${dead}/stop`);
    const mourning = (await again(ownCookie)).filter(({ user }) => first[user]?.server === dead);
    rows.push(row("with the cookie, its server stopped", mourning));
    return {
      notes: [`${users} users, four servers, ${visits} more visits each`],
      columns: [{ title: "user" }, number("visits"), number("answered"), number("same server")],
      rows,
    };
  },
};

function each<T>(act: (user: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: users }, (_, user) => act(user)));
}

function percentOf<T>(all: readonly T[], which: (one: T) => boolean): string {
  return `${Math.round((100 * all.filter(which).length) / Math.max(1, all.length))} %`;
}

/** The cookie with the first letter of its value changed: the signature no longer fits. */
function forged(cookie: string): string {
  const at = cookie.indexOf("=") + 1;
  return cookie.slice(0, at) + (cookie[at] === "A" ? "B" : "A") + cookie.slice(at + 1);
}

async function visit(router: string, localAddress: string, cookie: string): Promise<Visit> {
  const address = parseSocketAddress(router);
  assert(address, `${router} is an address of the fleet`);
  const { status, headers } = await requestHttp({
    ...address,
    method: "GET",
    target: "/",
    headers: [["Host", "shop.test"], ["Connection", "close"], ...(cookie === "" ? [] : [["Cookie", cookie] as const])],
    localAddress,
    connectTimeoutMs: timeoutMs,
    timeoutMs,
    bodyKeptBytesMax: 0,
  });
  const valueOf = (name: string) => headers.find(([key]) => key.toLowerCase() === name)?.[1] ?? "";
  return { status, server: valueOf("x-origin-server"), cookie: valueOf("set-cookie").split(";")[0] ?? "" };
}
