/** The last so many of something. */
export class Ring<Item> {
  readonly #items: Item[] = [];
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  push(item: Item): void {
    this.#items.push(item);
    if (this.#items.length > this.#max) this.#items.shift();
  }

  get items(): readonly Item[] {
    return this.#items;
  }

  get last(): Item | undefined {
    return this.#items.at(-1);
  }
}
