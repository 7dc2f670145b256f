// The story bible: who is in the story, how they look, where it happens; and the portraits.
import { send } from "./api.js";
import { cross } from "./ask.js";
import { $, busy, h, openDialog, ours, say } from "./dom.js";
import { apply, command, onChange, story } from "./story.js";
import { money, plainly, t } from "./words.js";

let stop = () => {};
let shown = "";
let saved = false; // whether the note below the form says so

export function openPeople() {
  shown = "";
  saved = false;
  stop();
  stop = onChange(fill);
  fill();
  openDialog($("people"), () => {
    stop();
    if (location.hash.endsWith("/people")) location.hash = `#/s/${story.id}`;
  });
  $("people-heading").focus();
}

function fill() {
  const { story_bible: bible, anchors } = story.view;
  const now = JSON.stringify([bible, anchors, document.documentElement.lang]);
  if (now === shown) return;
  const before = Object.fromEntries([...$("people").querySelectorAll("[data-entry]")].filter((field) => field.value !== field.defaultValue).map((field) => [field.id, field.value]));
  const focused = document.activeElement?.id;
  shown = now;
  const head = h("header", { class: "dialog-head" }, h("h2", { id: "people-heading", tabindex: "-1" }, t("people")), cross($("people")));
  const note = h("p", { class: "dialog-note note bad", role: "status" });
  if (!bible) return $("people").replaceChildren(head, note, h("p", {}, t("no_bible")));
  const form = h("form", { class: "edit bible", onsubmit: (event) => (event.preventDefault(), busy($("bible-save"), save)) },
    h("label", { for: "bible-style" }, t("style_of_all")),
    h("textarea", { id: "bible-style", "data-entry": "style", rows: 2, maxlength: 500, dir: "auto" }, bible.style),
    h("h3", {}, t("characters")),
    h("ul", { class: "people" }, bible.characters.map((person, i) => entry("character", person.name, person.appearance, i, anchors.find((anchor) => anchor.name === person.name)))),
    adding("character"),
    h("h3", {}, t("places")),
    h("ul", { class: "people" }, bible.places.map((place, i) => entry("place", place.name, place.description, i))),
    adding("place"),
    h("div", { class: "row sticky" }, h("button", { type: "submit", id: "bible-save", class: "main" }, t("save")), h("span", { class: "hint", id: "bible-note", role: "status" }, t(saved ? "saved" : "bible_hint"))));
  $("people").replaceChildren(head, note, form);
  for (const [id, value] of Object.entries(before)) if ($(id)) $(id).value = value;
  if (focused && $("people").open) ($(focused) || $("people-heading")).focus();
}

const most = { character: 320, place: 240 };

function entry(kind, name, words, i, anchor) {
  const id = `${kind}-${i}`;
  const remove = h("button", { class: "quiet small", id: `${id}-remove`, "aria-label": `${t("remove")}: ${name}`,
    onclick: (event) => busy(event.currentTarget, () => change({ [`${kind}s`]: [{ name, remove: true }] })) }, t("remove"));
  return h("li", {}, anchor && portrait(anchor, id), h("div", {},
    h("label", { for: id, dir: "auto" }, name),
    h("textarea", { id, "data-entry": kind, "data-name": name, rows: 3, maxlength: most[kind], dir: "auto" }, words), remove));
}

function adding(kind) {
  return h("details", { class: "adding" }, h("summary", {}, t(`add_${kind}`)),
    h("label", { for: `new-${kind}-name` }, t("name")), h("input", { id: `new-${kind}-name`, maxlength: 80, dir: "auto", autocomplete: "off" }),
    h("label", { for: `new-${kind}` }, t("looks")), h("input", { id: `new-${kind}`, maxlength: most[kind], dir: "auto", autocomplete: "off" }));
}

function portrait(anchor, id) {
  const path = `/sessions/${story.id}/anchors/${encodeURIComponent(anchor.anchor_id)}`;
  const url = ours(anchor.image_url);
  const act = (work) => async (event) => busy(event.currentTarget, () => command(work));
  const file = h("input", { type: "file", accept: "image/jpeg,image/png,image/webp", hidden: true, onchange: async () => {
    const form = new FormData();
    form.append("file", file.files[0]);
    await command(() => send("PUT", path, { form }));
    file.value = "";
  } });
  const button = (name, label, attributes) => h("button", { class: "quiet small", id: `${id}-${name}`, "aria-label": `${label}: ${anchor.name}`, ...attributes }, label);
  return h("div", { class: "portrait" },
    h("div", { class: "frame" }, url ? h("img", { src: url, alt: t("portrait_of", { name: anchor.name }), width: anchor.width, height: anchor.height }) : ""),
    h("p", { class: "hint" }, anchor.error ? plainly(anchor.error) : t(`state_${anchor.stale && anchor.status === "ready" ? "stale" : anchor.status}`)),
    h("div", { class: "row" },
      url && button("approve", t("approve"), { class: "approve", "aria-pressed": String(anchor.approved), onclick: act(() => send("PATCH", path, { json: { approved: !anchor.approved } })) }),
      button("redraw", anchor.redraw_cost_usd ? t("redraw_for", { price: money(anchor.redraw_cost_usd) }) : t("redraw"), { onclick: act(() => send("POST", `${path}/redraw`, { json: {} })) }),
      button("upload", t("own_picture"), { onclick: () => file.click() }), file));
}

async function save() {
  const edit = { characters: [], places: [] };
  for (const field of $("people").querySelectorAll("[data-entry]")) {
    const value = field.value.trim();
    if (!value || value === field.defaultValue.trim()) continue;
    if (field.dataset.entry === "style") edit.style = value;
    if (field.dataset.entry === "character") edit.characters.push({ name: field.dataset.name, appearance: value });
    if (field.dataset.entry === "place") edit.places.push({ name: field.dataset.name, description: value });
  }
  for (const [kind, words, all] of [["character", "appearance", edit.characters], ["place", "description", edit.places]]) {
    const name = $(`new-${kind}-name`).value.trim();
    if (name && $(`new-${kind}`).value.trim()) all.push({ name, [words]: $(`new-${kind}`).value.trim() });
  }
  if (!edit.style && !edit.characters.length && !edit.places.length) return;
  saved = true; // whatever redraws the form meanwhile says so too
  saved = await change(edit);
  say($("bible-note"), t(saved ? "saved" : "not_saved"));
}

async function change(edit) {
  $("people").querySelector(".dialog-note").replaceChildren();
  return command(async () => {
    const answer = await send("PATCH", `/sessions/${story.id}/bible`, { json: edit, headers: story.etag ? { "If-Match": story.etag } : {} });
    for (const field of $("people").querySelectorAll("[data-entry]")) field.defaultValue = field.value;
    apply({ view: await answer.json(), etag: answer.headers.get("ETag") });
  });
}

