import { ConfigError, expectation } from "#shared/config/error.ts";
import type { Problem } from "#shared/config/error.ts";
import { readBytes } from "#shared/config/read-bytes.ts";
import { maskAddress, formatCidr, parseAddress, parseCidr } from "#shared/core/cidr.ts";
import { PrefixTree } from "#shared/core/prefix-tree.ts";

const fileBytesMax = 64 * 1_048_576; // some million networks; it is read in one go, and the process waits
const networksMax = 1_000_000; // single IPv4 addresses take about 200 bytes each once they are a tree

/** The networks of a deny file, each with the line where it stands. */
export interface DeniedNetworks {
  readonly tree: PrefixTree<number>;
  readonly count: number;
}

/** Reads a deny file: a network or an address a line; # begins a comment.
 * @throws {ConfigError} with line and column of everything that is wrong */
export function readDenyFile(file: string): DeniedNetworks {
  const fail = (message: string): never => {
    throw new ConfigError([{ file, path: "", message }]);
  };
  return parseDenyFile(readBytes(file, fileBytesMax, fail).toString("utf8"), file);
}

/** @throws {ConfigError} as above
 * @param file stands in the errors */
export function parseDenyFile(text: string, file: string): DeniedNetworks {
  const tree = new PrefixTree<number>();
  const problems: Problem[] = [];
  let count = 0;
  for (const [i, line] of text.split("\n").entries()) {
    const written = line.replace(/#.*/s, "");
    const network = written.trim();
    if (network === "") continue;
    const cidr = parseCidr(network);
    count++;
    if (cidr && count <= networksMax) tree.add(cidr, i + 1);
    else problems.push(problemOf(network, { file, line: i + 1, column: written.search(/\S/) + 1 }, count));
    if (count > networksMax) break;
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return { tree, count };
}

function problemOf(network: string, place: Pick<Problem, "file" | "line" | "column">, count: number): Problem {
  if (count > networksMax)
    return { ...place, path: "", message: `there are more than ${networksMax.toLocaleString("en")} networks` };
  const expected = "a network such as 192.0.2.0/24 or 2001:db8::/32, or an address";
  const [address = "", prefix = ""] = network.split("/");
  const bytes = /^\d{1,3}$/.test(prefix) ? parseAddress(address) : undefined;
  const isLong = bytes !== undefined && Number(prefix) > bytes.length * 8;
  const nearest =
    bytes && !isLong ? formatCidr({ bytes: maskAddress(bytes, Number(prefix)), prefix: Number(prefix) }) : "";
  const hint = nearest === "" ? undefined : `bits are set behind the prefix; did you mean ${nearest}?`;
  const got = JSON.stringify(network.slice(0, 80));
  return { ...place, path: "", expected, got, message: expectation({ expected, got, hint }) };
}
