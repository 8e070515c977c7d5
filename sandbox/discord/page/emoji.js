/** Emoji: Unicode ones are text, the server's own are images. */
import { h } from "./dom.js";

export const emojiText = (emoji) => (emoji ? (emoji.id ? `:${emoji.name}:` : emoji.name) : null);

/** The name of an emoji in a request. */
export const emojiName = ({ id, name }) => (id ? `<:${name}:${id}>` : name);

/** An element for Discord's emoji object. A custom emoji that the server does not have is shown by its name. */
export function emojiElement(session, emoji) {
  const own = emoji.id && session.emojis.find(({ id }) => id === emoji.id);
  if (own) return h("img.own-emoji", { src: own.url, alt: `:${own.name}:`, title: `:${own.name}:`, width: 20, height: 20 });
  return h("span.mark", {}, emojiText(emoji));
}

/** An emoji as a person typed it; the server's own may be written as `:name:`. */
export function typedEmoji(session, text) {
  const own = session.emojis.find(({ name }) => text === `:${name}:`);
  return own ? emojiName(own) : text;
}
