// One small dialog for every question: a key, a sum of money, a confirmation.
import { $, h, openDialog } from "./dom.js";
import { t } from "./words.js";

/** The cross that closes a dialog. */
export const cross = (dialog) => h("button", { class: "icon", "aria-label": t("close"), onclick: () => dialog.close() }, "×");

/** Resolves with what was typed (true when there is nothing to type), or null when it was closed. */
export function askFor({ heading, text, input = null, label = "", ok, danger = false }) {
  const dialog = $("ask");
  return new Promise((resolve) => {
    let value = null;
    const field = input && h("input", { id: "ask-input", autocomplete: "off", required: true, ...input });
    const form = h("form", {
      onsubmit: (event) => {
        event.preventDefault();
        value = field ? field.value.trim() : true;
        if (value) dialog.close();
      },
    },
    h("h2", { id: "ask-heading" }, heading), h("p", { id: "ask-text" }, text),
    field && [h("label", { for: "ask-input" }, label), field],
    h("div", { class: "row end" },
      h("button", { class: "quiet", onclick: () => dialog.close() }, t("not_now")),
      h("button", { type: "submit", class: danger ? "main danger" : "main" }, ok)));
    dialog.setAttribute("aria-describedby", "ask-text");
    dialog.replaceChildren(form);
    openDialog(dialog, () => resolve(value));
    (field || form.querySelector("button")).focus();
  });
}
