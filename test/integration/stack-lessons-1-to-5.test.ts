import { describeLessons } from "#test/support/lessons.ts";

describeLessons(1, 5);
