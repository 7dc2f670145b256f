// One story: its state, the stream that keeps it fresh, its storyboard and what can be done with all of it.
import { Problem, events, insist, pause, send, status } from "./api.js";
import { askFor } from "./ask.js";
import { $, announce, busy, device, h, inOneLine, ours, say, tab } from "./dom.js";
import { elapsed, money, number, plainly, t, when } from "./words.js";

const UNFINISHED = ["pending", "processing"];
const WAIT_SECONDS = 20; // of one poll, when there is no stream
const SYNC_MS = 1500; // the stream does not tell of portraits: the state is asked for, no oftener than this
const RECENT = 12;

/** The story that is open: `view` is what `/status` said last, `etag` which state that was, `version` what the stream told. */
export const story = { id: null, view: null, etag: null, version: null, chosen: new Set(), lost: false };
const watchers = new Set(); // dialogs that want to know what changed
export const onChange = (tell) => (watchers.add(tell), () => watchers.delete(tell));

let cards = new Map(); // scene_id → Card
let watching = null; // the AbortController of the watch
let began = null; // when the work under way began, by this clock
let milestone = 0;
let syncing = 0;
let startedEmpty = false;

export const unfinished = () => UNFINISHED.includes(story.view?.status);
export const sceneOf = (sceneId) => story.view?.scenes.find((scene) => scene.scene_id === sceneId);
/** What was asked for: a provider's sizes are a few pixels off, and nothing shall jump. */
export const shapeOf = () => story.view.settings.aspect_ratio.replace(":", " / ");
export const totalOf = (prices) => (prices.some((price) => price === null) ? null : prices.reduce((sum, price) => sum + price, 0));

// --- Opening and closing

export async function openStory(id) {
  if (story.id === id && story.view) {
    watch();
    return true;
  }
  closeStory();
  const chosen = tab.get(`chosen:${id}`);
  Object.assign(story, { id, view: null, etag: null, lost: false });
  story.chosen = new Set(chosen || []);
  began = tab.get(`began:${id}`);
  milestone = 0;
  cards = new Map();
  $("board").replaceChildren();
  say($("story-title"), t("loading"));
  say($("story-meta"), " ");
  say($("story-note"), "");
  $("story-tools").hidden = false;
  try {
    const first = await insist(() => status(id));
    if (story.id !== id) return false;
    startedEmpty = first.view.scenes.every((scene) => scene.status !== "ready");
    if (!chosen) story.chosen = new Set(first.view.scenes.filter((scene) => scene.approved).map((scene) => scene.scene_id));
    apply(first);
    watch();
    return true;
  } catch (problem) {
    if (story.id !== id) return false;
    say($("story-title"), t("no_story"));
    $("story-tools").hidden = problem.status === 404;
    tell(problem);
    if (problem.status === 404) forget(id);
    return false;
  }
}

export function closeStory() {
  watching?.abort();
  watching = null;
  story.id = null;
  story.view = null;
  $("dock").hidden = true;
  say($("doing"), "");
}

export const recent = () => device.get("recent") || [];
export function forget(id) {
  device.set("recent", recent().filter((each) => each.id !== id));
  device.set(`story:${id}`, null);
}
function keepRecent() {
  const { id, view } = story;
  const others = recent().filter((each) => each.id !== id);
  for (const old of others.slice(RECENT - 1)) device.set(`story:${old.id}`, null);
  device.set("recent", [{ id, title: view.title, at: view.created_at }, ...others].slice(0, RECENT));
}

// --- The state

/** Takes over a whole state, from `/status` or from an edit that answers with one. */
export function apply({ view, etag }) {
  if (view.session_id !== story.id) return;
  const first = story.view === null;
  story.view = view;
  story.etag = etag;
  story.version = /^"(\d+)-/.exec(etag || "")?.[1];
  if (first) keepRecent();
  if (unfinished() && !began) beginAt(Date.now() - Math.max(0, Date.parse(view.updated_at) - Date.parse(view.created_at)));
  arrange(view.scenes.map((scene) => scene.scene_id));
  for (const scene of view.scenes) cards.get(scene.scene_id).update(scene);
  if (first) show(); // with the cards, in one frame: nothing moves afterwards
  else changed();
}

export function applyScene(scene) {
  const at = story.view.scenes.findIndex((each) => each.scene_id === scene.scene_id);
  if (at < 0) return;
  story.view.scenes[at] = { ...story.view.scenes[at], ...scene };
  cards.get(scene.scene_id)?.update(story.view.scenes[at]);
  changed();
}

function applyProgress(progress) {
  const { view } = story;
  const { session_id: _, status: state, scene_ids: ids, cost_usd, error, ...rest } = progress;
  Object.assign(view, { status: state, cost_usd, error, progress: rest });
  if (ids.join() !== view.scenes.map((scene) => scene.scene_id).join()) syncing = 0;
  const more = view.anchors.length > 0 || !view.story_bible || syncing === 0;
  if (more && Date.now() - syncing > SYNC_MS) {
    syncing = Date.now();
    refresh().catch(() => {});
  }
  changed();
}

export async function refresh() {
  const { id } = story;
  const answer = await insist(() => status(id, { etag: story.etag }));
  if (answer && story.id === id) apply(answer);
}

let painting = 0;
function changed() {
  painting ||= requestAnimationFrame(() => {
    painting = 0;
    if (story.view) show();
  });
}

function show() {
  head();
  dock();
  for (const tell of watchers) tell();
}

// --- Watching: the stream, and when it breaks, asking

export async function watch() {
  if (watching || !story.view || !unfinished()) return;
  const mine = (watching = new AbortController());
  const { id } = story;
  let broken = 0;
  try {
    while (story.id === id && unfinished()) {
      try {
        if (broken < 2) {
          const ended = await events(id, story.version, mine.signal, streamed);
          if (!ended) broken += 1;
          const now = await status(id, { etag: story.etag, signal: mine.signal });
          if (now) apply(now);
        } else {
          const now = await status(id, { etag: story.etag, wait: WAIT_SECONDS, signal: mine.signal });
          if (now) apply(now);
        }
        connected(true);
      } catch (problem) {
        if (mine.signal.aborted) return;
        if (!(problem instanceof Problem) || (problem.status && !problem.retryable && broken > 1)) throw problem;
        broken += 1;
        if (broken > 2) {
          connected(false);
          await Promise.race([pause(Math.min(8000, 500 * 2 ** (broken - 2)), mine.signal), online()]);
        }
      }
    }
  } catch (problem) {
    if (!mine.signal.aborted) tell(problem);
  } finally {
    if (watching === mine) watching = null;
    if (!mine.signal.aborted && story.id === id) ended();
  }
}

const online = () => new Promise((resolve) => addEventListener("online", resolve, { once: true }));

function streamed(event) {
  if (!story.view) return;
  if (event.name === "scene") applyScene(event.data);
  if (event.name === "progress") applyProgress(event.data);
  if (event.id) story.version = event.id; // not the ETag: portraits and the bible come with the whole state only
  connected(true);
}

function connected(yes) {
  if (story.lost === !yes) return;
  story.lost = !yes;
  changed();
}

function ended() {
  beginAt(null);
  changed();
  if (!unfinished() && story.view) announce(doing().join(" "));
}

function beginAt(at) {
  began = at;
  tab.set(`began:${story.id}`, at);
}

setInterval(() => began && !document.hidden && changed(), 1000);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && story.view) refresh().then(watch, () => {});
});

// --- What can be done with the whole story

/** Runs a command, then looks at the state again; problems are told in words. */
export async function command(work) {
  try {
    tell(null);
    await work();
    await refresh();
    if (unfinished()) beginAt(Date.now());
    watch();
    return true;
  } catch (problem) {
    tell(problem);
    if (problem.status === 412) refresh().catch(() => {});
    return false;
  }
}

export function tell(problem) {
  if (problem && !(problem instanceof Problem)) throw problem;
  const box = $("trouble");
  box.hidden = !problem;
  if (!problem) return;
  const close = h("button", { class: "icon", "aria-label": t("close"), onclick: () => (box.hidden = true) }, "×");
  box.replaceChildren(h("p", {}, plainly(problem)), close);
  const open = [...document.querySelectorAll("dialog[open]")].pop();
  if (open) open.querySelector(".dialog-note")?.replaceChildren(plainly(problem));
}

export const redraw = (scene, more = {}) =>
  command(() => send("POST", "/regenerate", { json: { session_id: story.id, scene_number: scene.scene_number, ...more } }));

async function goOn() {
  let budget = null;
  const { view } = story;
  if (view.error?.code === "budget_reached" || view.scenes.some((scene) => scene.error?.code === "budget_reached")) {
    budget = await askFor({
      heading: t("budget_heading"), text: t("budget_text", { spent: money(view.cost_usd) }), label: t("budget"), ok: t("continue"),
      input: { type: "number", min: 0, max: 10000, step: 0.01, value: Math.max(0.1, (view.max_cost_usd ?? view.cost_usd) * 2).toFixed(2) },
    });
    if (budget === null) return;
  }
  const json = { session_id: story.id, ...(budget && { max_cost_usd: Number(budget) }) };
  await command(() => send("POST", "/continue", { json }));
}

async function remove() {
  const sure = await askFor({ heading: t("delete_heading"), text: t("delete_text"), ok: t("delete_yes"), danger: true });
  if (!sure) return;
  const { id } = story;
  try {
    await send("DELETE", `/sessions/${id}`);
    forget(id);
    closeStory();
    location.hash = "#/";
    announce(t("deleted"));
  } catch (problem) {
    tell(problem);
  }
}

export function choose(sceneId, yes) {
  if (yes) story.chosen.add(sceneId);
  else story.chosen.delete(sceneId);
  tab.set(`chosen:${story.id}`, [...story.chosen]);
  cards.get(sceneId)?.mark();
  changed();
}

export const readyScenes = () => (story.view?.scenes || []).filter((scene) => ours(scene.image_url));
export const chosenScenes = () => readyScenes().filter((scene) => story.chosen.has(scene.scene_id));

// --- The head and the dock

function head() {
  const { view } = story;
  say($("story-title"), view.title || t("untitled"));
  say($("story-meta"), [t("scenes", { n: view.scenes.length }), t("words", { n: view.analysis.words }), when(view.created_at)].join(" · "));
  say($("story-note"), view.offline ? t("offline_now") : "");
}

/** What is happening, in words, and what it took. */
function doing() {
  const { view } = story;
  const ready = view.scenes.filter((scene) => scene.status === "ready").length;
  const failed = view.scenes.filter((scene) => scene.status === "failed").length;
  const stale = view.scenes.filter((scene) => scene.stale).length;
  const all = { ready, n: view.scenes.length };
  const portraits = view.anchors.filter((anchor) => ["pending", "drawing"].includes(anchor.status));
  let said;
  if (story.lost) said = t("lost");
  else if (unfinished()) {
    if (!view.story_bible && !ready) said = t("doing_reading");
    else if (portraits.length && !ready) said = t("doing_portraits");
    else if (view.scenes.some((scene) => scene.status === "drawing") || ready) said = t("doing_drawing", all);
    else said = t("doing_writing", all);
  } else if (view.status === "cancelled") said = t("is_cancelled", all);
  else if (view.error) said = plainly(view.error);
  else if (view.status === "awaiting_review") said = t("is_waiting");
  else if (stale) said = t("is_stale", { n: stale });
  else if (failed) said = t("is_partly", { ...all, failed });
  else said = t("is_done", all);
  const took = [];
  if (began) took.push(elapsed((Date.now() - began) / 1000));
  if (view.max_cost_usd !== null) took.push(t("spent_of", { spent: money(view.cost_usd), most: money(view.max_cost_usd) }));
  else if (view.cost_usd) took.push(t("spent", { spent: money(view.cost_usd) }));
  else if (unfinished() || view.offline) took.push(t("spent_nothing"));
  return [said, took.join(" · ")];
}

const BUTTONS = {
  stop: () => command(() => send("POST", "/cancel", { json: { session_id: story.id } })),
  continue: goOn,
  all: () => readyScenes().forEach((scene) => choose(scene.scene_id, true)),
  none: () => [...story.chosen].forEach((sceneId) => choose(sceneId, false)),
  read: () => (location.hash = `#/s/${story.id}/read/1`),
  take: () => (location.hash = `#/s/${story.id}/take`),
};

function dock() {
  const { view } = story;
  const ready = readyScenes();
  const open = view.scenes.filter((scene) => scene.status !== "ready" || scene.stale);
  const [said, took] = doing();
  $("dock").hidden = $("story-view").hidden;
  $("dock").classList.toggle("working", unfinished());
  $("progress").value = view.progress.percent;
  say($("doing"), took ? `${said} · ${took}` : said);
  const wanted = [];
  if (unfinished()) wanted.push(["stop", t("stop")]);
  else if (open.length || view.status === "failed" || view.anchors.some((anchor) => anchor.stale)) {
    const portraits = view.anchors.filter((anchor) => anchor.stale || anchor.status === "failed");
    const price = totalOf([...open, ...portraits].map((each) => each.redraw_cost_usd));
    wanted.push(["continue", price ? t("continue_for", { price: money(price) }) : t("continue"), "main"]);
  }
  if (ready.length) {
    const all = ready.every((scene) => story.chosen.has(scene.scene_id));
    wanted.push(all ? ["none", t("choose_none")] : ["all", t("choose_all")], ["read", t("read")]);
    const n = chosenScenes().length;
    wanted.push(["take", n ? t("take_n", { n }) : t("take"), unfinished() || open.length ? "" : "main"]);
  }
  const box = $("dock-buttons");
  const there = new Map([...box.children].map((button) => [button.dataset.do, button]));
  const buttons = wanted.map(([name, label, look]) => {
    const button = there.get(name) || h("button", { "data-do": name, onclick: (event) => busy(event.currentTarget, async () => BUTTONS[name]()) });
    say(button, label);
    button.className = look || "quiet";
    return button;
  });
  const focused = document.activeElement?.parentElement === box ? document.activeElement.dataset.do : null;
  if (buttons.length !== box.children.length || buttons.some((button, i) => box.children[i] !== button)) {
    box.replaceChildren(...buttons);
    if (focused) (buttons.find((button) => button.dataset.do === focused) || buttons[0])?.focus();
  }
  if (unfinished() && startedEmpty) tellMilestones(ready.length, view.scenes.length);
}

function tellMilestones(ready, n) {
  const quarter = Math.floor((4 * ready) / n);
  if (quarter <= milestone || quarter >= 4) return;
  milestone = quarter;
  announce(t("doing_drawing", { ready, n }));
}

// --- The storyboard

function arrange(ids) {
  const board = $("board");
  for (const [sceneId, card] of cards) {
    if (ids.includes(sceneId)) continue;
    card.node.remove();
    cards.delete(sceneId);
  }
  ids.forEach((sceneId, i) => {
    if (!cards.has(sceneId)) cards.set(sceneId, new Card(sceneId));
    const { node } = cards.get(sceneId);
    if (board.children[i] !== node) board.insertBefore(node, board.children[i] || null);
  });
}

export const stateOf = (scene) => (scene.stale && scene.status === "ready" ? "stale" : scene.status);

/** One scene on the storyboard; `update` touches only what changed. */
class Card {
  constructor(sceneId) {
    this.sceneId = sceneId;
    this.shown = {};
    this.number = h("span", { class: "number", "aria-hidden": "true" });
    this.frame = h("div", { class: "frame" }, this.number);
    this.link = h("a", { dir: "auto" });
    this.excerpt = h("p", { class: "excerpt", dir: "auto" });
    this.state = h("span", { class: "state" });
    this.redraw = h("button", { class: "quiet small", hidden: true, onclick: () => busy(this.redraw, () => redraw(sceneOf(sceneId))) });
    this.approve = h("button", { class: "approve", "aria-pressed": "false", hidden: true, onclick: () => choose(sceneId, !story.chosen.has(sceneId)) });
    this.node = h("li", { class: "card" }, this.frame,
      h("div", { class: "words" }, h("h2", {}, this.link), this.excerpt),
      h("div", { class: "card-foot" }, this.state, this.redraw, this.approve));
  }

  update(scene) {
    const state = stateOf(scene);
    const said = JSON.stringify([scene.scene_number, scene.title, scene.excerpt, state, scene.image_url, scene.error, scene.description, scene.redraw_cost_usd, shapeOf()]);
    if (said === this.shown.said && this.shown.language === document.documentElement.lang) return;
    this.node.dataset.state = state;
    this.node.dataset.scene = scene.scene_number;
    this.frame.style.setProperty("--shape", shapeOf());
    say(this.number, number(scene.scene_number + 1));
    say(this.link, scene.title || t("scene_n", { n: scene.scene_number + 1 }));
    this.link.href = `#/s/${story.id}/scene/${this.sceneId}`;
    say(this.excerpt, scene.error ? plainly(scene.error) : inOneLine(scene.excerpt));
    this.excerpt.classList.toggle("bad", Boolean(scene.error));
    say(this.state, t(`state_${state}`));
    this.redraw.hidden = !["failed", "stale"].includes(state) || scene.error?.code === "content_blocked";
    const price = scene.redraw_cost_usd ? money(scene.redraw_cost_usd) : "";
    say(this.redraw, `↻ ${price}`);
    this.redraw.setAttribute("aria-label", `${price ? t("redraw_for", { price }) : t("redraw")}: ${this.link.textContent}`);
    this.approve.hidden = !ours(scene.image_url);
    this.picture(scene);
    this.mark();
    this.shown = { said, language: document.documentElement.lang };
  }

  picture(scene) {
    const url = ours(scene.image_url);
    const old = this.frame.querySelector("img:last-of-type");
    const alt = scene.description || scene.title;
    if (old && old.getAttribute("src") === url) old.alt = alt;
    else if (!url) this.frame.querySelectorAll("img").forEach((img) => img.remove());
    else {
      const size = { width: scene.width, height: scene.height };
      const img = h("img", { class: "fresh", src: url, alt, loading: "lazy", decoding: "async", ...size });
      img.addEventListener("load", () => {
        img.classList.remove("fresh");
        setTimeout(() => old?.remove(), 500);
      });
      img.addEventListener("error", () => (img.remove(), old?.classList.remove("fresh")));
      this.frame.append(img);
    }
  }

  mark() {
    const yes = story.chosen.has(this.sceneId);
    this.approve.setAttribute("aria-pressed", String(yes));
    say(this.approve, t("approve")); // the same words pressed or not: `aria-pressed` says which
    this.approve.setAttribute("aria-label", `${this.approve.textContent}: ${this.link.textContent}`);
    this.node.classList.toggle("chosen", yes);
  }
}

export function setUpStory() {
  $("delete").addEventListener("click", () => busy($("delete"), remove));
  $("open-people").addEventListener("click", () => (location.hash = `#/s/${story.id}/people`));
}

/** Everything again in another language. */
export function translateStory() {
  if (!story.view) return;
  story.view.scenes.forEach((scene) => cards.get(scene.scene_id)?.update(scene));
  changed();
}
