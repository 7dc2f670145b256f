// Past work: what was approved, a page at a time, and what was lately open on this device.
import { ask } from "./api.js";
import { $, busy, h, ours, say } from "./dom.js";
import { recent } from "./story.js";
import { plainly, t, when } from "./words.js";

const AT_ONCE = 12;
let after = null;

export async function showProjects() {
  $("project-list").replaceChildren();
  after = null;
  $("more-projects").onclick = () => busy($("more-projects"), more);
  const ids = recent();
  $("recent").hidden = !ids.length;
  $("recent-list").replaceChildren(...ids.map(({ id, title, at }) =>
    h("li", {}, h("a", { href: `#/s/${id}`, dir: "auto" }, title || t("untitled")), " ", h("span", { class: "hint" }, when(at)))));
  await more();
}

async function more() {
  say($("projects-note"), t("loading"));
  try {
    const page = await ask("GET", `/projects?limit=${AT_ONCE}${after ? `&after=${encodeURIComponent(after)}` : ""}`);
    const first = page.projects.map(card);
    $("project-list").append(...first);
    after = page.next;
    $("more-projects").hidden = !after;
    say($("projects-note"), $("project-list").children.length ? "" : t("no_projects"));
    if (first.length && document.activeElement === $("more-projects")) first[0].querySelector("a").focus();
  } catch (problem) {
    say($("projects-note"), plainly(problem));
  }
}

function card(project) {
  const cover = ours(project.cover_url);
  return h("li", {}, h("a", { href: `#/s/${project.project_id}` },
    h("span", { class: "frame" }, cover && h("img", { src: cover, alt: "", loading: "lazy", decoding: "async" })),
    h("b", { dir: "auto" }, project.title)),
  h("p", { class: "hint" }, `${t("scenes", { n: project.approved_scenes })} · ${when(project.approved_at)}`));
}
