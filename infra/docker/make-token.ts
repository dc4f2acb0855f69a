// Makes the token of the admin API at the first start; later starts keep it.
import { randomBytes } from "node:crypto";
import { existsSync, renameSync, writeFileSync } from "node:fs";

const file = process.argv[2];
if (file === undefined) {
  process.stderr.write("usage: make-token.ts FILE\n");
  process.exit(2);
}
if (existsSync(file)) {
  process.stdout.write(`${file}: kept\n`);
} else {
  // In one step: whoever reads finds no file or the whole token. The owner is the user of every image.
  writeFileSync(`${file}.new`, `${randomBytes(32).toString("base64url")}\n`, { mode: 0o440 });
  renameSync(`${file}.new`, file);
  process.stdout.write(`${file}: made\n`);
}
