/** Images and files in messages, and the large view. */
import { fill, h, icon } from "./dom.js";
import { returnTo } from "./focus.js";
import { isWebAddress, spoiler } from "./markdown.js";
import { size } from "./uploads.js";

const IMAGE_FILE = /\.(png|jpe?g|gif|webp|avif)$/i;
const isSpoiler = ({ filename = "", spoiler: marked }) => marked || filename.startsWith("SPOILER_");

const UNSHOWN = /^image\/hei[cf]$/; // browsers do not decode it

export const isImage = ({ content_type: type = "", filename = "" }) => !UNSHOWN.test(type) && (type.startsWith("image/") || IMAGE_FILE.test(filename));

/** One shape for attachments and for the media items of components: {url, description, width, height, filename, spoiler}. */
export function gallery(images, { small = false } = {}) {
  const shown = images.filter(({ url }) => isWebAddress(url));
  const open = (at) => () => lightbox(shown, at);
  return h("div.gallery", { dataset: { count: Math.min(shown.length, 4) } }, shown.map((item, at) => frame(item, open(at), small)));
}

function frame(item, onOpen, small) {
  const { url, description, width, height } = item;
  const image = h("img", { src: url, alt: description ?? "", width, height, loading: "lazy", decoding: "async" });
  const button = h("button.image",
    { type: "button", "aria-label": `Open large: ${description || item.filename || "image"}`, onclick: onOpen },
    image,
  );
  if (width && height) button.style.setProperty("--ratio", `${width} / ${height}`);
  if (width && !small) button.style.setProperty("--natural", `${width}px`);
  image.addEventListener("error", () => fill(button, h("span.broken", {}, icon("image"), "This image couldn't be loaded")));
  return isSpoiler(item) ? veiled(button) : button;
}

/** Blurred until it is pressed. */
function veiled(button) {
  const veil = h("button.veil", { type: "button", "aria-label": "Spoiler: press to show the image" }, h("span", {}, "Spoiler"));
  const frame = h("div.veiled", {}, button, veil);
  button.inert = true;
  veil.addEventListener("click", () => {
    const focused = document.activeElement === veil;
    frame.classList.add("revealed");
    button.inert = false;
    veil.remove();
    if (focused) button.focus();
  });
  return frame;
}

/** A file that is not an image: its name, size and a link. */
export function fileLink({ url, filename, size: bytes, description, spoiler: marked }) {
  const name = filename ?? url?.split("/").at(-1)?.split("?")[0] ?? "file";
  const text = h("span.file-name", {}, name, h("small", {}, [bytes && size(bytes), description].filter(Boolean).join(" · ")));
  const address = isWebAddress(url) ? { href: url, target: "_blank", rel: "noopener noreferrer", download: name } : {};
  const link = h("a.file", address, icon("file"), text);
  return marked ? h("div", {}, spoiler(link)) : link;
}

export function attachments(list) {
  const images = list.filter(isImage);
  const files = list.filter((attachment) => !isImage(attachment));
  return [images.length > 0 && gallery(images), files.map(fileLink)];
}

const LOTTIE = 3; // sticker format

/** Stickers as images; a vector animation by its name. */
export function stickers(items = [], session) {
  const known = (id) => session.stickers.find((sticker) => sticker.id === id);
  return items.map(({ id, name, format_type: format }) => (format === LOTTIE || !known(id)
    ? h("p.sticker", {}, icon("smile"), `Sticker: ${name}`)
    : h("img.sticker", { src: known(id).url, alt: `Sticker: ${name}`, width: 120, height: 120 })));
}

/** The large view. Arrow keys go through the message's images, Escape closes it. */
function lightbox(images, first) {
  let at = first;
  const image = h("img", {});
  const caption = h("p", { "aria-live": "polite" });
  const original = h("a.quiet-button", { target: "_blank", rel: "noopener noreferrer" }, icon("out"), "Original");
  const close = h("button.icon-button", { type: "button", "aria-label": "Close", onclick: () => dialog.close() }, icon("close"));
  const turn = (by) => h("button.icon-button",
    { type: "button", "aria-label": by < 0 ? "Previous image" : "Next image", onclick: () => show(at + by) },
    icon(by < 0 ? "left" : "right"),
  );
  const several = images.length > 1;
  const dialog = h("dialog.lightbox",
    { "aria-label": "Image" },
    h("header", {}, caption, original, several && [turn(-1), turn(1)], close),
    image,
  );

  function show(wanted) {
    at = (wanted + images.length) % images.length;
    const { url, description, filename } = images[at];
    image.src = url;
    image.alt = description ?? "";
    original.href = url;
    fill(caption, several && `${at + 1} of ${images.length} · `, description || filename || "");
  }
  dialog.addEventListener("keydown", (event) => {
    if (several && event.key === "ArrowRight") show(at + 1);
    if (several && event.key === "ArrowLeft") show(at - 1);
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  const goBack = returnTo(document.activeElement);
  dialog.addEventListener("close", () => {
    dialog.remove();
    goBack();
  });
  document.body.append(dialog);
  show(first);
  dialog.showModal();
  close.focus();
}
