// Writing: the story, what is in it, how it is drawn and what that costs.
import { Problem, ask, insist, newKey } from "./api.js";
import { $, announce, busy, device, h, inOneLine, say, tab } from "./dom.js";
import { elapsed, money, number, plainly, t } from "./words.js";

const STYLES = ["cinematic", "cartoon", "realistic", "artistic"];
const SHAPES = ["16:9", "3:2", "4:3", "1:1", "3:4", "2:3", "9:16"];
const TYPING_MS = 700; // quiet after the last letter before the service is asked
const LEAST_CHARS = 10; // of a story
const FIELDS = ["title", "story", "style", "scenes", "budget", "image-model"];

let reading = null; // the analysis under way
let timer = 0;
let analyzed = null; // the last answer
let models = null;
let failed = false; // whether the note is about the analysis
let sent = () => {};

/** Sets up the form; `go(id)` is called when the service has taken the story. */
export function setUpWriting(go) {
  sent = go;
  for (const style of STYLES) {
    const picture = h("img", { src: `${style}.webp`, alt: "", width: 320, height: 240, decoding: "async" });
    $("styles").lastElementChild.before(radio("media", style, picture, h("span", { "data-t": `style_${style}` })));
  }
  for (const shape of SHAPES) {
    const box = h("i", { "aria-hidden": "true" });
    box.style.setProperty("--shape", shape.replace(":", " / "));
    if (Number(shape.split(":")[0]) < Number(shape.split(":")[1])) box.className = "tall";
    $("shapes").append(radio("shape", shape, box, h("span", {}, shape)));
  }
  restore();
  $("story-form").addEventListener("input", () => {
    remember();
    count();
    later();
  });
  $("story-form").addEventListener("submit", (event) => {
    event.preventDefault();
    busy($("draw"), draw);
  });
  $("fewer").addEventListener("click", () => step(-1));
  $("more").addEventListener("click", () => step(1));
  $("sample").addEventListener("click", () => take(t("sample_title"), t("sample_story")));
  $("open-file").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => $("file").files[0] && busy($("open-file"), () => upload($("file").files[0])));
  for (const name of ["dragover", "dragleave", "drop"]) addEventListener(name, drag);
}

/** What the service offers; asked when the view opens, so that a key is asked for before anything is typed twice. */
export async function showWriting() {
  count();
  showModels();
  showFound();
  if ($("story").value.trim().length >= LEAST_CHARS && !analyzed) later(0);
  if (models) return;
  try {
    models = (await ask("GET", "/models")).models.filter((model) => model.kind === "image" && model.available);
    showModels();
  } catch (problem) {
    note(problem);
  }
}

const radio = (name, value, ...inside) =>
  h("label", {}, h("input", { type: "radio", name, value }), ...inside);
const chosen = (name) => document.querySelector(`input[name="${name}"]:checked`)?.value;
const choose = (name, value) => {
  const input = document.querySelector(`input[name="${name}"][value="${CSS.escape(value)}"]`);
  if (input) input.checked = true;
};

// --- The draft is kept until it is sent

function restore() {
  choose("media", "cinematic");
  choose("shape", "16:9");
  const draft = device.get("draft") || {};
  for (const id of FIELDS) if (draft[id] && id !== "image-model") $(id).value = draft[id];
  if (draft.media) choose("media", draft.media);
  if (draft.shape) choose("shape", draft.shape);
  if (draft.quality) choose("quality", draft.quality);
  if (draft.references === false) $("references").checked = false;
  $("check-images").checked = Boolean(draft.check);
  $("image-model").dataset.wanted = draft["image-model"] || "";
}

function remember() {
  const draft = Object.fromEntries(FIELDS.map((id) => [id, $(id).value]));
  const more = { media: chosen("media"), shape: chosen("shape"), quality: chosen("quality") };
  device.set("draft", { ...draft, ...more, references: $("references").checked, check: $("check-images").checked });
}

function body() {
  const words = (id) => $(id).value.trim();
  const request = { story_text: $("story").value, media_type: chosen("media"), aspect_ratio: chosen("shape") };
  Object.assign(request, { quality: chosen("quality"), check_images: $("check-images").checked });
  request.consistency = $("references").checked ? "references" : "prompt";
  if (words("title")) request.title = words("title");
  if (words("style")) request.style = words("style");
  if ($("scenes").value) request.num_scenes = Math.trunc(Number($("scenes").value));
  if ($("image-model").value) request.image_model = $("image-model").value;
  if ($("budget").value) request.max_cost_usd = Number($("budget").value);
  return request;
}

// --- Reading while somebody types

function count() {
  const words = $("story").value.trim().split(/\s+/u).filter((word) => /[\p{L}\p{N}]/u.test(word)).length;
  say($("counts"), t("words", { n: words }));
}

function later(ms = TYPING_MS) {
  clearTimeout(timer);
  reading?.abort();
  if ($("story").value.trim().length < LEAST_CHARS) {
    analyzed = null;
    $("found").removeAttribute("aria-busy");
    showFound();
    return;
  }
  $("found").setAttribute("aria-busy", "true");
  timer = setTimeout(read, ms);
}

async function read() {
  reading = new AbortController();
  const signal = reading.signal;
  try {
    const answer = await ask("POST", "/analyze", { json: body(), signal });
    analyzed = answer;
    showFound();
    if (failed) note(null);
    failed = false;
  } catch (problem) {
    if (signal.aborted) return;
    if (!(problem instanceof Problem)) throw problem;
    failed = true;
    note(problem);
    if (problem.retryable) later((problem.retryAfter ?? 3) * 1000);
  } finally {
    if (!signal.aborted) $("found").removeAttribute("aria-busy");
  }
}

function showFound() {
  const scenes = $("scenes-hint");
  const recommended = analyzed ? t("recommended", { n: analyzed.recommended_scenes }) : t("recommended_none");
  say(scenes, recommended);
  $("scenes").placeholder = analyzed ? number(analyzed.recommended_scenes) : "–";
  showCost();
  if (!analyzed) {
    $("found").replaceChildren(h("p", { class: "hint" }, t("found_nothing")));
    return;
  }
  const { analysis } = analyzed;
  const facts = [t("words", { n: analysis.words }), t("scenes", { n: analyzed.num_scenes })];
  facts.push(t("to_read", { time: elapsed(60 * analysis.reading_time_minutes) }));
  const languages = new Intl.DisplayNames(document.documentElement.lang, { type: "language" });
  if (analysis.language !== "und") facts.push(languages.of(analysis.language));
  const names = (found) => h("ul", { class: "names" }, found.slice(0, 9).map((each) => h("li", { dir: "auto" }, each.name)));
  const row = (label, found) => (found.length ? h("div", { class: "fact" }, h("h3", {}, t(label)), names(found)) : null);
  const borders = h("details", { class: "borders" },
    h("summary", {}, t("scenes_begin")),
    h("ol", { dir: "auto" }, analyzed.scenes.map((scene) => h("li", { dir: "auto" }, firstLine(scene.excerpt)))));
  borders.open = $("found").querySelector("details")?.open ?? false;
  $("found").replaceChildren(...[h("p", { class: "facts" }, facts.join(" · ")),
    row("characters", analysis.characters), row("places", analysis.locations), borders].filter(Boolean));
}

const firstLine = (text) => `${inOneLine(text).slice(0, 110)}…`;

function showCost() {
  if (!analyzed) {
    say($("cost"), t("cost_none"));
    return;
  }
  const { least_usd: least, worst_usd: worst } = analyzed.estimate;
  if (worst === 0) say($("cost"), t("cost_free"));
  else if (least === null || worst === null) say($("cost"), t("cost_unknown"));
  else say($("cost"), t("cost_between", { least: money(least), worst: money(worst) }));
}

function showModels() {
  if (!models) return;
  const select = $("image-model");
  const wanted = select.value || select.dataset.wanted;
  const name = (model) => `${model.id} · ${model.price_usd}${model.default ? ` · ${t("the_default")}` : ""}`;
  select.replaceChildren(...models.map((model) => h("option", { value: model.default ? "" : model.id }, name(model))));
  select.value = models.some((model) => model.id === wanted) ? wanted : "";
  if (select.selectedIndex < 0) select.selectedIndex = 0;
  const shown = models.find((model) => model.id === select.value) || models.find((model) => model.default);
  say($("model-hint"), shown?.description ?? "");
  if (shown?.provider === "draft" && !$("write-note").textContent) say($("write-note"), t("offline_before"));
}

function note(problem) {
  const drafts = models?.some((model) => model.provider === "draft" && model.default);
  $("quality").hidden = drafts;
  say($("write-note"), problem ? plainly(problem) : drafts ? t("offline_before") : "");
  $("write-note").classList.toggle("bad", Boolean(problem));
}

function step(by) {
  const now = Number($("scenes").value) || analyzed?.recommended_scenes || 1;
  $("scenes").value = Math.max(1, now + by);
  remember();
  later();
}

// --- Documents

async function upload(file) {
  $("file").value = "";
  say($("write-note"), t("reading_file", { name: file.name }));
  const form = new FormData();
  form.append("file", file);
  try {
    const found = await ask("POST", "/upload", { form });
    take(found.title, found.story_text);
  } catch (problem) {
    note(problem);
  }
}

function take(title, story) {
  $("title").value = title;
  $("story").value = story;
  $("scenes").value = "";
  note(null);
  remember();
  count();
  later(0);
  $("story").focus();
  $("story").setSelectionRange(0, 0);
  $("story").scrollTop = 0;
  announce(t("taken", { title }));
}

function drag(event) {
  if (!event.dataTransfer?.types.includes("Files")) return;
  event.preventDefault(); // else the browser leaves the page for the file
  if ($("write").hidden) return;
  $("sheet").classList.toggle("over", event.type === "dragover");
  const file = event.type === "drop" && event.dataTransfer.files[0];
  if (file) busy($("open-file"), () => upload(file));
}

// --- Off it goes

async function draw() {
  const request = body();
  if (request.story_text.trim().length < LEAST_CHARS) {
    note(new Problem(422, { code: "too_short" }));
    $("story").focus();
    return;
  }
  note(null);
  clearTimeout(timer);
  reading?.abort();
  try {
    const { session_id } = await insist(() => ask("POST", "/generate", { json: request, headers: { "Idempotency-Key": keyFor(request) } }));
    tab.set("sending", null);
    for (const id of ["title", "story", "scenes"]) $(id).value = "";
    remember();
    analyzed = null;
    sent(session_id);
  } catch (problem) {
    note(problem);
  }
}

/** The same key for the same request until it is answered, over a reload too: it makes one session. */
function keyFor(request) {
  const text = JSON.stringify(request);
  const sending = tab.get("sending");
  if (sending?.text === text) return sending.key;
  const key = newKey();
  tab.set("sending", { text, key });
  return key;
}
