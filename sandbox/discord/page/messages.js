/** One message as an element. */
import { components } from "./components.js";
import { fill, h, icon } from "./dom.js";
import { emojiElement, emojiName } from "./emoji.js";
import { embed } from "./embeds.js";
import { firstLine, markdown, nestHeadings } from "./markdown.js";
import { attachments, stickers } from "./media.js";
import { withNames } from "./mentions.js";
import { disc } from "./names.js";
import { clock, fullTime, number } from "./times.js";

/** Message flags: https://discord.com/developers/docs/resources/message#message-object-message-flags */
export const FLAG = { ephemeral: 1 << 6, thinking: 1 << 7, silent: 1 << 12, componentsV2: 1 << 15 };
const COMMAND = 2; // interaction type
const REPLY = 0; // message reference types
const FORWARD = 1;
const THREAD_CREATED = 18; // message types
const THREAD_STARTER = 21;

export const has = (message, flag) => Boolean((message.flags ?? 0) & flag);

/** `around`: {session, names, ask, openActions(message, anchor), openPerson(id, anchor), goTo(channelId, messageId)}. */
export function messageElement(message, around) {
  if (message.type === THREAD_CREATED) return threadNote(message, around);
  const author = around.session.nameOf(message.author.id, message.author);
  const problem = h("p.problem", { role: "alert" });
  const inner = { ...around, message, perform: performer(message, around, problem) };
  const body = h("div.body", {},
    heading(message, author, around),
    content(message, inner),
    reactions(message, inner),
    ephemeralNote(message, inner),
    problem,
  );
  const attributes = { id: `message-${message.id}`, tabindex: -1, "aria-label": `${author}, ${clock(new Date(message.timestamp))}` };
  const avatar = h("div.avatar", {}, disc(around.session, message.author.id, author));
  const article = h("article.message", attributes, origin(message, around), avatar, body, tools(message, inner));
  nestHeadings(article, 1);
  article.classList.toggle("ephemeral", has(message, FLAG.ephemeral));
  article.classList.toggle("pings", message.author.id !== around.session.you.id && around.session.isPinged(message));
  return article;
}

/** The line "Ada started a thread", with a link to the thread. */
function threadNote(message, { session, goTo }) {
  const name = session.nameOf(message.author.id, message.author);
  const open = () => goTo(message.message_reference?.channel_id);
  const thread = h("button.text-button", { type: "button", onclick: open }, message.content);
  const note = h("p", {}, icon("thread"), h("span", {}, h("strong", {}, name), " started a thread: ", thread));
  const attributes = { id: `message-${message.id}`, tabindex: -1, "aria-label": `${name} started a thread` };
  return h("article.message.note", attributes, note);
}

/** Sends requests about this message. The pressed control is busy meanwhile, and a refusal is shown below the message. */
function performer(message, { ask }, problem) {
  return async (what, fields = {}, control = null) => {
    if (control?.ariaBusy === "true") return; // a second press sends no second request
    fill(problem);
    control?.setAttribute("aria-busy", "true");
    try {
      await ask(what, { channel_id: message.channel_id, message_id: message.id, ...fields });
    } catch (refusal) {
      fill(problem, refusal.message);
    } finally {
      control?.removeAttribute("aria-busy");
    }
  };
}

/** The line above a message that replies to another message or answers a command. */
function origin(message, { session, goTo }) {
  const { message_reference: reference, referenced_message: answered, interaction_metadata: interaction } = message;
  if (reference && (reference.type ?? REPLY) === REPLY && answered !== undefined) {
    if (!answered) return h("p.origin", {}, icon("reply"), "The original message was deleted");
    const name = session.nameOf(answered.author.id, answered.author);
    const text = withNames(session, firstLine(answered.content ?? "")) || (answered.attachments?.length ? "an image" : "a message");
    return h("p.origin", {},
      icon("reply"),
      disc(session, answered.author.id, name),
      h("button", { type: "button", onclick: () => goTo(answered.channel_id, answered.id) }, h("strong", {}, name), " ", text),
    );
  }
  const user = interaction?.user ?? message.interaction?.user;
  if (!user || (interaction?.type ?? COMMAND) !== COMMAND) return null;
  const name = session.nameOf(user.id, user);
  const command = interaction?.name ?? message.interaction?.name;
  const inMenu = interaction?.target_message_id || interaction?.target_user;
  const named = h("strong.command-name", {}, inMenu ? command : `/${command}`);
  const used = command ? ["used ", named] : "used a command";
  return h("p.origin", {}, icon("reply"), disc(session, user.id, name), h("span", {}, h("strong", {}, name), " ", used));
}

function heading(message, author, { session, openPerson }) {
  const written = new Date(message.timestamp);
  const badge = message.author.bot && h("span.badge", {}, "bot");
  const open = (event) => openPerson(message.author.id, event.currentTarget);
  const known = session.person(message.author.id);
  const name = known ? h("button.author", { type: "button", "aria-haspopup": "dialog", dataset: { key: "author" }, onclick: open }, author) : null;
  const silent = has(message, FLAG.silent) && h("span.silent", { title: "Sent without a notification" }, icon("silent"));
  return h("header", {},
    name ?? h("strong.author", {}, author),
    badge,
    h("time", { datetime: message.timestamp, title: fullTime(written) }, clock(written)),
    silent,
  );
}

function content(message, around) {
  if (has(message, FLAG.thinking)) return h("p.thinking", {},
    h("span.brush", { "aria-hidden": "true" }, h("i"), h("i"), h("i")),
    `${around.session.nameOf(message.author.id)} is thinking…`,
  );
  if (message.message_reference?.type === FORWARD) return (message.message_snapshots ?? []).map((one) => forwarded(one.message, around));
  const first = message.type === THREAD_STARTER && message.referenced_message; // the message that the thread was started on
  return first ? shown(first, { ...around, message: first }) : shown(message, around);
}

/** What a message forwards, with a link to its message if this person can see that channel. */
function forwarded(snapshot, around) {
  const { channel_id: channelId, message_id: id } = around.message.message_reference;
  const channel = around.session.channel(channelId);
  const open = () => around.goTo(channelId, id);
  const from = channel && h("button.text-button", { type: "button", onclick: open }, `from ${channel.kind === "text" ? "#" : ""}${channel.name}`);
  const heading = h("p.forwarded-from", {}, icon("forward"), h("span", {}, "Forwarded ", from));
  return h("div.forwarded", {}, heading, shown(snapshot, { ...around, message: snapshot }));
}

function shown(message, around) {
  const parts = message.components?.length > 0 && h("div.components", {}, components(message.components, around));
  if (has(message, FLAG.componentsV2)) return parts;
  const inEmbeds = new Set((message.embeds ?? []).flatMap(({ image, thumbnail }) => [image?.url, thumbnail?.url]));
  const own = (message.attachments ?? []).filter(({ url }) => !inEmbeds.has(url));
  const edited = message.edited_timestamp && h("small.edited", { title: fullTime(new Date(message.edited_timestamp)) }, "edited");
  const text = message.content && h("div.prose", {}, markdown(message.content, around.names), edited);
  const embeds = (message.embeds ?? []).map((one) => embed(one, around.names));
  return [text, attachments(own), stickers(message.sticker_items, around.session), embeds, parts, !text && edited];
}

function reactions(message, { session, perform, openActions }) {
  if (!message.reactions?.length) return null;
  const chip = ({ emoji, count, me, me_burst: burst, count_details: counts, user_ids: ids = [] }) => {
    const name = emojiName(emoji);
    const isSuper = counts?.burst > 0;
    const toggle = () => perform(me || burst ? "unreact" : "react", { emoji: name, ...(burst && !me && { burst }) });
    const label = `${emoji.name}, ${count}${isSuper ? `, ${counts.burst} super` : ""}`;
    const state = {
      "aria-pressed": me || burst ? "true" : "false", "aria-label": label, title: ids.map((id) => session.nameOf(id)).join(", "),
      dataset: { key: `reaction-${name}` },
    };
    return h(isSuper ? "button.reaction.super" : "button.reaction", { type: "button", ...state, onclick: toggle }, emojiElement(session, emoji), h("span", {}, number(count)));
  };
  const more = (event) => openActions(message, event.currentTarget);
  const add = h("button.reaction.add", { type: "button", "aria-label": "Add a reaction", dataset: { key: "add" }, onclick: more }, icon("smile"));
  return h("div.reactions", {}, message.reactions.map(chip), add);
}

function ephemeralNote(message, { perform }) {
  if (!has(message, FLAG.ephemeral)) return null;
  const dismiss = h("button.text-button", { type: "button", onclick: () => perform("delete") }, "Dismiss");
  return h("p.only-you", {}, icon("eye"), h("span", {}, "Only you can see this", !has(message, FLAG.thinking) && [" · ", dismiss]));
}

function tools(message, { openActions }) {
  const open = (event) => openActions(message, event.currentTarget);
  return h("button.icon-button.tools",
    { type: "button", "aria-label": "Message actions", "aria-haspopup": "dialog", dataset: { key: "tools" }, onclick: open },
    icon("more"),
  );
}
