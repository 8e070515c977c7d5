/** Puts the page together: one connection, one state, and the views that listen to it. */
import { Actions } from "./actions.js";
import { Composer } from "./composer.js";
import { fill, find, h, icon } from "./dom.js";
import { Faults } from "./faults.js";
import { Log } from "./log.js";
import { Modals } from "./modal.js";
import { channelIcon, namesFor } from "./names.js";
import { Permissions } from "./permissions.js";
import { PersonMenu } from "./person.js";
import { Settings } from "./settings.js";
import { Sidebar } from "./sidebar.js";
import { Connection } from "./socket.js";
import { Studio } from "./state.js";
import { ThreadStarter } from "./thread.js";
import { startClock } from "./times.js";
import { banner, toast } from "./toast.js";

const FIRST_PERSON = "Ada";
const LOST_AFTER_MS = 400; // a quick return is no loss worth a banner

const studio = new Studio();
const connection = new Connection({ onFrame: (frame) => studio.apply(frame), onState });
const ask = (what, fields) => connection.ask(what, fields);
const names = namesFor(studio, goTo);
const people = new PersonMenu({ studio, ask, toast, become });
const openPerson = (id, anchor) => people.open(id, anchor);

const composer = new Composer({ root: find("composer"), studio, connection });
const actions = new Actions({ studio, ask, toast, reply: (message) => composer.reply(message) });
const log = new Log({
  root: find("log"), newest: find("newest"),
  around: { studio, names, ask, openActions: (message, anchor) => actions.open(message, anchor), openPerson, goTo },
});
new Modals({ studio, connection, names });
new Faults({ studio, ask, toast });
new Sidebar({ studio, become, join: async (name, moderator) => (await ask("join", { name, moderator })).person, openPerson });
new Settings({ studio, ask, toast });
new ThreadStarter({ studio, ask });
new Permissions({ studio, ask, toast });

/** Look at a channel, and at one of its messages. */
function goTo(channelId, messageId = null) {
  if (!studio.channel(channelId)) return toast("That is not here.", { wrong: true });
  if (channelId !== studio.channelId) studio.show(channelId);
  if (messageId && !log.goTo(messageId)) toast("That message is not here any more.", { wrong: true });
  return null;
}

let lostTimer = null;
function onState(state) {
  clearTimeout(lostTimer);
  if (state === "open") banner(null);
  else lostTimer = setTimeout(lost, LOST_AFTER_MS);
  document.body.dataset.connection = state;
}

/** A server that was started anew does not know the members who joined before: be somebody whom it knows. */
async function lost() {
  banner("The connection is lost. Trying again…");
  const known = await someone(wanted());
  if (known && known !== wanted()) become(known);
}

const wanted = () => new URL(location.href).searchParams.get("as") ?? FIRST_PERSON;

/** `name` (or id) if there is such a person, otherwise the first there is; null while the server cannot be asked. */
async function someone(name) {
  const answer = await fetch("/people").catch(() => null);
  const people = answer?.ok ? (await answer.json()).people.filter(({ bot }) => !bot) : [];
  return people.some((person) => [person.id, person.name].includes(name)) ? name : (people[0]?.name ?? null);
}

/** Be another person; the address says who, so that another tab can be somebody else. */
function become(name) {
  const address = new URL(location.href);
  address.searchParams.set("as", name);
  history.replaceState(null, "", address);
  connection.become(name);
}

function drawPlace() {
  const channel = studio.channel();
  if (!channel) return;
  const unread = [...studio.unread.values()].reduce((sum, count) => sum + count, 0);
  const limit = channel.nsfw && h("small.limit", { title: "Age-restricted" }, "18+");
  fill(find("place"), icon(channelIcon(channel)), h("span", {}, channel.name), limit);
  const place = ["dm", "private"].includes(channel.kind) ? channel.name : `#${channel.name}`;
  document.title = `${unread ? `(${unread}) ` : ""}${place} · ${studio.you.name} · Easel Studio`;
}

function drawBot() {
  const { bot } = studio;
  if (!bot) return;
  find("bot").classList.toggle("online", bot.online);
  fill(find("bot"), h("span", {}, `${bot.name} is ${bot.online ? "online" : "offline"}`));
}

studio.on("hello channels show message", drawPlace);
studio.on("hello bot", drawBot);
// Who asked is told in its place by the refused request; the person's other pages are told here.
studio.on("unanswered", ({ text }) => connection.isWaiting || toast(text, { wrong: true }));
document.addEventListener("visibilitychange", () => document.hidden || studio.seen());

// "/" opens the commands from anywhere.
addEventListener("keydown", (event) => {
  const busy = event.target.closest?.("input, textarea, select, dialog, [popover], #faults") || document.querySelector("dialog[open]");
  if (busy || event.ctrlKey || event.metaKey || event.altKey || event.key !== "/") return;
  event.preventDefault();
  composer.slash();
});

startClock();
connection.become(wanted());
