// Reading: one picture and its words at a time, over the whole screen.
import { ask } from "./api.js";
import { $, h, openDialog, ours, say } from "./dom.js";
import { readyScenes, story } from "./story.js";
import { directionOf, t } from "./words.js";

const SWIPE_PX = 45;
const texts = new Map(); // of scenes, by what they hold

let page = 1;
let down = null;

export function openReader(wanted) {
  const dialog = $("reader");
  const pages = readyScenes();
  if (!pages.length) return (location.hash = `#/s/${story.id}`);
  page = Math.min(Math.max(1, wanted || 1), pages.length);
  if (!dialog.open) {
    build(dialog);
    openDialog(dialog, () => {
      if (document.fullscreenElement) document.exitFullscreen();
      if (location.hash.includes("/read/")) location.hash = `#/s/${story.id}`;
    });
    $("reader-page").focus();
  }
  show(pages);
}

const rightToLeft = () => directionOf(story.view.analysis.language) === "rtl";

function build(dialog) {
  dialog.dir = rightToLeft() ? "rtl" : "ltr"; // the pages turn as the story reads, not as the interface does
  const button = (id, label, sign, act) => h("button", { id, class: "icon", "aria-label": t(label), onclick: act }, sign);
  dialog.replaceChildren(
    h("header", { class: "reader-head" }, h("h2", { id: "reader-title", dir: "auto" }, story.view.title),
      button("reader-full", "full_screen", "⛶", full), button("reader-close", "close", "×", () => dialog.close())),
    h("article", { id: "reader-page", tabindex: "0", role: "region", "aria-labelledby": "reader-title", "aria-describedby": "reader-count" }, h("div", { id: "reader-picture" }), h("div", { id: "reader-text", dir: "auto" })),
    h("footer", { class: "reader-foot" }, button("reader-back", "previous", rightToLeft() ? "→" : "←", () => turn(-1)),
      h("p", { id: "reader-count", role: "status" }), button("reader-on", "next", rightToLeft() ? "←" : "→", () => turn(1))));
  dialog.onkeydown = (event) => {
    const on = { ArrowRight: 1, ArrowLeft: -1, PageDown: 1, PageUp: -1 }[event.key];
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (on) turn(event.key.startsWith("Arrow") && rightToLeft() ? -on : on);
    else if (event.key === "Home") to(1);
    else if (event.key === "End") to(readyScenes().length);
    else return;
    event.preventDefault();
  };
  const swiped = $("reader-page");
  swiped.onpointerdown = (event) => (down = event.pointerType === "mouse" ? null : { x: event.clientX, y: event.clientY });
  swiped.onpointerup = (event) => {
    if (!down) return;
    const [x, y] = [event.clientX - down.x, event.clientY - down.y];
    down = null;
    if (Math.abs(x) > SWIPE_PX && Math.abs(x) > 2 * Math.abs(y)) turn((x < 0) === !rightToLeft() ? 1 : -1);
  };
  swiped.onpointercancel = () => (down = null);
}

function full() {
  if (document.fullscreenElement) document.exitFullscreen();
  else $("reader").requestFullscreen?.().catch(() => {});
}

const turn = (by) => to(page + by);
function to(wanted) {
  if (wanted < 1 || wanted > readyScenes().length) return;
  location.replace(`#/s/${story.id}/read/${wanted}`);
}

async function show(pages) {
  const scene = pages[page - 1];
  const mine = page;
  say($("reader-count"), t("page_of", { n: page, total: pages.length }));
  $("reader-back").disabled = page === 1;
  $("reader-on").disabled = page === pages.length;
  const url = ours(scene.image_url);
  if ($("reader-picture").querySelector("img")?.getAttribute("src") !== url) {
    $("reader-picture").replaceChildren(h("img", { src: url, alt: scene.description || scene.title, width: scene.width, height: scene.height }));
  }
  $("reader-page").scrollTop = 0;
  const text = await textOf(scene);
  if (mine === page) say($("reader-text"), text);
  const next = pages[page];
  if (next) {
    new Image().src = ours(next.image_url);
    textOf(next);
  }
}

async function textOf(scene) {
  const key = `${story.id} ${scene.scene_id} ${scene.start}-${scene.end}`;
  if (!texts.has(key)) {
    texts.set(key, ask("GET", `/sessions/${story.id}/scenes/${scene.scene_number}`).then((detail) => withoutRules(detail.text)));
    texts.get(key).catch(() => texts.delete(key));
  }
  try {
    return await texts.get(key);
  } catch {
    return scene.excerpt;
  }
}

/** A scene break or a heading's sign is for the splitter, not for the reader. */
const withoutRules = (text) => text.replace(/^\s*(?:\*\s*){3,}$/gmu, "").replace(/^#{1,6}\s+/gmu, "").replace(/\n{3,}/gu, "\n\n").trim();
