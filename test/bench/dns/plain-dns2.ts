import dns2 from "dns2";
import { open } from "maxmind";
import type { CountryResponse } from "maxmind";

/** A GeoDNS server as one would write it in an hour: the dns2 package's server, maxmind's lookup for every query. */
const [host = "127.0.0.1", port = "0", database = ""] = process.argv.slice(2);
const reader = await open<CountryResponse>(database);
const american: ReadonlySet<string> = new Set(["NA", "SA"]);

const server = dns2.createServer({
  udp: true,
  handle: (request, send, client) => {
    const response = dns2.Packet.createResponseFromRequest(request);
    const [question] = request.questions;
    const subnet = /(\d+\.\d+\.\d+\.\d+)/.exec(JSON.stringify(request.additionals))?.[1];
    const place = reader.get(
      subnet ?? ("address" in client && typeof client.address === "string" ? client.address : host),
    );
    const addresses = american.has(place?.continent?.code ?? "")
      ? ["198.51.100.1", "198.51.100.2"]
      : ["192.0.2.1", "192.0.2.2"];
    for (const address of addresses)
      response.answers.push(
        Object.assign(new dns2.Packet.Resource(), {
          name: question?.name ?? "",
          type: dns2.Packet.TYPE.A,
          class: dns2.Packet.CLASS.IN,
          ttl: 10,
          address,
        }),
      );
    void send(response);
  },
});
await server.listen({ udp: { port: Number(port), address: host } });
