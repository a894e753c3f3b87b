import "./style.css";
import { render } from "preact";
import { App } from "./app.tsx";
import { shared } from "./core/api.ts";
import { fixPlace } from "./core/router.ts";

if (shared !== null) fixPlace(shared.place);
render(<App />, document.getElementById("app")!);
