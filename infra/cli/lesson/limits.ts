/** Of the commands of one block; the longest, a region lost and back, takes half of it. */
export const commandsMs = 60_000;
