import type { Socket } from "node:net";
import { TrafficError } from "#shared/core/error.ts";
import { readClientHello } from "./client-hello.ts";

/** Looks at the ClientHello that an accepted socket must begin with. Every byte is put back, and the socket is left paused.
 * @returns the server name, or undefined if the client names none
 * @throws {TrafficError} CLIENT_HELLO_INVALID if there is none, it is broken, the peer leaves, or `timeoutMs` passes */
export function acceptClientHello(socket: Socket, timeoutMs: number): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    if (socket.destroyed) return reject(refused("the connection is closed"));
    let got: Buffer = Buffer.alloc(0); // one hello and one read of the socket at most: readClientHello bounds it
    const stop = () => {
      clearTimeout(timer);
      socket.pause();
      socket.off("data", onData).off("end", onEnd).off("close", onEnd);
    };
    const fail = (why: string) => {
      stop();
      reject(refused(why));
    };
    const onData = (chunk: Buffer) => {
      got = got.length === 0 ? chunk : Buffer.concat([got, chunk]);
      const result = readClientHello(got);
      if (result.state === "more") return;
      if (result.state === "invalid") return fail(result.why);
      stop();
      socket.unshift(got);
      resolve(result.name);
    };
    const onEnd = () => fail(`the connection ended after ${got.length} bytes`);
    const timer = setTimeout(() => fail(`no whole ClientHello in ${timeoutMs} ms`), timeoutMs);
    socket.on("data", onData).on("end", onEnd).on("close", onEnd);
    socket.resume();
  });
}

function refused(why: string): TrafficError {
  return new TrafficError("CLIENT_HELLO_INVALID", `ClientHello: ${why}`, { origin: "downstream" });
}

/** Which pool a server name leads to: exact, or "*.example.org" for every name below; undefined if none. */
export function poolOfName(name: string | undefined, routes: Readonly<Record<string, string>>): string | undefined {
  if (name === undefined) return undefined;
  if (Object.hasOwn(routes, name)) return routes[name];
  for (let dot = name.indexOf("."); dot >= 0; dot = name.indexOf(".", dot + 1)) {
    const wildcard = `*${name.slice(dot)}`;
    if (Object.hasOwn(routes, wildcard)) return routes[wildcard];
  }
  return undefined;
}
