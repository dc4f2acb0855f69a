import { DatabaseSync } from "node:sqlite";
import { seededRandom } from "#shared/core/random.ts";
import type { Random } from "#shared/core/random.ts";

/** A film as a replica gives it. */
export interface Film {
  readonly id: number;
  readonly title: string;
  readonly year: number;
  readonly genre: string;
  readonly minutes: number;
  /** 1.0 .. 9.9 */
  readonly rating: number;
}

export const filmCount = 2_000;

const catalogSeed = 7; // one seed, so that every zone shows the same films
const genres = ["drama", "comedy", "thriller", "documentary", "animation", "western", "romance", "crime", "fantasy"];
const adjectives = ["Silent", "Golden", "Last", "Distant", "Broken", "Hidden", "Northern", "Burning", "Quiet", "Paper"];
const nouns = ["River", "Harbour", "Winter", "Garden", "Signal", "Mountain", "Letter", "Station", "Mirror", "Orchard"];
const places = ["", " of Lisbon", " at Midnight", " in June", " Road", " Without End", ": The Return", " by the Sea"];

/** The film catalogue, the same in every process. */
export function makeFilms(count = filmCount): readonly Film[] {
  const random = seededRandom(catalogSeed);
  return Array.from({ length: count }, (_, i) => ({
    id: i + 1,
    title: `The ${oneOf(adjectives, random)} ${oneOf(nouns, random)}${oneOf(places, random)}`,
    year: 1930 + Math.floor(random() * 96),
    genre: oneOf(genres, random),
    minutes: 70 + Math.floor(random() * 110),
    rating: Math.round(10 + random() * 89) / 10,
  }));
}

function oneOf(words: readonly string[], random: Random): string {
  return words[Math.floor(random() * words.length)] ?? "";
}

let image: Uint8Array | undefined;

/** The database file of the catalogue; made once a process, then copied by every replica. */
function catalogImage(): Uint8Array {
  if (image) return image;
  const database = new DatabaseSync(":memory:");
  database.exec(`CREATE TABLE film (id INTEGER PRIMARY KEY, title TEXT NOT NULL, year INTEGER NOT NULL,
    genre TEXT NOT NULL, minutes INTEGER NOT NULL, rating REAL NOT NULL) STRICT`);
  const insert = database.prepare("INSERT INTO film VALUES (?, ?, ?, ?, ?, ?)");
  database.exec("BEGIN");
  for (const film of makeFilms()) insert.run(film.id, film.title, film.year, film.genre, film.minutes, film.rating);
  database.exec("COMMIT");
  image = database.serialize();
  database.close();
  return image;
}

/** One replica's own copy of the catalogue, read only. */
export class Catalog {
  readonly #database: DatabaseSync;
  readonly #find;

  constructor() {
    this.#database = new DatabaseSync(":memory:");
    this.#database.deserialize(catalogImage());
    this.#database.exec("PRAGMA query_only = ON");
    this.#find = this.#database.prepare("SELECT id, title, year, genre, minutes, rating FROM film WHERE id = ?");
  }

  find(id: number): Film | undefined {
    return this.#find.get(id) as Film | undefined;
  }

  get size(): number {
    return Number(this.#database.prepare("SELECT count(*) AS films FROM film").get()?.["films"]);
  }

  close(): void {
    this.#database.close();
  }
}
