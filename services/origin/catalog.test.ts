import { describe, expect, it } from "vitest";
import { Catalog, filmCount, makeFilms } from "./catalog.ts";

describe("film catalogue", () => {
  it("is the same in every process", () => {
    expect(makeFilms(20)).toEqual(makeFilms(20));
    expect(makeFilms(1)).toEqual([
      { id: 1, title: "The Silent River by the Sea", year: 1997, genre: "animation", minutes: 114, rating: 5.1 },
    ]);
  });

  it("gives films by id out of the database as they were made", () => {
    const catalog = new Catalog();
    const films = makeFilms();
    expect(catalog.size).toBe(filmCount);
    expect(films.map((film) => catalog.find(film.id))).toEqual(films);
    expect(catalog.find(filmCount + 1)).toBeUndefined();
    catalog.close();
  });

  it("has films of sensible years, lengths and ratings", () => {
    for (const film of makeFilms()) {
      expect(film.year).toSatisfy((year: number) => year >= 1930 && year <= 2025);
      expect(film.minutes).toSatisfy((minutes: number) => minutes >= 70 && minutes < 180);
      expect(film.rating).toSatisfy((rating: number) => rating >= 1 && rating <= 9.9);
    }
  });
});
