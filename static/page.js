// The page is a client of the public interface and nothing else. Whatever a story contains is shown as text.
const element = (id) => document.getElementById(id);
const form = element("story-form");
const UNFINISHED = ["pending", "processing"];

// In production there is no page about the interface.
fetch("/openapi.json", { method: "HEAD" })
  .then((answer) => (element("docs-link").hidden = !answer.ok))
  .catch(() => {});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (element("key").value) sessionStorage.setItem("key", element("key").value);
  busy(form.querySelector("button"), () => draw(element("story").value));
});

element("download").addEventListener("click", (event) => {
  busy(event.target, () => download(element("session-id").textContent));
});

async function busy(button, work) {
  button.disabled = true;
  try {
    await work();
  } catch (error) {
    element("progress").textContent = error.message;
  } finally {
    button.disabled = false;
  }
}

async function draw(story) {
  element("scenes").replaceChildren();
  element("result").hidden = true;
  element("progress").textContent = "Reading the story…";
  const accepted = await post("/generate", { story_text: story });
  const { session_id } = await accepted.json();
  element("session-id").textContent = session_id;
  let etag = "";
  for (;;) {
    const answer = await call(`/status/${session_id}?wait=20`, { headers: etag ? { "If-None-Match": etag } : {} });
    if (answer.status === 304) continue;
    etag = answer.headers.get("ETag");
    const session = await answer.json();
    show(session);
    if (!UNFINISHED.includes(session.status)) return;
  }
}

async function download(session_id) {
  const answer = await post("/download", { session_id });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await answer.blob());
  link.download = decodeURIComponent((answer.headers.get("Content-Disposition") || "").split("UTF-8''")[1] || "story.zip");
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

function post(address, body) {
  return call(address, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

async function call(address, options) {
  const key = sessionStorage.getItem("key");
  const headers = key ? { ...options.headers, "X-API-Key": key } : options.headers;
  const answer = await fetch(address, { ...options, headers });
  if (answer.ok || answer.status === 304) return answer;
  if (answer.status === 401) element("key-field").hidden = false;
  const problem = await answer.json().catch(() => ({ detail: `The service answered ${answer.status}.` }));
  throw new Error(problem.detail);
}

function show(session) {
  const draft = session.scenes.some((scene) => (scene.model || "").startsWith("draft:"));
  const words = session.error ? session.error.message : session.progress.description;
  element("progress").textContent = words + (draft ? " · offline drafts: no key for pictures is set" : "");
  element("result").hidden = UNFINISHED.includes(session.status) || !session.scenes.some((scene) => scene.image_url);
  for (const scene of session.scenes) {
    const card = element(scene.scene_id) || newCard(scene);
    const picture = card.querySelector("img");
    if (scene.image_url && picture.getAttribute("src") !== scene.image_url) picture.src = scene.image_url;
    picture.hidden = !scene.image_url;
    picture.alt = scene.description || scene.title;
    const known = scene.excerpt.startsWith(scene.title);
    card.querySelector("small").textContent = scene.error ? scene.error.message : known ? "" : scene.title;
  }
}

function newCard(scene) {
  const card = document.createElement("figure");
  card.id = scene.scene_id;
  const frame = document.createElement("div");
  frame.append(document.createElement("img"));
  const caption = document.createElement("figcaption");
  caption.dir = "auto";
  const cut = scene.excerpt.length < scene.end - scene.start - 2;
  caption.append(document.createElement("small"), cut ? `${scene.excerpt.replace(/\s*\S*$/, "")} …` : scene.excerpt);
  card.append(frame, caption);
  element("scenes").append(card);
  return card;
}
