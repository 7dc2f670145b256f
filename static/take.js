// Taking it away: what was chosen is approved, and handed over in a format.
import { Problem, ask, pause, send } from "./api.js";
import { cross } from "./ask.js";
import { $, busy, h, openDialog, say } from "./dom.js";
import { chosenScenes, readyScenes, refresh, story, watch } from "./story.js";
import { plainly, t } from "./words.js";

/** Every format of `POST /download` that the page offers, in the order of the list. */
export const FORMATS = ["zip", "html", "pdf", "epub", "cbz", "pptx", "csv", "webp", "fountain", "json"];
const PAGE_SIZES = ["A4", "Letter", "square"];
const LAYOUTS = ["book", "board"];
const PATIENCE = 150; // times that a download is asked for again while it is made

let closing = null;

export function openTake() {
  const dialog = $("take");
  closing = new AbortController();
  const option = (name, value, label) => h("label", {}, h("input", { type: "radio", name, value }), h("span", {}, label));
  const chosen = chosenScenes().length;
  const stale = (chosen ? chosenScenes() : readyScenes()).filter((scene) => scene.stale).length;
  dialog.replaceChildren(h("form", { onsubmit: (event) => (event.preventDefault(), busy($("take-it"), take)), onchange: options },
    h("header", { class: "dialog-head" }, h("h2", { id: "take-heading", tabindex: "-1" }, t("take")),
      cross(dialog)),
    h("p", {}, chosen ? t("take_chosen", { n: chosen }) : t("take_all", { n: readyScenes().length })),
    h("p", { class: "note", hidden: !stale }, t("is_stale", { n: stale })),
    h("fieldset", { class: "tiles formats" }, h("legend", {}, t("format")), FORMATS.map((format) =>
      h("label", {}, h("input", { type: "radio", name: "format", value: format }), h("span", {}, h("b", { dir: "ltr" }, format.toUpperCase()), h("small", {}, t(`format_${format}`)))))),
    h("div", { id: "pdf", class: "pair", hidden: true },
      h("fieldset", { class: "tiles chips" }, h("legend", {}, t("page_size")), PAGE_SIZES.map((size) => option("page_size", size, size === "A4" ? size : t(`size_${size}`)))),
      h("fieldset", { class: "tiles chips" }, h("legend", {}, t("layout")), LAYOUTS.map((layout) => option("layout", layout, t(`layout_${layout}`))))),
    h("label", { class: "check", id: "upgrade-line", hidden: story.view.settings.quality !== "draft" }, h("input", { type: "checkbox", id: "upgrade" }), h("span", {}, t("upgrade"))),
    h("p", { class: "dialog-note note", id: "take-note", role: "status" }),
    h("div", { class: "row end" }, h("button", { class: "quiet", onclick: () => dialog.close() }, t("not_now")),
      h("button", { type: "submit", id: "take-it", class: "main" }, t("approve_and_take")))));
  for (const name of ["format", "page_size", "layout"]) dialog.querySelector(`input[name="${name}"]`).checked = true;
  options();
  openDialog(dialog, () => {
    closing.abort();
    if (location.hash.endsWith("/take")) location.hash = `#/s/${story.id}`;
  });
  $("take-heading").focus();
}

const picked = (name) => $("take").querySelector(`input[name="${name}"]:checked`).value;

function options() {
  $("pdf").hidden = picked("format") !== "pdf";
}

async function take() {
  const note = $("take-note");
  const { signal } = closing;
  note.classList.remove("bad");
  const format = picked("format");
  try {
    await approve($("upgrade").checked && !$("upgrade-line").hidden);
    say(note, t("preparing"));
    const json = { session_id: story.id, format };
    if (format === "pdf") Object.assign(json, { page_size: picked("page_size"), layout: picked("layout") });
    await save(await download(json, signal), format);
    say(note, t("taken_away"));
  } catch (problem) {
    if (signal.aborted) return;
    if (!(problem instanceof Problem)) throw problem;
    note.classList.add("bad");
    say(note, plainly(problem));
  }
}

/** Nothing chosen means everything that is ready; what is approved already is not approved again. */
async function approve(upgrade) {
  const scenes = (chosenScenes().length ? chosenScenes() : readyScenes()).map((scene) => scene.scene_number);
  const before = story.view.scenes.filter((scene) => scene.approved).map((scene) => scene.scene_number);
  if (!scenes.length) throw new Problem(409, { code: "nothing_ready" });
  if (!upgrade && scenes.join() === before.join()) return;
  await ask("POST", "/approve", { json: { session_id: story.id, approved_scenes: scenes, upgrade } });
  await refresh();
  watch();
}

async function download(json, signal) {
  for (let i = 0; ; i++) {
    try {
      return await send("POST", "/download", { json, signal });
    } catch (problem) {
      if (!(problem instanceof Problem) || problem.code !== "not_ready" || i >= PATIENCE) throw problem;
      await pause((problem.retryAfter ?? 2) * 1000, signal);
    }
  }
}

async function save(answer, format) {
  const url = URL.createObjectURL(await answer.blob());
  h("a", { href: url, download: nameIn(answer.headers.get("Content-Disposition")) || `story.${format}` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

function nameIn(disposition) {
  const encoded = /filename\*=(?:UTF-8|utf-8)''([^;]+)/.exec(disposition || "");
  if (encoded) return decodeURIComponent(encoded[1]);
  return /filename="?([^";]+)"?/.exec(disposition || "")?.[1];
}

