// The page: which view an address shows, and what is on every view. Whatever a story contains is shown as text.
import { ask, whenKeyIsNeeded } from "./api.js";
import { askFor } from "./ask.js";
import { $, device, h } from "./dom.js";
import { showProjects } from "./projects.js";
import { closeStory, openStory, setUpStory, story, tell, translateStory } from "./story.js";
import { LANGUAGES, chooseLanguage, t } from "./words.js";
import { setUpWriting, showWriting } from "./write.js";

const VIEWS = { write: "write", projects: "projects", story: "story-view" };
const OVER = { // what opens over a story is loaded when it is first wanted
  scene: { dialog: "scene", module: () => import("./scene.js"), open: (module, which) => module.openScene(which) },
  people: { dialog: "people", module: () => import("./people.js"), open: (module) => module.openPeople() },
  take: { dialog: "take", module: () => import("./take.js"), open: (module) => module.openTake() },
  read: { dialog: "reader", module: () => import("./reader.js"), open: (module, which) => module.openReader(Number(which)) },
};
let shown = null;

/** `#/`, `#/projects`, `#/s/{id}`, and over a story `/scene/{scene_id}`, `/people`, `/take`, `/read/{page}`. */
async function route() {
  const [, place, id, over, which] = location.hash.split("/");
  if (location.hash && !location.hash.startsWith("#/")) return; // a place on this page
  if (place !== "s" || !/^[0-9a-f]{32}$/.test(id || "")) {
    closeDialogs();
    closeStory();
    show(place === "projects" ? "projects" : "write");
    return place === "projects" ? showProjects() : showWriting();
  }
  if (story.id !== id) closeDialogs();
  show("story");
  if (!(await openStory(id))) return;
  $("dock").hidden = false;
  closeDialogs(OVER[over]?.dialog);
  if (OVER[over]) OVER[over].open(await OVER[over].module(), which);
}

function show(view) {
  if (shown === view) return;
  const first = shown === null;
  shown = view;
  $("trouble").hidden = true;
  for (const [name, id] of Object.entries(VIEWS)) $(id).hidden = name !== view;
  for (const link of document.querySelectorAll("[data-nav]")) {
    if (link.dataset.nav === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  scrollTo(0, 0);
  if (!first) $(VIEWS[view]).querySelector("h1").focus({ preventScroll: true });
}

function closeDialogs(but) {
  for (const dialog of document.querySelectorAll("dialog[open]")) if (dialog.id !== but && dialog.id !== "ask") dialog.close();
}

function askKey(again) {
  return askFor({ heading: t("key_heading"), text: t(again ? "key_wrong" : "key_text"), label: t("key_label"), ok: t("continue"), input: { type: "password" } });
}

function theme(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  $("theme").setAttribute("aria-pressed", String(dark));
}

function setUpTheme() {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const wanted = device.get("theme");
  theme(wanted ? wanted === "dark" : system.matches);
  system.addEventListener("change", () => device.get("theme") || theme(system.matches));
  $("theme").addEventListener("click", () => {
    const dark = document.documentElement.dataset.theme !== "dark";
    theme(dark);
    device.set("theme", dark ? "dark" : "light");
  });
}

async function start() {
  const words = chooseLanguage(); // under way while the rest is set up
  setUpTheme();
  setUpStory();
  setUpWriting((id) => {
    location.hash = `#/s/${id}`;
  });
  await words;
  $("language").append(...Object.entries(LANGUAGES).map(([code, name]) => h("option", { value: code, lang: code }, name)));
  $("language").value = document.documentElement.lang;
  $("language").addEventListener("change", async () => {
    await chooseLanguage($("language").value);
    translateStory();
    if (shown === "write") showWriting();
    if (shown === "projects") showProjects();
  });
  whenKeyIsNeeded(askKey);
  addEventListener("hashchange", () => route().catch(tell));
  document.documentElement.classList.remove("loading");
  // In production there is no page about the interface.
  ask("GET", "/health").then((health) => ($("docs-link").hidden = health.environment === "production"), () => {});
  await route();
}

start();
