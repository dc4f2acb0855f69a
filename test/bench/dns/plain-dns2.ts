import dns2 from "dns2";
import { open } from "maxmind";
import type { CountryResponse } from "maxmind";

/** A GeoDNS server as one would write it in an hour: the dns2 package's server, maxmind's lookup for every query, and a client subnet
 * answered with its scope, as the other servers here answer it. */
const { Packet } = dns2;
const [host = "127.0.0.1", port = "0", database = ""] = process.argv.slice(2);
const reader = await open<CountryResponse>(database);
const american: ReadonlySet<string> = new Set(["NA", "SA"]);

type ClientSubnet = ReturnType<typeof Packet.Resource.EDNS.ECS>;
const isSubnet = (option: { readonly ednsCode: number }): option is ClientSubnet =>
  option.ednsCode === Packet.EDNS_OPTION_CODE.ECS;

const server = dns2.createServer({
  udp: true,
  handle: (request, send, client) => {
    const response = Packet.createResponseFromRequest(request);
    response.header.aa = 1;
    const [question] = request.questions;
    const opt = request.additionals.find(({ type }) => type === Packet.TYPE.EDNS);
    const subnet = opt?.rdata?.find(isSubnet);
    const from = "address" in client && typeof client.address === "string" ? client.address : host;
    const [place, scopePrefixLength] = reader.getWithPrefixLength(subnet?.ip ?? from);
    const addresses = american.has(place?.continent?.code ?? "")
      ? ["198.51.100.1", "198.51.100.2"]
      : ["192.0.2.1", "192.0.2.2"];
    for (const address of addresses)
      response.answers.push(
        Object.assign(new Packet.Resource(), {
          name: question?.name ?? "",
          type: Packet.TYPE.A,
          class: Packet.CLASS.IN,
          ttl: 10,
          address,
        }),
      );
    if (opt) response.additionals.push(Packet.Resource.EDNS(subnet ? [{ ...subnet, scopePrefixLength }] : []));
    void send(response);
  },
});
await server.listen({ udp: { port: Number(port), address: host } });
