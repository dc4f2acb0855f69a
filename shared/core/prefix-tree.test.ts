import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatCidr, maskAddress, parseAddress, parseCidr } from "./cidr.ts";
import { PrefixTree } from "./prefix-tree.ts";

describe("a set of networks", () => {
  const networks = fc.uniqueArray(
    fc.tuple(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.integer({ min: 0, max: 32 })).map(([bytes, prefix]) => ({
      // Few distinct bits, so that networks are nested often.
      bytes: maskAddress(
        bytes.map((byte) => byte & 0x81),
        prefix,
      ),
      prefix,
    })),
    { selector: formatCidr, maxLength: 20 },
  );

  it("the longest network wins, and inside the told prefix every address is decided the same", () => {
    fc.assert(
      fc.property(
        networks,
        fc.uint8Array({ minLength: 4, maxLength: 4 }),
        fc.uint8Array({ minLength: 4, maxLength: 4 }),
        (list, bytes, noise) => {
          const tree = new PrefixTree<number>();
          for (const cidr of list) tree.add(cidr, cidr.prefix);
          const client = bytes.map((byte) => byte & 0x81);
          const { value, matchedPrefix, uniformPrefix } = tree.find(client);
          const holds = list.filter(
            ({ bytes: network, prefix }) => maskAddress(client, prefix).join() === network.join(),
          );
          const longest = Math.max(-1, ...holds.map(({ prefix }) => prefix));
          expect(matchedPrefix).toBe(longest);
          expect(value).toBe(longest < 0 ? undefined : longest);
          const head = maskAddress(client, uniformPrefix);
          const tail = noise.map(
            (byte, i) => byte & ~(maskAddress(new Uint8Array(4).fill(255), uniformPrefix)[i] ?? 0),
          );
          const neighbour = head.map((byte, i) => byte | (tail[i] ?? 0));
          expect(tree.find(neighbour).matchedPrefix).toBe(longest);
        },
      ),
    );
  });

  it("thousands are found at once", () => {
    const many = new PrefixTree<number>();
    for (let i = 0; i < 5_000; i++) many.add(parseCidr(`10.${i >> 8}.${i & 255}.0/24`)!, i + 1);
    expect(many.find(parseAddress("10.19.135.9")!).value).toBe(19 * 256 + 135 + 1);
  });
});
