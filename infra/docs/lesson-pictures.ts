import { execFileSync } from "node:child_process";
import path from "node:path";

/** The pictures of docs/lessons, each with the measurement that draws it. Run this file to draw them anew. */
const pictures: Readonly<Record<string, readonly string[]>> = {
  "queues.svg": ["queues"],
  "affinity.svg": ["affinity"],
  "algorithms-equal.svg": ["algorithms", "--case", "equal"],
  "algorithms-mixed.svg": ["algorithms", "--case", "mixed"],
  "algorithms-slow.svg": ["algorithms", "--case", "slow"],
  "checks.svg": ["checks"],
  "layers.svg": ["layers"],
};

const root = path.resolve(import.meta.dirname, "../..");

for (const [file, measure] of Object.entries(pictures)) {
  const target = path.join(root, "docs/lessons/pictures", file);
  const command = ["lesson", "measure", ...measure, "--picture", target];
  process.stdout.write(`${file}: ./watershed ${command.slice(0, -2).join(" ")}\n`);
  execFileSync(path.join(root, "watershed"), command, { stdio: ["ignore", "ignore", "inherit"] });
}
