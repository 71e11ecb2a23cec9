// Links to a part of a view: `?part=broker` of its URL.
import { useEffect } from "./ui.js";

/** Scrolls to the element `part-NAME` and gives it the focus, so that the keyboard goes on there. */
export function showPart(name) {
  const part = document.getElementById(`part-${name}`);
  part?.scrollIntoView({ block: "start" });
  part?.focus({ preventScroll: true });
}

/** Shows the part that the URL names once the view is `ready`. */
export function usePart(name, ready = true) {
  useEffect(() => {
    if (name && ready) showPart(name);
  }, [name, ready]);
}
