/** Mentions in the message box: `@` offers the bot and the people, and their names are sent as Discord's marks. */

const NAME = /(?:^|\s)@([^@\n]{0,32})$/;

const named = (session) => [
  ...(session.bot ? [{ id: session.bot.id, name: session.bot.name, detail: "bot" }] : []),
  ...session.people.map(({ id, name, bot }) => ({ id, name, detail: bot ? "bot" : null })),
];

/** The items for the name that is written before the caret; none if it is no name. A choice becomes `onPick(text, caret)`. */
export function mentionItems(session, text, caret, onPick) {
  const typed = NAME.exec(text.slice(0, caret))?.[1].toLowerCase();
  if (typed === undefined) return [];
  const start = caret - typed.length;
  const pick = (name) => () => onPick(`${text.slice(0, start)}${name} ${text.slice(caret).trimStart()}`, start + name.length + 1);
  const fitting = named(session).filter(({ name }) => name.toLowerCase().startsWith(typed));
  return fitting.map(({ name, detail }) => ({ label: `@${name}`, detail, value: name, pick: pick(name) }));
}

/** Plain text with the names of those whom it mentions. */
export const withNames = (session, text) => text.replace(/<@!?(\d+)>/g, (_mark, id) => `@${session.nameOf(id)}`);

/** The text as it is sent: `<@id>` for each name. */
export function withMentions(session, text) {
  const ids = new Map(named(session).map(({ id, name }) => [name.toLowerCase(), id]));
  const names = [...ids.keys()].sort((a, b) => b.length - a.length).map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  if (!names.length) return text;
  return text.replace(new RegExp(`(?<![\\w<])@(${names.join("|")})(?!\\w)`, "gi"), (_whole, name) => `<@${ids.get(name.toLowerCase())}>`);
}
