import { describeLessons } from "#test/support/lessons.ts";

describeLessons(6, 99);
