/** Puts the page together: one connection, one state, and the views that listen to it. */
import { Actions } from "./actions.js";
import { BotState } from "./bot-state.js";
import { Composer } from "./composer.js";
import { fill, find, h, icon } from "./dom.js";
import { Faults } from "./faults.js";
import { Greeting } from "./greeting.js";
import { Log } from "./log.js";
import { Modals } from "./modal.js";
import { channelIcon, namesFor } from "./names.js";
import { Permissions } from "./permissions.js";
import { PersonMenu } from "./person.js";
import { Settings } from "./settings.js";
import { Sidebar } from "./sidebar.js";
import { Connection } from "./socket.js";
import { Session } from "./session.js";
import { ThreadStarter } from "./thread.js";
import { startClock } from "./times.js";
import { banner, toast } from "./toast.js";

const FIRST_PERSON = "Ada";
const LOST_AFTER_MS = 400; // a shorter interruption shows no banner

const session = new Session();
const connection = new Connection({ onFrame: (frame) => session.apply(frame), onState });
const ask = (what, fields) => connection.ask(what, fields);
const names = namesFor(session, goTo, () => composer);
const people = new PersonMenu({ session, ask, toast, become });
const openPerson = (id, anchor) => people.open(id, anchor);

const composer = new Composer({ root: find("composer"), session, connection });
const actions = new Actions({ session, ask, toast, reply: (message) => composer.reply(message) });
const faults = new Faults({ session, ask, toast });
const greeting = new Greeting({ session, composer, openFaults: () => faults.open(), become });
const log = new Log({
  root: find("log"), newest: find("newest"), greeting,
  around: { session, names, ask, openActions: (message, anchor) => actions.open(message, anchor), openPerson, goTo },
});
new Modals({ session, connection, names });
new BotState({ session, toast });
new Sidebar({ session, become, join: async (name, moderator) => (await ask("join", { name, moderator })).person, openPerson });
new Settings({ session, ask, toast });
new ThreadStarter({ session, ask });
new Permissions({ session, ask, toast });

/** Show a channel, and optionally one of its messages. */
function goTo(channelId, messageId = null) {
  if (!session.channel(channelId)) return toast("That channel isn't here.", { wrong: true });
  if (channelId !== session.channelId) session.show(channelId);
  if (messageId && !log.goTo(messageId)) toast("That message was deleted.", { wrong: true });
  return null;
}

let lostTimer = null;
function onState(state) {
  clearTimeout(lostTimer);
  if (state === "open") banner(null);
  else lostTimer = setTimeout(lost, LOST_AFTER_MS);
  document.body.dataset.connection = state;
}

/** A restarted server does not know the members who joined before, so become a person whom it knows. */
async function lost() {
  banner("Connection lost. Trying again…");
  const known = await someone(wanted());
  if (known && known !== wanted()) become(known);
}

const wanted = () => new URL(location.href).searchParams.get("as") ?? FIRST_PERSON;

/** `name` (or id) if there is such a person, otherwise the first person; null if the server does not answer. */
async function someone(name) {
  const answer = await fetch("/people").catch(() => null);
  const people = answer?.ok ? (await answer.json()).people.filter(({ bot }) => !bot) : [];
  return people.some((person) => [person.id, person.name].includes(name)) ? name : (people[0]?.name ?? null);
}

/** Become another person. The address names the person, so that another tab can be a different one. */
function become(name) {
  const address = new URL(location.href);
  address.searchParams.set("as", name);
  history.replaceState(null, "", address);
  connection.become(name);
}

function drawPlace() {
  const channel = session.channel();
  if (!channel) return;
  const unread = [...session.unread.values()].reduce((sum, count) => sum + count, 0);
  const limit = channel.nsfw && h("small.limit", { title: "Age-restricted" }, "18+");
  fill(find("place"), icon(channelIcon(channel)), h("span", {}, channel.name), limit);
  fill(find("topic"), channel.topic);
  find("topic").title = channel.topic;
  const place = ["dm", "private"].includes(channel.kind) ? channel.name : `#${channel.name}`;
  document.title = `${unread ? `(${unread}) ` : ""}${place} · ${session.you.name} · Easel Studio`;
}

session.on("hello channels show message", drawPlace);
// The page that made the request shows its refusal; the person's other pages show it here.
session.on("unanswered", ({ text }) => connection.isWaiting || toast(text, { wrong: true }));
document.addEventListener("visibilitychange", () => document.hidden || session.seen());

// "/" opens the commands from anywhere.
addEventListener("keydown", (event) => {
  const busy = event.target.closest?.("input, textarea, select, dialog, [popover], #faults") || document.querySelector("dialog[open]");
  if (busy || event.ctrlKey || event.metaKey || event.altKey || event.key !== "/") return;
  event.preventDefault();
  composer.slash();
});

// A link alone cannot focus the first field of a command that is open.
find("skip").addEventListener("click", (event) => {
  event.preventDefault();
  composer.focus();
});

startClock();
become((await someone(wanted())) ?? wanted());
