import { beforeAll, describe, expect, inject, it } from "vitest";
import { ContainerStack, clients } from "./stack.ts";

const why = inject("whyNoContainers");

describe.skipIf(why !== "")(`the stack in containers ${why}`, () => {
  let stack: ContainerStack;
  beforeAll(async () => {
    const t = performance.now();
    stack = await ContainerStack.get();
    console.log(`up in ${performance.now() - t}`);
  });
  it("is up", async () => {
    expect(clients.length).toBe(2);
    const t = performance.now();
    await stack.settled(stack.nodes.map(({ name }) => name), stack.nodes.map(({ name }) => name));
    console.log(`settled in ${performance.now() - t}`);
  });
});
