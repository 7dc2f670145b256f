// The page is a client of the public interface and nothing else. Whatever a story contains is shown as text.
const form = document.getElementById("story-form");
const progress = document.getElementById("progress");
const scenes = document.getElementById("scenes");

// In production there is no page about the interface.
fetch("/docs", { method: "HEAD" }).then((answer) => {
  document.getElementById("docs-link").hidden = !answer.ok;
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    await draw(document.getElementById("story").value);
  } catch (error) {
    progress.textContent = error.message;
  } finally {
    button.disabled = false;
  }
});

async function draw(story) {
  scenes.replaceChildren();
  progress.textContent = "Reading the story…";
  const accepted = await call("/generate", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ story_text: story }),
  });
  const { session_id } = await accepted.json();
  let etag = "";
  for (;;) {
    const answer = await call(`/status/${session_id}?wait=20`, { headers: etag ? { "If-None-Match": etag } : {} });
    if (answer.status === 304) continue;
    etag = answer.headers.get("ETag");
    const session = await answer.json();
    show(session);
    if (!["pending", "processing"].includes(session.status)) return;
  }
}

async function call(address, options) {
  const answer = await fetch(address, options);
  if (answer.ok || answer.status === 304) return answer;
  const problem = await answer.json().catch(() => ({ detail: `The service answered ${answer.status}.` }));
  throw new Error(problem.detail);
}

function show(session) {
  const draft = session.scenes.some((scene) => (scene.model || "").startsWith("draft:"));
  progress.textContent = session.progress.description + (draft ? " · offline drafts, no key is set" : "");
  for (const scene of session.scenes) {
    const card = document.getElementById(scene.scene_id) || newCard(scene);
    const picture = card.querySelector("img");
    if (scene.image_url && picture.getAttribute("src") !== scene.image_url) picture.src = scene.image_url;
    picture.alt = scene.description || scene.title;
    card.querySelector("small").textContent = scene.error ? scene.error.message : scene.title;
  }
}

function newCard(scene) {
  const card = document.createElement("figure");
  card.id = scene.scene_id;
  const caption = document.createElement("figcaption");
  caption.dir = "auto";
  caption.append(document.createElement("small"), scene.excerpt);
  card.append(document.createElement("img"), caption);
  scenes.append(card);
  return card;
}
