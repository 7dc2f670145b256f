// The page's only way to the service: its public HTTP interface.
import { tab } from "./dom.js";

const SILENCE_MS = 45_000; // a stream that is quiet for longer, without even its comments, is broken

/** An answer that says no, or no answer at all (status 0, code "offline"). */
export class Problem extends Error {
  constructor(status, document = {}, retryAfter = null) {
    super(document.detail || document.message || "");
    Object.assign(this, { status, code: document.code || (status ? "internal_error" : "offline") });
    Object.assign(this, { retryable: document.retryable ?? !status, errors: document.errors || [], retryAfter });
  }
}

export const pause = (ms, signal) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });

let askForKey = async () => null; // set by the page: shows the dialog, gives a key or null
let asking = null;
export const whenKeyIsNeeded = (ask) => (askForKey = ask);

/** One request; a 401 asks for the key once, for however many requests are waiting. Throws `Problem`. */
export async function send(method, path, { json, form, headers = {}, signal } = {}) {
  for (;;) {
    const key = tab.get("key");
    const all = { ...headers, ...(key && { "X-API-Key": key }), ...(json && { "Content-Type": "application/json" }) };
    let answer;
    try {
      answer = await fetch(path, { method, headers: all, body: json ? JSON.stringify(json) : form, signal });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem(0);
    }
    if (answer.ok || answer.status === 304) return answer;
    const problem = await problemOf(answer);
    if (answer.status !== 401) throw problem;
    if (tab.get("key") !== key) continue; // somebody asked meanwhile
    asking ??= askForKey(key !== null).finally(() => (asking = null));
    const given = await asking;
    if (!given) throw problem;
    tab.set("key", given);
  }
}

export const ask = async (method, path, options) => (await send(method, path, options)).json();

async function problemOf(answer) {
  const seconds = Number(answer.headers.get("Retry-After")) || null;
  try {
    return new Problem(answer.status, await answer.json(), seconds);
  } catch {
    return new Problem(answer.status, { retryable: answer.status >= 500 }, seconds);
  }
}

/** Sends again while the answer is only "not now"; what is sent must be safe to repeat. */
export async function insist(work, { tries = 4, signal } = {}) {
  for (let i = 1; ; i++) {
    try {
      return await work();
    } catch (problem) {
      const soon = problem.status === 0 || (problem.retryable && (problem.retryAfter ?? 2) <= 10);
      if (!(problem instanceof Problem) || !soon || i >= tries) throw problem;
      await pause(problem.status === 0 ? 400 * 2 ** i : (problem.retryAfter ?? 1) * 1000, signal);
    }
  }
}

export async function status(id, { etag, wait, signal } = {}) {
  const headers = etag ? { "If-None-Match": etag } : {};
  const answer = await send("GET", `/status/${id}${wait ? `?wait=${wait}` : ""}`, { headers, signal });
  return answer.status === 304 ? null : { view: await answer.json(), etag: answer.headers.get("ETag") };
}

/** Reads the session's events from version `after`; ends when the stream does, true after `done`. */
export async function events(id, after, signal, each) {
  const quiet = new AbortController();
  let timer;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => quiet.abort(), SILENCE_MS);
  };
  heard();
  try {
    const headers = { Accept: "text/event-stream", ...(after && { "Last-Event-ID": after }) };
    const answer = await send("GET", `/events/${id}`, { headers, signal: AbortSignal.any([signal, quiet.signal]) });
    if (!(answer.headers.get("Content-Type") || "").startsWith("text/event-stream")) throw new Problem(0);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return false;
      heard();
      text += value;
      const blocks = text.split(/\r?\n\r?\n/);
      text = blocks.pop();
      for (const block of blocks) {
        const event = parsed(block);
        if (!event) continue;
        each(event);
        if (event.name === "done") return true;
      }
    }
  } catch (error) {
    if (signal.aborted) throw error;
    throw error instanceof Problem ? error : new Problem(0);
  } finally {
    clearTimeout(timer);
    quiet.abort();
  }
}

function parsed(block) {
  const event = { name: "message", data: "", id: null };
  for (const line of block.split(/\r?\n/)) {
    const at = line.indexOf(":");
    const value = line.slice(at + 1).replace(/^ /, "");
    if (line.startsWith("event:")) event.name = value;
    else if (line.startsWith("data:")) event.data += value;
    else if (line.startsWith("id:")) event.id = value;
  }
  return event.data ? { ...event, data: JSON.parse(event.data) } : null;
}

/** A key that makes a request safe to send twice; `crypto.randomUUID` is missing on plain HTTP. */
export const newKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
