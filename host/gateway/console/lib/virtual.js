// Long tables of which only the rows in view exist: rows of a known height, between two empty rows of the height of the others.
import { useEffect, useLayoutEffect, useRef, useState } from "./ui.js";

/** Rows beyond the edge of what is in view, so that slow scrolling shows no gaps. */
const OVERSCAN = 6;

/**
 * Follows how far an element is scrolled, at most once a frame. `count` rows of `height` pixels; `extra`: a Map from the index of a row to
 * pixels that it is taller (few); `head`: pixels of a head that stays in view. Returns `{ref, reveal, top, from, to, before, after}`: `ref` of
 * the element that scrolls, `reveal(index)`, which scrolls to a row, how far it is scrolled, the rows `from` up to `to` (not included) that are
 * to be drawn, and the pixels of those before and after them.
 */
export function useVirtual({ count, height, head = 0, extra = NO_EXTRA }) {
  const ref = useRef(null);
  const [view, setView] = useState({ top: 0, size: 600 });
  useEffect(() => {
    const place = ref.current;
    let frame = null;
    const measure = () => {
      frame = null;
      setView((old) => (old.top === place.scrollTop && old.size === place.clientHeight ? old : { top: place.scrollTop, size: place.clientHeight }));
    };
    const later = () => (frame ??= requestAnimationFrame(measure));
    const resized = new ResizeObserver(later);
    resized.observe(place);
    place.addEventListener("scroll", later, { passive: true });
    return () => {
      cancelAnimationFrame(frame);
      resized.disconnect();
      place.removeEventListener("scroll", later);
    };
  }, []);
  const taller = [...extra].sort(([a], [b]) => a - b);
  const from = Math.max(0, Math.min(rowAt(view.top, height, taller) - OVERSCAN, count - 1));
  const to = Math.min(count, rowAt(view.top + view.size - head, height, taller) + 1 + OVERSCAN);
  const before = topOf(from, height, taller);
  const reveal = (index) => revealRow(ref.current, topOf(index, height, taller), height, head);
  return { ref, reveal, top: view.top, from, to, before, after: Math.max(0, topOf(count, height, taller) - topOf(Math.max(from, to), height, taller)) };
}
const NO_EXTRA = new Map();

function topOf(index, height, taller) {
  return taller.reduce((top, [at, more]) => (at < index ? top + more : top), index * height);
}

function rowAt(top, height, taller) {
  let rest = top;
  let index = 0;
  for (const [at, more] of taller) {
    const until = (at - index) * height;
    if (rest < until) break;
    if (rest < until + height + more) return at;
    rest -= until + height + more;
    index = at + 1;
  }
  return index + Math.floor(rest / height);
}

/** Scrolls an element so that the row that begins at `top` is in view. */
function revealRow(place, top, height, head) {
  if (!place) return;
  if (top < place.scrollTop) place.scrollTop = top;
  else if (top + height > place.scrollTop + place.clientHeight - head) place.scrollTop = top + height - place.clientHeight + head;
}

/**
 * Keeps the rows in view where they are while `added` rows in all come in above them, unless the element is scrolled to its beginning. `top`: how
 * far it was scrolled when it was last looked at: to ask for it here would lay out the page once more.
 */
export function useSteadyScroll(ref, top, added, height) {
  const seen = useRef(added);
  useLayoutEffect(() => {
    const more = added - seen.current;
    seen.current = added;
    if (more > 0 && top > 0) ref.current.scrollTop += more * height;
  }, [added]);
}
