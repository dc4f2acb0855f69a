/** What `GET /status` of a node says where several processes share its sockets: what the first one says, with what is under
 * way in all of them added up.
 * @param counted keys whose numbers are added up, or all numbers below them. Members of a list are found by their address
 * or name, for a reload may be under way in one of them */
export function joinStatus(own: unknown, others: readonly unknown[], counted: ReadonlySet<string>): unknown {
  return join(own, others, counted, false);
}

function join(own: unknown, others: readonly unknown[], counted: ReadonlySet<string>, isCounted: boolean): unknown {
  if (typeof own === "number")
    return isCounted ? others.reduce<number>((sum, other) => sum + numberOf(other), own) : own;
  if (Array.isArray(own))
    return own.map((member: unknown) =>
      join(
        member,
        others.map((other) => alike(member, other)),
        counted,
        isCounted,
      ),
    );
  if (!isRecord(own)) return own;
  const joined = Object.entries(own).map(([key, value]) => {
    const values = others.map((other) => (isRecord(other) ? other[key] : undefined));
    return [key, join(value, values, counted, isCounted || counted.has(key))] as const;
  });
  return Object.fromEntries(joined);
}

function alike(member: unknown, list: unknown): unknown {
  const name = nameOf(member);
  return Array.isArray(list) && name !== undefined ? list.find((other) => nameOf(other) === name) : undefined;
}

function nameOf(member: unknown): unknown {
  return isRecord(member) ? (member["address"] ?? member["name"]) : undefined;
}

function numberOf(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
