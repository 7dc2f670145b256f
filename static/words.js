// The interface's language: words, numbers, money and times.
import { device } from "./dom.js";

/** Every language of the interface; its words are in words/{code}.js. */
export const LANGUAGES = { en: "English", es: "Español", ar: "العربية" };
const RIGHT_TO_LEFT = ["ar", "fa", "he", "ur", "yi", "ps", "sd"];
export const directionOf = (language) => (RIGHT_TO_LEFT.includes(language) ? "rtl" : "ltr");

const SAID_ALIKE = { not_ready: "conflict", rate_limited: "service_full" };

let words = {};
export let language = "en";

export async function chooseLanguage(wanted) {
  const known = [wanted, device.get("language"), ...(navigator.languages || [])];
  language = known.map((name) => String(name || "").slice(0, 2).toLowerCase()).find((code) => code in LANGUAGES) || "en";
  if (wanted) device.set("language", language);
  words = (await import(`./words/${language}.js`)).default;
  document.documentElement.lang = language;
  document.documentElement.dir = directionOf(language);
  document.title = t("product");
  translate(document);
}

/** The words of `key`; `{name}` is filled in, and where there are plural forms `n` decides. */
export function t(key, values = {}) {
  let found = words[key] ?? key;
  if (typeof found === "object") found = found[new Intl.PluralRules(language).select(values.n)] ?? found.other;
  return found.replace(/\{(\w+)\}/g, (_, name) => (typeof values[name] === "number" ? number(values[name]) : values[name]));
}
export const known = (key) => key in words;

/** Fills in everything that is marked in the document. */
export function translate(root) {
  for (const node of root.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const node of root.querySelectorAll("[data-label]")) node.setAttribute("aria-label", t(node.dataset.label));
  for (const node of root.querySelectorAll("[data-placeholder]")) node.placeholder = t(node.dataset.placeholder);
}

export const number = (value) => new Intl.NumberFormat(language).format(value);

export function money(usd) {
  if (usd === null || usd === undefined) return t("price_unknown");
  if (usd === 0) return t("free");
  const digits = usd < 0.1 ? 3 : 2; // a picture can cost less than a cent
  const form = { style: "currency", currency: "USD", minimumFractionDigits: 2, maximumFractionDigits: digits };
  return new Intl.NumberFormat(language, form).format(Math.max(usd, 0.001));
}

export const when = (iso) => new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(new Date(iso));

export function elapsed(seconds) {
  const unit = (value, name) => new Intl.NumberFormat(language, { style: "unit", unit: name, unitDisplay: "short" }).format(value);
  const whole = Math.max(0, Math.round(seconds));
  const minutes = unit(Math.floor(whole / 60), "minute");
  return whole < 60 ? unit(whole, "second") : whole % 60 ? `${minutes} ${unit(whole % 60, "second")}` : minutes;
}

/** A problem in plain words with what can be done; codes that have no words say what the service said. */
export function plainly(problem) {
  if (problem.name === "AbortError") return "";
  const like = SAID_ALIKE[problem.code] || problem.code.replace(/^(?!session)[a-z]+_(?=not_found)/, "");
  const code = `error_${like}`;
  const said = known(code) ? t(code) : problem.message || t("error_internal_error");
  const field = problem.errors?.map((error) => error.loc.split(".")).flat().find((name) => known(`field_${name}`));
  const where = problem.code === "invalid_request" && field ? ` ${t("look_at", { field: t(`field_${field}`) })}` : "";
  const own = problem.code === "invalid_request" && !field && problem.message ? ` ${problem.message}` : "";
  const wait = problem.retryAfter ? ` ${t("again_in", { time: elapsed(problem.retryAfter) })}` : "";
  return said + where + own + wait;
}
