const pollMs = 20;

/** Waits for something that nobody announces, such as the end of a process that is not our child.
 * @returns false if it was not so within `limitMs` */
export async function waitUntil(holds: () => boolean, limitMs: number): Promise<boolean> {
  const deadlineMs = performance.now() + limitMs;
  while (!holds()) {
    if (performance.now() > deadlineMs) return false;
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  return true;
}
