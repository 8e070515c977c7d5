/** People and channels as they are shown: coloured discs with initials, and mentions. */
import { h } from "./dom.js";

const BOT_COLOUR = "#b5502f";

function initials(name) {
  const words = name.trim().split(/\s+/);
  return ([...words[0]][0] + (words.length > 1 ? [...words.at(-1)][0] : ([...words[0]][1] ?? ""))).toUpperCase();
}

/** Black or white, whichever reads better on this colour (WCAG relative luminance). */
function inkOn(colour) {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const part = parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.18 ? "#1d1813" : "#ffffff";
}

/** Colours reach the page as `#rrggbb` or as Discord's integers; 0 and nothing mean none. */
export function colourOf(value) {
  if (typeof value === "number" && value > 0) return `#${value.toString(16).padStart(6, "0")}`;
  return /^#[0-9a-f]{6}$/i.test(value ?? "") ? value : null;
}

export function disc(studio, id, name) {
  const colour = colourOf(studio.person(id)?.colour) ?? (id === studio.bot?.id ? BOT_COLOUR : "#7a6a58");
  return h("span.disc", { "aria-hidden": "true", style: { background: colour, color: inkOn(colour) } }, initials(name || "?"));
}

/** What markdown needs to show `<@id>` and `<#id>`. */
export function namesFor(studio, openChannel) {
  return {
    mention: (id) => h(id === studio.you?.id ? "span.mention.me" : "span.mention", {}, `@${studio.nameOf(id)}`),
    channel(id) {
      const channel = studio.channel(id);
      if (!channel) return h("span.mention", {}, "#unknown");
      return h("button.mention", { type: "button", onclick: () => openChannel(id) }, `#${channel.name}`);
    },
  };
}
