// Views by the fragment of the URL: `#/charge-points/CP1?tab=messages`. The gateway never sees it.
import { useEffect, useState } from "./ui.js";

/** `{path: ["charge-points", "CP1"], query: {tab: "messages"}}` */
export function parse(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const parts = path.split("/").filter(Boolean).map(decode);
  return { path: parts, query: Object.fromEntries(new URLSearchParams(query)) };
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The address of a view: `href(["charge-points", id], {tab: "messages"})`. Empty parameters are left out. */
export function href(path, query = {}) {
  const parameters = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const text = new URLSearchParams(parameters).toString();
  return `#/${path.map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`;
}

export function go(path, query) {
  location.hash = href(path, query);
}

/** Changes the parameters of this view without a new entry in the history: for filters. */
export function setQuery(query) {
  const { path, query: old } = parse(location.hash);
  history.replaceState(null, "", href(path, { ...old, ...query }));
  dispatchEvent(new HashChangeEvent("hashchange"));
}

export function useRoute() {
  const [route, set] = useState(() => parse(location.hash));
  useEffect(() => {
    const changed = () => set(parse(location.hash));
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return route;
}
