"""Hands over a book: EPUB 3 with a cover, contents, and a chapter a scene."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from html import escape
from pathlib import Path

from adapters.book_pictures import as_jpeg
from adapters.export_html import (
    PICTURE_TYPES,
    caption_of,
    depiction_of,
    is_told,
    language_of,
    paragraphs,
    title_of,
)
from models import DRAFTS, Book, BookScene, ExportOptions
from utils import fingerprint, stream_zip

MIMETYPE = b"application/epub+zip"

CONTAINER = """<?xml version="1.0" encoding="UTF-8"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles><rootfile full-path="EPUB/package.opf" media-type="application/oebps-package+xml"/></rootfiles>
</container>
"""
STYLE = """
body { margin: 0 5%; line-height: 1.6; }
h1, h2 { text-align: center; line-height: 1.25; font-weight: normal; }
h1 { margin: 1em 0 2em; }
h2 { margin: 1em 0; page-break-after: avoid; }
.number { display: block; font-size: 0.7em; letter-spacing: 0.12em; }
figure { margin: 0 0 1em; text-align: center; page-break-inside: avoid; }
img { max-width: 100%; max-height: 85vh; }
p { margin: 0 0 1em; white-space: pre-wrap; }
p.folded { white-space: normal; }
p.heading { font-size: 1.3em; text-align: center; }
p.break { text-align: center; }
nav ol { list-style: none; padding: 0; }
nav li { margin: 0.5em 0; }
"""


def epub_chunks(book: Book, options: ExportOptions) -> Iterator[bytes]:
    """The book, chunk by chunk; each picture is read when its turn comes."""
    yield from stream_zip(_entries(book))


def _entries(book: Book) -> Iterator[tuple[str, Path | bytes]]:
    yield "mimetype", MIMETYPE  # the first entry, by which the kind of the file is told
    yield "META-INF/container.xml", CONTAINER.encode()
    yield "EPUB/package.opf", _package(book).encode()
    yield "EPUB/style.css", STYLE.encode()
    yield "EPUB/nav.xhtml", _contents(book).encode()
    yield "EPUB/cover.xhtml", _cover(book).encode()
    for number, scene in enumerate(book.scenes, 1):
        yield f"EPUB/scene-{number}.xhtml", _chapter(book, number, scene).encode()
        yield f"EPUB/{_picture_name(number, scene)}", _picture(scene.picture)


def _picture_name(number: int, scene: BookScene) -> str:
    suffix = scene.picture.suffix
    return f"images/scene-{number}{'.jpg' if suffix == '.webp' else suffix}"


def _picture(path: Path) -> Path | bytes:
    """The picture; what not every reader of books knows, as a JPEG."""
    if path.suffix != ".webp":
        return path
    return as_jpeg(path)[0]


def _package(book: Book) -> str:
    language, direction = language_of(book)
    manifest = [
        '<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>',
        '<item id="style" href="style.css" media-type="text/css"/>',
        '<item id="cover" href="cover.xhtml" media-type="application/xhtml+xml"/>',
    ]
    spine = ['<itemref idref="cover"/>', '<itemref idref="nav"/>']
    for number, scene in enumerate(book.scenes, 1):
        name = _picture_name(number, scene)
        kind = PICTURE_TYPES[name.rpartition(".")[2]]
        is_cover = ' properties="cover-image"' if number == 1 else ""
        manifest.append(f'<item id="picture-{number}" href="{name}" media-type="{kind}"{is_cover}/>')
        manifest.append(f'<item id="scene-{number}" href="scene-{number}.xhtml" media-type="application/xhtml+xml"/>')
        spine.append(f'<itemref idref="scene-{number}"/>')
    items, order = "\n".join(manifest), "\n".join(spine)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id" xml:lang="{language}" \
dir="{direction}">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:identifier id="id">urn:uuid:{_identifier(book)}</dc:identifier>
<dc:title>{escape(title_of(book))}</dc:title>
<dc:language>{language}</dc:language>
<dc:date>{book.created_at:%Y-%m-%d}</dc:date>
<meta property="dcterms:modified">{book.created_at:%Y-%m-%dT%H:%M:%SZ}</meta>
<meta name="cover" content="picture-1"/>
<meta property="schema:accessMode">textual</meta>
<meta property="schema:accessMode">visual</meta>
<meta property="schema:accessModeSufficient">textual</meta>
<meta property="schema:accessibilityFeature">alternativeText</meta>
<meta property="schema:accessibilityFeature">tableOfContents</meta>
<meta property="schema:accessibilityHazard">none</meta>
<meta property="schema:accessibilitySummary">Each picture is described.</meta>
</metadata>
<manifest>
{items}
</manifest>
<spine page-progression-direction="{direction}">
{order}
</spine>
</package>
"""


def _identifier(book: Book) -> uuid.UUID:
    """The same book has the same one."""
    parts = [book.title, *(part for scene in book.scenes for part in (scene.title, scene.text, scene.picture.name))]
    return uuid.uuid5(uuid.NAMESPACE_URL, fingerprint(parts))


def _contents(book: Book) -> str:
    entries = "\n".join(
        f'<li><a href="scene-{number}.xhtml">{escape(caption_of(number, scene))}</a></li>'
        for number, scene in enumerate(book.scenes, 1)
    )
    title = escape(title_of(book))
    body = f"""<nav epub:type="toc" role="doc-toc">
<h1 dir="auto">{title}</h1>
<ol>
{entries}
</ol>
</nav>"""
    return _page(book, title, body)


def _cover(book: Book) -> str:
    first = book.scenes[0]
    title = escape(title_of(book))
    drafts = f'<p class="break" xml:lang="en" lang="en">{DRAFTS}</p>\n' if book.draft else ""
    body = f"""<section epub:type="cover" aria-label="{title}">
<figure><img src="{_picture_name(1, first)}" alt="{escape(depiction_of(1, first))}"/></figure>
<h1 dir="auto">{title}</h1>
{drafts}</section>"""
    return _page(book, title, body)


def _chapter(book: Book, number: int, scene: BookScene) -> str:
    caption = escape(caption_of(number, scene))
    shown = "" if is_told(number, scene) else f" {caption}"
    body = f"""<section epub:type="chapter" role="doc-chapter" aria-labelledby="title">
<h2 id="title" dir="auto"><span class="number">{number}</span>{shown}</h2>
<figure><img src="{_picture_name(number, scene)}" alt="{escape(depiction_of(number, scene))}"/></figure>
<div dir="auto">{paragraphs(number, scene)}</div>
</section>"""
    return _page(book, caption, body)


def _page(book: Book, title: str, body: str) -> str:
    language, direction = language_of(book)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops" xml:lang="{language}" \
lang="{language}" dir="{direction}">
<head>
<meta charset="UTF-8"/>
<title>{title}</title>
<link rel="stylesheet" type="text/css" href="style.css"/>
</head>
<body>
{body}
</body>
</html>
"""
