import { describe, expect, it } from "vitest";
import { cookieSecretsOf } from "./cookie.ts";
import { sipHash24 } from "./siphash.ts";

/** Key 00 01 .. 0f, input 00 01 .. up to each length. From vectors.h of the reference implementation (SipHash-2-4, 64 bits). */
const reference = [
  { length: 0, hash: "310e0edd47db6f72" },
  { length: 1, hash: "fd67dc93c539f874" },
  { length: 7, hash: "37d1018bf50002ab" },
  { length: 8, hash: "6224939a79f5f593" },
  { length: 15, hash: "e545be4961ca29a1" },
  { length: 63, hash: "724506eb4c328a95" },
];

describe("SipHash-2-4", () => {
  it.each(reference)("of $length bytes is that of the reference implementation", ({ length, hash }) => {
    const counting = Uint8Array.from({ length: 64 }, (_, i) => i);
    const output = new Uint8Array(10).fill(0xee);
    sipHash24(cookieSecretsOf([counting.subarray(0, 16)]), 0, counting, length, output, 1);
    expect(Buffer.from(output).toString("hex")).toBe(`ee${hash}ee`);
  });
});
