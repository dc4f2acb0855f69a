import { parentPort, workerData } from "node:worker_threads";
import { messageOf } from "#shared/core/error.ts";
import { createGeo } from "#shared/geo/geo.ts";
import { compileGeo, steerRules } from "./compile.ts";
import type { CompiledGeo } from "./compile.ts";
import type { TreeSource } from "./source.ts";

/** What the thread says when it is through. */
export type ThreadAnswer = { readonly compiled: CompiledGeo } | { readonly error: string };

/** The thread that compiles a tree: it takes a second of work, in which the main thread goes on answering. */
async function compile({ geo, rules }: TreeSource): Promise<ThreadAnswer> {
  try {
    return { compiled: compileGeo(await createGeo(geo), steerRules(rules)) };
  } catch (error) {
    return { error: messageOf(error) };
  }
}

const answer = await compile(workerData as TreeSource);
parentPort?.postMessage(answer, "compiled" in answer ? [answer.compiled.slots.buffer as ArrayBuffer] : []);
