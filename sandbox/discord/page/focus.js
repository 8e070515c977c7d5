/** Where the focus returns to, although messages are drawn anew while something is open over them. */
import { find } from "./dom.js";

/** Remember `element`, which opens something. The returned function focuses it, or what is in its place now, unless something else has the focus. */
export function returnTo(element) {
  const [article, key] = [element?.closest?.("article.message")?.id, element?.closest?.("[data-key]")?.dataset.key];
  return () => {
    if (document.activeElement !== document.body) return;
    if (element?.isConnected && element !== document.body) element.focus({ preventScroll: true });
    const now = article && find(article);
    const same = now && key && now.querySelector(`[data-key="${CSS.escape(key)}"]`);
    for (const other of [same, now, find("draft")]) if (other && document.activeElement === document.body) other.focus({ preventScroll: true });
  };
}
