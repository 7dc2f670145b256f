"""Hands over a reading page: one HTML file with everything in it, a title page and then a scene a page."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path

from models import DRAFTS, UNTITLED, Book, BookScene, ExportOptions
from utils import guess_language, one_line, printable, runs_right_to_left

PICTURE_TYPES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}
BLOCK_BYTES = 192 * 1024  # of a picture at a time; a multiple of three, so that the blocks' base64 can be joined
LONG_TITLE = 60  # characters; a longer one is set smaller
MOST_ORNAMENTS = 15  # characters of a line between two scenes, as `* * *`
FOLDED_CHARS = range(50, 101)  # the length of lines that were broken to fit a page

_BLANK_LINES = re.compile(r"\n[^\S\n]*(?:\n[^\S\n]*)+")

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #faf6ee; --ink: #2b2733; --soft: #6a6272; --line: #e4dccb; --accent: #8a3b12; --shade: rgb(60 40 20 / .22);
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #1d1b22; --ink: #efe9dd; --soft: #b5adbd; --line: #3a3542; --accent: #f0b27a; --shade: rgb(0 0 0 / .55);
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body {
  margin: 0; background: var(--paper); color: var(--ink); overflow-wrap: anywhere;
  font: 1.1875rem/1.7 "Iowan Old Style", Palatino, "Palatino Linotype", Georgia, "Noto Serif", serif;
}
.text:lang(ar), .text:lang(hi), .text:lang(ja), .text:lang(ko), .text:lang(zh) { line-height: 1.9; }
img { display: block; max-width: 100%; }
h1, h2 { line-height: 1.2; text-wrap: balance; font-weight: 600; }
a { color: inherit; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 3px; }
.page { min-height: 100vh; min-height: 100svh; }
.cover { display: flex; flex-direction: column; justify-content: center; padding: 3rem 1.4rem; text-align: center; }
.cover h1 { margin: 0 auto; max-width: 22ch; font-size: clamp(2.3rem, 7vw, 4.6rem); letter-spacing: -.01em; }
.cover h1.long { max-width: 44ch; font-size: clamp(1.4rem, 3.2vw, 2.2rem); }
.ornament { width: 7rem; height: 1px; margin: 2rem auto 0; border: 0; background: var(--accent); }
.note { margin: 1.4rem 0 0; color: var(--soft); font-size: .95rem; }
.cover .art { align-self: center; margin: 0 0 2.6rem; }
.cover .art img {
  width: auto; max-height: 52vh; max-height: 52svh; border-radius: .6rem; box-shadow: 0 1.2rem 3rem var(--shade);
}
.contents { width: 100%; max-width: 62rem; margin: 0 auto; padding: 4rem 1.4rem; }
.contents ol { margin: 0; padding: 0; list-style: none; columns: 19rem; column-gap: 3rem; }
.contents a {
  display: flex; gap: .9rem; padding: .5rem 0; border-bottom: 1px solid var(--line); break-inside: avoid;
  line-height: 1.4; text-decoration: none;
}
.contents a:hover { color: var(--accent); }
.number { color: var(--accent); font-variant-numeric: tabular-nums; }
.contents .number { min-width: 1.8em; }
.contents bdi {
  display: -webkit-box; overflow: hidden; -webkit-box-orient: vertical; -webkit-line-clamp: 3; line-clamp: 3;
}
.scene { max-width: 66rem; margin: 0 auto; padding: 2.4rem 1.4rem 5rem; }
.scene figure { margin: 0 0 2.2rem; }
.scene img {
  width: auto; height: auto; max-height: 78vh; max-height: 78svh; margin: 0 auto;
  border-radius: .6rem; box-shadow: 0 1rem 2.6rem var(--shade);
}
.words { max-width: 38rem; margin: 0 auto; }
h2 { margin: 0 0 1.5rem; font-size: 1.65rem; text-align: center; }
h2 .number { display: block; margin-bottom: .2rem; font-size: 1rem; letter-spacing: .12em; }
h2.long { font-size: 1.2rem; }
h2.told bdi {
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap;
}
.text p { margin: 0 0 1.1em; white-space: pre-wrap; unicode-bidi: plaintext; text-align: start; }
.text p.folded { white-space: normal; }
.text p.heading { font-size: 1.4em; line-height: 1.3; text-align: center; text-wrap: balance; }
.text p.break { color: var(--soft); text-align: center; }
.turn {
  position: fixed; inset-block-end: 1rem; inset-inline-end: 1rem; display: flex; align-items: center; gap: .2rem;
  padding: .2rem .3rem; border: 1px solid var(--line); border-radius: 2rem; background: var(--paper);
  color: var(--soft); font: .85rem/1 system-ui, sans-serif; font-variant-numeric: tabular-nums;
}
.turn[hidden] { display: none; }
.turn button {
  width: 2.75rem; height: 2.75rem; border: 0; border-radius: 50%; background: none; color: var(--ink);
  font-size: 1.4rem; line-height: 1; cursor: pointer;
}
.turn button:hover { background: var(--line); }
.turn output { min-width: 4.2em; text-align: center; }
@media (min-width: 60rem) {
  .tall { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 3.5rem; align-items: center; }
  .tall figure { position: sticky; top: 2.4rem; align-self: start; margin: 0; }
  .tall img { max-height: 88vh; max-height: 88svh; }
  .tall h2 { text-align: start; }
}
@media (max-width: 40rem) {
  body { font-size: 1.0625rem; line-height: 1.65; }
  .scene { padding: 0 0 4.5rem; }
  .scene figure { margin-bottom: 1.6rem; }
  .scene img { width: 100%; max-height: none; border-radius: 0; box-shadow: none; }
  .words { padding: 0 1.3rem; }
  h2 { font-size: 1.4rem; }
  .turn, .turn[hidden] { display: none; }
}
@media print {
  :root {
    color-scheme: light; --paper: #fff; --ink: #000; --soft: #444; --line: #bbb; --accent: #000; --shade: transparent;
  }
  @page { margin: 16mm; }
  body { font-size: 11.5pt; line-height: 1.5; }
  .page { min-height: 0; break-before: page; }
  .cover { min-height: 90vh; break-before: auto; }
  .scene { padding: 0; max-width: none; display: block; }
  .scene figure { position: static; margin: 0 0 8mm; break-inside: avoid; }
  .scene img { width: auto; max-width: 100%; max-height: 150mm; border-radius: 0; }
  .words { max-width: none; padding: 0; }
  h2 { break-after: avoid; }
  .text p { orphans: 3; widows: 3; }
  .contents { break-before: page; padding: 0; }
  .turn { display: none; }
}
"""

SCRIPT = """
"use strict";
const pages = [...document.querySelectorAll(".page")];
const turn = document.querySelector(".turn");
const [back, on] = turn.querySelectorAll("button");
const count = turn.querySelector("output");
const still = matchMedia("(prefers-reduced-motion: reduce)");
const leftwards = document.documentElement.dir === "rtl";

const art = document.querySelector(".art");
const first = document.querySelector(".scene img");
if (art && first) {
  const picture = new Image();
  picture.alt = "";
  picture.src = first.src;
  art.append(picture);
  art.hidden = false;
}

function here() {
  let found = 0;
  pages.forEach((page, number) => {
    if (page.getBoundingClientRect().top < innerHeight / 2) found = number;
  });
  return found;
}

function show() {
  const number = here();
  count.textContent = number ? `${number} / ${pages.length - 1}` : "";
  back.disabled = number === 0;
  on.disabled = number === pages.length - 1;
}

function go(step) {
  const number = Math.min(pages.length - 1, Math.max(0, here() + step));
  pages[number].scrollIntoView({ behavior: still.matches ? "auto" : "smooth", block: "start" });
}

addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (event.key === "ArrowRight") go(leftwards ? -1 : 1);
  else if (event.key === "ArrowLeft") go(leftwards ? 1 : -1);
  else return;
  event.preventDefault();
});
back.addEventListener("click", () => go(-1));
on.addEventListener("click", () => go(1));
let waiting = false;
addEventListener("scroll", () => {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; show(); });
}, { passive: true });
addEventListener("resize", show);
turn.hidden = false;
show();
"""


def html_chunks(book: Book, options: ExportOptions) -> Iterator[bytes]:
    """The page with the pictures in it, a block of a picture at a time."""
    yield from page_chunks(book, sources="data:", source=_data_uri)


def page_beside(book: Book) -> bytes:
    """The page that shows the pictures which lie beside it under their names."""

    def source(scene: BookScene) -> Iterator[bytes]:
        yield escape(scene.name).encode()

    return b"".join(page_chunks(book, sources="'self' file:", source=source))


def page_chunks(book: Book, *, sources: str, source: Callable[[BookScene], Iterator[bytes]]) -> Iterator[bytes]:
    """The page; `source` is the address of a scene's picture, of the `sources` that the page allows itself."""
    yield _head(book, sources).encode()
    for number, scene in enumerate(book.scenes, 1):
        before, after = _scene(number, scene)
        yield before.encode()
        yield from source(scene)
        yield after.encode()
    yield _foot().encode()


def title_of(book: Book) -> str:
    """The title on one line; never empty."""
    return one_line(book.title) or UNTITLED


def language_of(book: Book) -> tuple[str, str]:
    """The language of a story and where its lines run, `ltr` or `rtl`."""
    return guess_language(book.story_text), "rtl" if runs_right_to_left(book.story_text) else "ltr"


def caption_of(number: int, scene: BookScene) -> str:
    """A scene's title on one line, or its number."""
    return one_line(scene.title) or str(number)


def depiction_of(number: int, scene: BookScene) -> str:
    """What a picture shows, in words for those who do not see it."""
    return one_line(scene.description) or caption_of(number, scene)


def is_told(number: int, scene: BookScene) -> bool:
    """Whether the words of a scene begin with its title, so that it need not be shown above them."""
    return one_line(scene.text).casefold().startswith(caption_of(number, scene).casefold())


def paragraphs(number: int, scene: BookScene) -> str:
    """The words as paragraphs, parted by blank lines: but for the marks, character for character what was written."""
    words = printable(scene.text).strip("\n")
    caption = caption_of(number, scene)
    written: list[str] = []
    at = 0
    for gap in [*_BLANK_LINES.finditer(words), None]:
        paragraph = words[at : gap.start() if gap else len(words)]
        kind = "heading" if not at and one_line(paragraph) == caption else _kind(paragraph)
        start = f'<p class="{kind}">' if kind else "<p>"
        written.append(f"{start}{escape(paragraph, quote=False)}</p>{gap.group() if gap else ''}")
        at = gap.end() if gap else at
    return "".join(written)


def _kind(paragraph: str) -> str:
    """`break` for a row of ornaments, `folded` where lines were only broken to fit a page, so that they may run on."""
    if len(paragraph) <= MOST_ORNAMENTS and not any(map(str.isalnum, paragraph)):
        return "break"
    lengths = [len(line) for line in paragraph.split("\n")[:-1]]
    return "folded" if lengths and all(length in FOLDED_CHARS for length in lengths) else ""


def _head(book: Book, sources: str) -> str:
    title, (language, direction) = title_of(book), language_of(book)
    policy = (
        f"default-src 'none'; img-src {sources}; style-src '{_hash(STYLE)}'; script-src '{_hash(SCRIPT)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    entries = "".join(
        f'<li><a href="#scene-{number}"><span class="number">{number}</span>'
        f"<bdi>{escape(caption_of(number, scene))}</bdi></a></li>\n"
        for number, scene in enumerate(book.scenes, 1)
    )
    long = ' class="long"' if len(title) > LONG_TITLE else ""
    note = f'<p class="note" lang="en" dir="ltr">{DRAFTS}</p>\n' if book.draft else ""
    return f"""<!doctype html>
<html lang="{language}" dir="{direction}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="Story to Image Generator">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<div class="page cover">
<div class="art" hidden></div>
<h1 dir="auto"{long}>{escape(title)}</h1>
<hr class="ornament">
{note}</div>
<nav class="contents" aria-label="Contents">
<ol>
{entries}</ol>
</nav>
</header>
<main>
"""


def _scene(number: int, scene: BookScene) -> tuple[str, str]:
    """What stands before the address of a scene's picture, and what after it."""
    caption = caption_of(number, scene)
    shape = "tall" if scene.height > scene.width else "wide"
    kinds = [kind for kind, so in (("long", len(caption) > LONG_TITLE), ("told", is_told(number, scene))) if so]
    kind = f' class="{" ".join(kinds)}"' if kinds else ""
    before = f"""<section class="page scene {shape}" id="scene-{number}" aria-labelledby="title-{number}">
<figure><img width="{scene.width}" height="{scene.height}" decoding="async" \
alt="{escape(depiction_of(number, scene))}" src=\""""
    after = f""""></figure>
<div class="words">
<h2 id="title-{number}"{kind}><span class="number">{number}</span> <bdi>{escape(caption)}</bdi></h2>
<div class="text" dir="auto">{paragraphs(number, scene)}</div>
</div>
</section>
"""
    return before, after


def _foot() -> str:
    return f"""</main>
<nav class="turn" aria-label="Pages" lang="en" hidden>
<button type="button" aria-label="Back">‹</button><output></output><button type="button" aria-label="On">›</button>
</nav>
<script>{SCRIPT}</script>
</body>
</html>
"""


def _hash(inline: str) -> str:
    """What a Content-Security-Policy calls an inline style or script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()}"


def _data_uri(scene: BookScene) -> Iterator[bytes]:
    yield f"data:{PICTURE_TYPES[scene.picture.suffix[1:]]};base64,".encode()
    yield from _base64(scene.picture)


def _base64(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            yield binascii.b2a_base64(block, newline=False)
