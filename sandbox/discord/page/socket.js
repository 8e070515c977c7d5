/** The connection to the server: a websocket that reconnects by itself, and requests matched to their answers by number. */

const FIRST_PAUSE_MS = 300;
const LONGEST_PAUSE_MS = 4000;

export class Connection {
  #socket = null;
  #who = null;
  #waiting = new Map();
  #lastId = 0;
  #pauseMs = FIRST_PAUSE_MS;
  #timer = null;
  #onFrame;
  #onState;

  /** `onFrame(frame)` is called for each pushed frame, `onState("open" | "lost")` when the connection opens or is lost. */
  constructor({ onFrame, onState }) {
    this.#onFrame = onFrame;
    this.#onState = onState;
    addEventListener("online", () => this.#again());
    document.addEventListener("visibilitychange", () => document.hidden || this.#again());
  }

  /** Connect as this person (an id or a name), in place of the current connection. */
  become(who) {
    this.#who = who;
    this.#pauseMs = FIRST_PAUSE_MS;
    this.#open();
  }

  /** Whether a request is unanswered. */
  get isWaiting() {
    return this.#waiting.size > 0;
  }

  /** Send a request. Resolves to the answer, rejects with an Error whose message is a sentence for the person. */
  ask(what, fields = {}) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return Promise.reject(new Error("Not connected. Trying again…"));
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#socket.send(JSON.stringify({ ...fields, id, do: what }));
    });
  }

  #open() {
    clearTimeout(this.#timer);
    this.#abandon();
    const address = new URL("/people/socket", location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    address.searchParams.set("as", this.#who);
    const socket = new WebSocket(address);
    this.#socket = socket;
    // A replaced socket may still emit events; ignore all but the current one.
    const current = (listen) => (event) => socket === this.#socket && listen(event);
    socket.addEventListener("open", current(() => (this.#pauseMs = FIRST_PAUSE_MS)));
    socket.addEventListener("message", current((event) => this.#take(JSON.parse(event.data))));
    socket.addEventListener("close", current(() => this.#lost()));
  }

  #take(frame) {
    if (frame.event === "hello") this.#onState("open");
    if (frame.event) return this.#onFrame(frame);
    const asked = this.#waiting.get(frame.id);
    this.#waiting.delete(frame.id);
    if (frame.ok) asked?.resolve(frame);
    else asked?.reject(new Error(frame.error ?? "That did not work."));
  }

  #lost() {
    this.#abandon();
    this.#onState("lost");
    this.#timer = setTimeout(() => this.#open(), this.#pauseMs * (0.75 + Math.random() / 2));
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
  }

  #again() {
    if (this.#who !== null && this.#socket === null) this.#open();
  }

  #abandon() {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    for (const { reject } of this.#waiting.values()) reject(new Error("The connection was lost before the answer came."));
    this.#waiting.clear();
  }
}
