/** Header lines as they came: name, value, name, value ... Order, case and repeats are kept. */
export type HeaderList = readonly string[];

/** Every value of a header, in order. `name` in lower case. */
export function valuesOf(headers: HeaderList, name: string): string[] {
  const values: string[] = [];
  for (let i = 0; i < headers.length; i += 2) if (isNamed(headers, i, name)) values.push(headers[i + 1] ?? "");
  return values;
}

/** The first value of a header. `name` in lower case. */
export function valueOf(headers: HeaderList, name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) if (isNamed(headers, i, name)) return headers[i + 1] ?? "";
  return undefined;
}

function isNamed(headers: HeaderList, index: number, name: string): boolean {
  const key = headers[index] ?? "";
  return key.length === name.length && key.toLowerCase() === name;
}

/** The members of a comma-separated header over all its lines, trimmed, lower case, without empty ones. */
export function tokensOf(headers: HeaderList, name: string): string[] {
  const tokens: string[] = [];
  for (const value of valuesOf(headers, name))
    for (const part of value.split(",")) {
      const token = part.trim().toLowerCase();
      if (token !== "") tokens.push(token);
    }
  return tokens;
}
