// Working on one scene: its words beside its picture, its versions, its borders and its place.
import { send } from "./api.js";
import { cross } from "./ask.js";
import { $, busy, h, openDialog, ours, say } from "./dom.js";
import { apply, command, onChange, redraw, sceneOf, shapeOf, stateOf, story, tell } from "./story.js";
import { money, number, plainly, t } from "./words.js";

const EDITED = ["title", "description", "image_prompt"];
const MOST = { title: 200, description: 2000, image_prompt: 3000 };
const unsaved = new Map(); // scene_id → what was typed and not saved: closing by mistake loses nothing

let open = null; // {sceneId, detail, etag, seen, stop}

export async function openScene(sceneId) {
  if (!sceneOf(sceneId)) return (location.hash = `#/s/${story.id}`);
  const dialog = $("scene");
  open?.stop();
  const scene = sceneOf(sceneId); // what is known already is there at once, the rest of the text and the versions follow
  const detail = { ...scene, text: scene.excerpt, versions: [], current_version: null };
  open = { sceneId, detail, etag: null, seen: "", splitting: false };
  open.stop = onChange(() => look(open));
  build(dialog);
  openDialog(dialog, closed);
  $("scene-heading").focus();
  await look(open);
}

function closed() {
  open?.stop();
  open = null;
  if (location.hash.includes("/scene/")) location.hash = `#/s/${story.id}`;
}

const address = (rest = "") => `/sessions/${story.id}/scenes/${sceneOf(open.sceneId).scene_number}${rest}`;

/** Reads the scene again when the story says that it changed. */
async function look(mine, again = false) {
  const scene = mine && sceneOf(mine.sceneId);
  if (mine !== open) return;
  if (!scene) return $("scene").close();
  const seen = JSON.stringify([scene, story.view.scenes.length, story.view.scenes.at(-1).end]);
  if (seen === mine.seen && !again) return;
  mine.seen = seen;
  try {
    const answer = await send("GET", address());
    const detail = await answer.json();
    if (mine !== open) return;
    Object.assign(mine, { detail, etag: answer.headers.get("ETag") });
    fill();
  } catch (problem) {
    if (mine === open) tell(problem);
  }
}

function build(dialog) {
  $("scene").scrollTop = 0;
  const button = (id, label, act, look = "quiet") => h("button", { id, class: look, onclick: (event) => busy(event.currentTarget, act) }, t(label));
  const arrow = (id, label, sign, by) => h("button", { id, class: "icon flip", "aria-label": t(label), onclick: () => neighbour(by) }, sign);
  const field = (name, rows) => [h("label", { for: `edit-${name}` }, t(`field_${name}`)),
    h(rows ? "textarea" : "input", { id: `edit-${name}`, rows, dir: "auto", maxlength: MOST[name], autocomplete: "off", oninput: typed })];
  dialog.replaceChildren(
    h("header", { class: "dialog-head" },
      h("div", {}, h("p", { class: "hint", id: "scene-place" }), h("h2", { id: "scene-heading", tabindex: "-1", dir: "auto" })),
      h("div", { class: "row" },
        arrow("scene-before", "previous", "←", -1), arrow("scene-after", "next", "→", 1),
        cross(dialog))),
    h("p", { class: "dialog-note note bad", role: "status" }),
    h("div", { class: "two" },
      h("div", { class: "side" },
        h("div", { class: "frame big", id: "scene-frame" }),
        h("p", { class: "row", id: "scene-line" }, h("span", { class: "state", id: "scene-state" }), h("span", { id: "scene-facts", class: "hint" })),
        h("p", { id: "scene-error", class: "note bad" }),
        h("div", { class: "row" }, button("scene-redraw", "redraw", draw, "main")),
        h("fieldset", { class: "tiles versions", id: "versions", hidden: true }, h("legend", {}, t("versions"))),
        h("section", { id: "checks", hidden: true })),
      h("div", { class: "side" },
        h("section", { "aria-labelledby": "text-heading" },
          h("h3", { id: "text-heading" }, t("the_text")),
          h("div", { id: "scene-text", class: "verbatim", dir: "auto", tabindex: "0", role: "region", "aria-labelledby": "text-heading" }),
          h("p", { class: "hint", id: "split-hint", hidden: true }, t("split_hint")),
          h("div", { class: "row" }, button("scene-split", "split", () => split(!open.splitting)), button("scene-merge", "merge", merge),
            button("scene-earlier", "earlier", () => move(-1)), button("scene-later", "later", () => move(1)))),
        h("form", { class: "edit", onsubmit: (event) => (event.preventDefault(), busy($("scene-save"), save)) },
          field("title"), field("description", 4), field("image_prompt", 6),
          h("div", { class: "row" }, h("button", { type: "submit", id: "scene-save", class: "main" }, t("save")), h("span", { id: "edit-note", class: "hint", role: "status" }))))));
  fill();
}

function fill() {
  const { detail } = open;
  const state = stateOf(detail);
  const last = story.view.scenes.length - 1;
  say($("scene-place"), t("scene_of", { n: detail.scene_number + 1, total: last + 1 }));
  say($("scene-heading"), detail.title || t("scene_n", { n: detail.scene_number + 1 }));
  say($("scene-state"), t(`state_${state}`));
  $("scene-line").dataset.state = state;
  say($("scene-facts"), [detail.model, detail.cost_usd ? money(detail.cost_usd) : ""].filter(Boolean).join(" · "));
  say($("scene-error"), detail.error ? plainly(detail.error) : "");
  say($("scene-redraw"), detail.redraw_cost_usd ? t("redraw_for", { price: money(detail.redraw_cost_usd) }) : t("redraw"));
  for (const [id, off] of [["scene-before", detail.scene_number === 0], ["scene-after", detail.scene_number === last],
    ["scene-earlier", detail.scene_number === 0], ["scene-later", detail.scene_number === last], ["scene-merge", detail.scene_number === last]]) $(id).disabled = off;
  $("scene-split").disabled = !open.etag;
  $("scene").classList.toggle("whole", Boolean(open.etag));
  picture(detail);
  versions(detail);
  checks(detail);
  split(open.splitting);
  const typedBefore = unsaved.get(open.sceneId) || {};
  for (const name of EDITED) {
    const wanted = typedBefore[name] ?? detail[name] ?? "";
    if ($(`edit-${name}`).value !== wanted) $(`edit-${name}`).value = wanted;
  }
  if (Object.keys(typedBefore).length) say($("edit-note"), t("not_saved"));
}

function picture(detail) {
  const frame = $("scene-frame");
  const url = ours(detail.image_url);
  frame.style.setProperty("--shape", shapeOf());
  const shown = frame.querySelector("img");
  if (!url) frame.replaceChildren(h("span", { class: "number", "aria-hidden": "true" }, number(detail.scene_number + 1)));
  else if (shown?.getAttribute("src") !== url) frame.replaceChildren(h("img", { src: url, alt: detail.description, width: detail.width, height: detail.height }));
  else shown.alt = detail.description;
}

const isDraft = (version) => version.model.startsWith("draft:");

function versions(detail) {
  const box = $("versions");
  box.hidden = detail.versions.length < 2;
  const said = JSON.stringify([detail.versions.map((version) => version.version), detail.current_version]);
  if (box.hidden || box.dataset.said === said) return;
  box.dataset.said = said;
  const focused = box.contains(document.activeElement);
  box.replaceChildren(h("legend", {}, t("versions")), h("div", { class: "strip" }, detail.versions.map((version) => {
    const name = [t("version_n", { n: version.version }), t(isDraft(version) ? "draft" : version.quality), version.cost_usd ? money(version.cost_usd) : ""].filter(Boolean).join(" · ");
    const input = h("input", { type: "radio", name: "version", value: version.version, onchange: () => show(version.version) });
    input.checked = version.version === detail.current_version;
    return h("label", {}, input, h("img", { src: ours(version.image_url), alt: "", width: version.width, height: version.height, loading: "lazy" }), h("span", {}, name));
  })));
  if (focused) box.querySelector("input:checked")?.focus();
}

function checks(detail) {
  const box = $("checks");
  box.hidden = !detail.checks.length && !detail.unchecked;
  box.replaceChildren(h("h3", {}, t("checks")), detail.unchecked ? h("p", { class: "hint", dir: "auto" }, t("unchecked")) : "",
    h("ul", { class: "checklist" }, detail.checks.map((check) =>
      h("li", { class: check.ok ? "ok" : "bad" }, h("span", { class: "unseen" }, t(check.ok ? "check_ok" : "check_bad")),
        h("span", { dir: "auto" }, check.question), check.note && h("small", { dir: "auto" }, check.note)))));
}

// --- Words

function typed() {
  const changes = changesNow();
  if (Object.keys(changes).length) unsaved.set(open.sceneId, changes);
  else unsaved.delete(open.sceneId);
  say($("edit-note"), Object.keys(changes).length ? t("not_saved") : "");
}

const changesNow = () => Object.fromEntries(EDITED.map((name) => [name, $(`edit-${name}`).value])
  .filter(([name, value]) => value.trim() !== (open.detail[name] ?? "").trim()));

/** Changes that leave something out are kept as they were: an empty title is no title. */
async function save() {
  const mine = open;
  const changes = Object.fromEntries(Object.entries(changesNow()).filter(([, value]) => value.trim()));
  if (!Object.keys(changes).length) return true;
  const done = await edit(changes);
  if (done) unsaved.delete(mine.sceneId);
  if (mine === open) {
    say($("edit-note"), done ? t("saved") : t("not_saved"));
  }
  return done;
}

async function edit(changes) {
  const mine = open;
  $("scene").querySelector(".dialog-note").replaceChildren();
  const done = await command(async () => {
    const answer = await send("PATCH", address(), { json: changes, headers: mine.etag ? { "If-Match": mine.etag } : {} });
    if ("title" in changes || "description" in changes || "image_prompt" in changes) unsaved.delete(mine.sceneId);
    Object.assign(mine, { detail: await answer.json(), etag: answer.headers.get("ETag") });
  });
  if (mine === open) await look(mine, !done);
  return done;
}

const show = (version) => edit({ current_version: version });

/** Draws it again, with the words as they stand in the form. */
async function draw() {
  if (!(await save())) return;
  await redraw(sceneOf(open.sceneId));
}

// --- Borders and order

/** While splitting, each sentence but the first is a button: the new scene begins with it. */
function split(on) {
  open.splitting = on && open.detail.text.trim().length > 0;
  $("split-hint").hidden = !open.splitting;
  say($("scene-split"), t(open.splitting ? "split_not" : "split"));
  $("scene-split").setAttribute("aria-pressed", String(open.splitting));
  const box = $("scene-text");
  if (!open.splitting) {
    if (box.textContent !== open.detail.text || box.querySelector("button")) box.replaceChildren(open.detail.text);
    return;
  }
  let offset = 0; // in code points, as the service counts
  let first = true;
  box.replaceChildren(...sentences(open.detail.text).map((sentence) => {
    const at = open.detail.start + offset;
    offset += [...sentence].length;
    if (!/[\p{L}\p{N}]/u.test(sentence)) return sentence;
    if (first) return (first = false), sentence;
    const label = t("split_here", { words: sentence.trim().slice(0, 60) });
    return h("button", { class: "cut", "aria-label": label, onclick: (event) => busy(event.currentTarget, () => cut(at)) }, sentence);
  }));
  (box.querySelector("button") || $("scene-split")).focus();
}

function sentences(text) {
  const segmenter = new Intl.Segmenter(story.view.analysis.language.replace("und", "en"), { granularity: "sentence" });
  return [...segmenter.segment(text)].map((each) => each.segment);
}

async function reshape(path, json) {
  const done = await command(async () => {
    const answer = await send("POST", address(path), { json, headers: open.etag ? { "If-Match": open.etag } : {} });
    apply({ view: await answer.json(), etag: answer.headers.get("ETag") });
  });
  if (open) {
    if (done) open.splitting = false;
    await look(open, true);
  }
  return done;
}

async function cut(at) {
  if (await reshape("/split", { at })) $("scene-split").focus();
}

const merge = () => reshape("/merge");
const move = (by) => reshape("/move", { to: sceneOf(open.sceneId).scene_number + by });

function neighbour(by) {
  const next = story.view.scenes[sceneOf(open.sceneId).scene_number + by];
  if (next) location.replace(`#/s/${story.id}/scene/${next.scene_id}`);
}

