import { render } from "preact";
import { Shell } from "./shell.tsx";
import { begin } from "./store.ts";

const place = document.querySelector("#app");
if (place) render(<Shell />, place);
void begin();
