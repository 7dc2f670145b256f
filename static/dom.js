// Small helpers to make elements. Whatever is appended is text or an element, never HTML.
export const $ = (id) => document.getElementById(id);

/** An element; `on…` attributes are listeners, true is an empty attribute, false and null are left out; a button submits
 *  nothing unless it says so. */
export function h(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  if (name === "button") node.type = "button";
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Change the text only when it differs: what has not changed is not laid out, and not read out, again. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Story text in one line, without the marks of a scene break. */
export const inOneLine = (text) => text.replace(/(^|\s)(\*\s*){3,}/gu, " ").replace(/\s+/gu, " ").trim();

/** Only pictures of this service are shown, whatever an answer says. */
export const ours = (url) => (typeof url === "string" && url.startsWith("/images/") ? url : null);

/** Runs `work` with the button off, so that a double click is one click. */
export async function busy(button, work) {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true"); // not `disabled`: that would drop the focus
  try {
    await work();
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

/** A word to screen readers, once. */
export function announce(text) {
  $("said").textContent = "";
  setTimeout(() => ($("said").textContent = text), 60);
}

/** Opens a dialog; Escape and a click beside it close it, and `closed` is told once. The browser returns the focus. */
export function openDialog(dialog, closed = () => {}) {
  if (dialog.open) return;
  dialog.showModal();
  dialog.addEventListener("close", closed, { once: true });
}

addEventListener("click", (event) => {
  const dialog = event.target;
  if (dialog instanceof HTMLDialogElement && dialog.id !== "reader" && event.detail) dialog.close();
});

/** What is kept in the browser; one that keeps nothing is no error. */
const keeper = (area) => ({
  get(name) {
    try {
      return JSON.parse(area().getItem(name));
    } catch {
      return null;
    }
  },
  set(name, value) {
    try {
      if (value === null) area().removeItem(name);
      else area().setItem(name, JSON.stringify(value));
    } catch {
      // full, or forbidden: the page works without
    }
  },
});
export const tab = keeper(() => sessionStorage);
export const device = keeper(() => localStorage);
