/**
 * Discord's markdown as elements. Text only ever becomes text nodes, and only http(s) addresses become links.
 * https://support.discord.com/hc/articles/210298617 and https://discord.com/developers/docs/reference#message-formatting
 */
import { h } from "./dom.js";
import { timeMark } from "./times.js";

const MAX_DEPTH = 8; // deeper nesting stays plain text, so that no message can exhaust the stack

/** Inline marks in the order in which they are tried. `again` renders the content, `names` the mentions. */
const INLINE = [
  [/^\\([\\`*_~|>#\-+<[\]()@:./])/, ([, sign]) => sign],
  [/^(`{1,2})(?!`)(.+?)(?<!`)\1(?!`)/s, ([, , code]) => h("code", {}, code.trim() || code)],
  [/^\|\|(.+?)\|\|/s, ([, text], again) => spoiler(again(text))],
  [/^\*\*\*(.+?)\*\*\*/s, ([, text], again) => h("strong", {}, h("em", {}, again(text)))],
  [/^\*\*(.+?)\*\*(?!\*)/s, ([, text], again) => h("strong", {}, again(text))],
  [/^__(.+?)__(?!_)/s, ([, text], again) => h("u", {}, again(text))],
  [/^~~(.+?)~~/s, ([, text], again) => h("s", {}, again(text))],
  [/^\*(?!\s)((?:\*\*|[^*])+?)(?<!\s)\*(?!\*)/s, ([, text], again) => h("em", {}, again(text))],
  [/^_(?!\s)((?:__|[^_])+?)_(?![A-Za-z0-9_])/s, ([, text], again) => h("em", {}, again(text))],
  [/^<@!?(\d+)>/, ([, id], _again, names) => names.mention(id)],
  [/^<@&(\d+)>/, ([, id], _again, names) => names.role(id)],
  [/^<a?:(\w{2,32}):(\d+)>/, ([, name, id], _again, names) => names.emoji(id, name)],
  [/^<#(\d+)>/, ([, id], _again, names) => names.channel(id)],
  [/^<\/([^:>]{1,100}):\d+>/, ([, name], _again, names) => names.command(name)],
  [/^<t:(-?\d{1,13})(?::([tTdDfFRsS]))?>/, ([written, seconds, style]) => timeMark(Number(seconds), style, written)],
  [/^\[([^\]\n]+)\]\(<?(https?:\/\/[^\s<>)]+)>?\)/, ([, text, address], again) => link(address, again(text))],
  [/^<(https?:\/\/[^\s<>]+)>/, ([, address], _again, names) => names.jump(address) ?? link(address)],
  [/^https?:\/\/[^\s<>]*[^\s<>.,:;"')\]!?*_~|]/, ([address], _again, names) => names.jump(address) ?? link(address)],
];
// Where a mark can begin; everything before it is plain text.
const PLAIN = /^(?:[A-Za-z0-9]*(?=https?:\/\/)|[^\\`|*_~<[h]+|[A-Za-z0-9]+|.)/s;
const WORD = /[A-Za-z0-9]$/;

export const isWebAddress = (address) => /^https?:\/\//i.test(address ?? "");

function link(address, label = address) {
  return h("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, label);
}

export function spoiler(content) {
  const reveal = (event) => {
    if (event.type === "keydown" && !["Enter", " "].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    shown.classList.add("revealed");
    for (const name of ["role", "tabindex", "aria-label"]) shown.removeAttribute(name);
  };
  const attributes = { role: "button", tabindex: 0, "aria-label": "Spoiler: press to show", onclick: reveal, onkeydown: reveal };
  const shown = h("span.spoiler", attributes, h("span", {}, content));
  return shown;
}

function inline(text, names, depth = 0) {
  const nodes = [];
  let plain = "";
  for (let rest = text; rest; ) {
    const [length, node] = step(rest, plain, names, depth);
    rest = rest.slice(length);
    if (typeof node === "string") plain += node;
    else {
      nodes.push(plain, node);
      plain = "";
    }
  }
  return [...nodes, plain];
}

function step(rest, before, names, depth) {
  const again = (inner) => inline(inner, names, depth + 1);
  for (const [pattern, render] of depth < MAX_DEPTH ? INLINE : []) {
    if (rest[0] === "_" && WORD.test(before) && !rest.startsWith("__")) break; // snake_case is not emphasis
    const match = pattern.exec(rest);
    if (match) return [match[0].length, render(match, again, names)];
  }
  const [plain] = PLAIN.exec(rest);
  const length = plain.length || 1;
  return [length, rest.slice(0, length)];
}

/** Give the headings inside `element` levels without a gap: a first `###` comes directly below the heading above it, of level `above`. */
export function nestHeadings(element, above) {
  let last = above;
  for (const heading of element.querySelectorAll("[role=heading]")) {
    last = Math.min(Number(heading.ariaLevel) + above - 1, last + 1);
    heading.ariaLevel = last;
  }
}

const LIST_ITEM = /^( *)(?:[-*]|(\d{1,9})\.) +(.*)$/;

/** The first block of `lines`: [element, number of lines]. */
function block(lines, names) {
  const [line] = lines;
  const heading = /^(#{1,3}) +(.+)$/.exec(line);
  if (heading) return [
    h(`p.heading-${heading[1].length}`, { role: "heading", "aria-level": heading[1].length + 1 }, inline(heading[2], names)), 1,
  ];
  if (line.startsWith("-# ")) return [h("p.subtext", {}, inline(line.slice(3), names)), 1];
  if (line.startsWith(">>> ")) return [quote([line.slice(4), ...lines.slice(1)], names), lines.length];
  if (line.startsWith("> ")) return taken(
    lines,
    (other) => other.startsWith("> "),
    (some) => quote(some.map((other) => other.slice(2)), names),
  );
  if (LIST_ITEM.test(line)) return taken(lines, (other) => sameList(line, other), (some) => list(some, names));
  return taken(lines, (other, at) => at === 0 || !startsBlock(other), (some) => h("p", {}, inline(some.join("\n"), names)));
}

const startsBlock = (line) => /^(#{1,3} +\S|-# |> |>>> )/.test(line) || LIST_ITEM.test(line);
const sameList = (one, other) => LIST_ITEM.test(other) && Boolean(LIST_ITEM.exec(one)[2]) === Boolean(LIST_ITEM.exec(other)[2]);
const quote = (lines, names) => h("blockquote", {}, blocks(lines.join("\n"), names));

function taken(lines, belongs, build) {
  let count = 0;
  while (count < lines.length && belongs(lines[count], count)) count += 1;
  return [build(lines.slice(0, count)), count];
}

function list(lines, names) {
  const ordered = LIST_ITEM.exec(lines[0])[2];
  const items = lines.map((line) => {
    const [, indent, , text] = LIST_ITEM.exec(line);
    return h("li", { style: { "margin-left": `${Math.min(indent.length, 8) * 0.5}em` } }, inline(text, names));
  });
  return h(ordered ? "ol" : "ul", ordered ? { start: ordered } : {}, items);
}

function blocks(text, names) {
  const nodes = [];
  for (let lines = text.split("\n"); lines.length; ) {
    const [element, count] = block(lines, names);
    nodes.push(element);
    lines = lines.slice(count);
  }
  return nodes;
}

/** The first line of a text without marks, for the reference above a reply. Spoilers stay hidden. */
export function firstLine(text) {
  const [line] = text.replace(/\|\|.*?\|\|/gs, "▮▮▮").trimStart().split("\n");
  return line.replace(/^(#{1,3}|-#|>{1,3}|[-*]) +/, "").replace(/\*\*|__|~~|`/g, "");
}

/**
 * Elements for a message's text. `names` (see names.js) gives the elements for people, roles, channels, emoji and links to messages.
 * Fenced code is cut out first, because nothing inside it is a mark.
 */
export function markdown(text, names) {
  const nodes = [];
  for (const [at, part] of text.split(/```(?:([\w+-]+)\n)?\n?([\s\S]*?)```\n?/).entries()) {
    if (at % 3 === 0 && part) nodes.push(...blocks(part.replace(/\n$/, ""), names));
    if (at % 3 === 2) nodes.push(h("pre", { tabindex: 0 }, h("code", {}, part.replace(/\n$/, ""))));
  }
  return nodes;
}
