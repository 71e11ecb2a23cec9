// Asks for what the first view shows while the modules of the page are read.
import { askAhead } from "./lib/api.js";

askAhead("/api/v1/me");
if (/^#?\/?$/.test(location.hash)) ["figures", "problems", "transforms"].forEach((page) => askAhead(`/api/v1/${page}`));
