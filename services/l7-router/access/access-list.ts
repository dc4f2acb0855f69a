import path from "node:path";
import type { AccessConfig } from "#shared/config/schema/access.ts";
import { parseAddress, parseCidr } from "#shared/core/cidr.ts";
import type { AddressBytes } from "#shared/core/cidr.ts";
import { PrefixTree } from "#shared/core/prefix-tree.ts";
import type { DeniedNetworks } from "./deny-file.ts";

/** A deny file as it is now: what it holds changes under whoever asks it. */
export interface DenyFile {
  readonly file: string;
  readonly networks: DeniedNetworks;
}

/** Which clients get in by a listener, or at a route. */
export class AccessList {
  readonly #allow: PrefixTree<string> | undefined;
  readonly #deny: PrefixTree<string> | undefined;
  readonly #file: DenyFile | undefined;

  /** @param file that of the config, if it names one */
  constructor({ allow, deny }: AccessConfig, file: DenyFile | undefined) {
    this.#allow = allow && treeOf(allow);
    this.#deny = deny && treeOf(deny);
    this.#file = file;
  }

  /** Why a client stays out, for the operator; undefined if it gets in.
   * @param address in text; what is none is in no network */
  whyDenied(address: string): string | undefined {
    return this.whyOut(parseAddress(address));
  }

  whyOut(bytes: AddressBytes | undefined): string | undefined {
    const denied = bytes && this.#deny?.find(bytes).value;
    if (denied !== undefined) return `deny has ${denied}`;
    const line = bytes && this.#file?.networks.tree.find(bytes).value;
    if (this.#file && line !== undefined) return `line ${line} of ${path.basename(this.#file.file)} has it`;
    if (!this.#allow) return undefined;
    return bytes && this.#allow.find(bytes).value !== undefined ? undefined : "no network of allow has it";
  }
}

function treeOf(networks: readonly string[]): PrefixTree<string> {
  const tree = new PrefixTree<string>();
  for (const network of networks) {
    const cidr = parseCidr(network);
    if (cidr) tree.add(cidr, network);
  }
  return tree;
}
