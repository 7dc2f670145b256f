"""Documents for the tests, made here byte by byte: Word, EPUB, Final Draft and PDF."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
RELATIONS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" '
    'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
    'Target="word/document.xml"/></Relationships>'
)
CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)


def zipped(members: Mapping[str, str | bytes]) -> bytes:
    """A ZIP of these members."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return content.getvalue()


def p(text: str = "", *, style: str = "", properties: str = "") -> str:
    """A Word paragraph; `text` may hold runs of its own."""
    run = text if text.startswith("<") else f'<w:r><w:t xml:space="preserve">{text}</w:t></w:r>'
    named = f'<w:pStyle w:val="{style}"/>' if style else ""
    return f"<w:p><w:pPr>{named}{properties}</w:pPr>{run if text else ''}</w:p>"


def docx(*body: str, styles: str = "", numbering: str = "", title: str = "", more: str = "") -> bytes:
    """A Word document of these elements."""
    members = {
        "[Content_Types].xml": "<Types/>",
        "_rels/.rels": RELATIONS,
        "word/document.xml": f"<w:document {W} {more}><w:body>{''.join(body)}</w:body></w:document>",
    }
    if styles:
        members["word/styles.xml"] = f"<w:styles {W}>{styles}</w:styles>"
    if numbering:
        members["word/numbering.xml"] = f"<w:numbering {W}>{numbering}</w:numbering>"
    if title:
        members["docProps/core.xml"] = (
            '<c:coreProperties xmlns:c="x" xmlns:dc="http://purl.org/dc/elements/1.1/">'
            f"<dc:title>{title}</dc:title></c:coreProperties>"
        )
    return zipped(members)


def xhtml(body: str) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?><!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml" '
        f'xmlns:epub="http://www.idpf.org/2007/ops"><head><title>No story</title></head><body>{body}</body></html>'
    )


def epub(
    chapters: Sequence[str],
    *,
    title: str = "",
    spine: Sequence[int] | None = None,
    nav: str = "",
    ncx: str = "",
    guide: str = "",
    more: Mapping[str, str | bytes] | None = None,
) -> bytes:
    """A book of these chapters (bodies of XHTML), in the order of `spine`."""
    items = [f'<item id="c{i}" href="text/c%20{i}.xhtml"/>' for i in range(len(chapters))]
    members: dict[str, str | bytes] = {"mimetype": "application/epub+zip", "META-INF/container.xml": CONTAINER}
    members |= {f"OEBPS/text/c {i}.xhtml": xhtml(chapter) for i, chapter in enumerate(chapters)}
    if nav:
        items.append('<item id="nav" href="nav.xhtml" properties="nav"/>')
        members["OEBPS/nav.xhtml"] = xhtml(f'<nav epub:type="toc"><ol>{nav}</ol></nav>')
    if ncx:
        items.append('<item id="ncx" href="toc.ncx"/>')
        members["OEBPS/toc.ncx"] = (
            '<!DOCTYPE ncx PUBLIC "-//NISO//DTD ncx 2005-1//EN" "http://www.daisy.org/z3986/2005/ncx-2005-1.dtd">'
            f'<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap>{ncx}</navMap></ncx>'
        )
    order = spine if spine is not None else range(len(chapters))
    references = "".join(f'<itemref idref="c{i}"/>' for i in order) + ('<itemref idref="nav"/>' if nav else "")
    members["OEBPS/book.opf"] = (
        '<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<dc:title>{title}</dc:title></metadata><manifest>{''.join(items)}</manifest>"
        f"<spine>{references}</spine><guide>{guide}</guide></package>"
    )
    return zipped(members | dict(more or {}))


def fdx(*paragraphs: tuple[str, str], title: str = "") -> bytes:
    """A Final Draft script of (type, text) paragraphs."""
    body = "".join(f'<Paragraph Type="{kind}"><Text>{text}</Text></Paragraph>' for kind, text in paragraphs)
    page = f"<TitlePage><Content><Paragraph><Text>{title}</Text></Paragraph></Content></TitlePage>" if title else ""
    return (
        '<?xml version="1.0" encoding="UTF-8" standalone="no" ?><FinalDraft DocumentType="Script" Version="5">'
        f"<Content>{body}</Content>{page}</FinalDraft>"
    ).encode()


def pdf(
    *flow: Any, head: str = "", numbers: bool = True, title: str | None = None, password: str | None = None
) -> bytes:
    """A PDF: strings are paragraphs with an indent, `#` before one makes it a heading, None begins a page."""
    from reportlab.lib.enums import TA_CENTER, TA_JUSTIFY
    from reportlab.lib.pagesizes import A5
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate

    body = ParagraphStyle("body", fontName="Times-Roman", fontSize=11, leading=14, firstLineIndent=14)
    body.alignment = TA_JUSTIFY
    top = ParagraphStyle("top", fontName="Times-Bold", fontSize=20, leading=26, spaceAfter=12)
    middle = ParagraphStyle("middle", parent=body, alignment=TA_CENTER, firstLineIndent=0, spaceBefore=8, spaceAfter=8)

    def edge(canvas: Any, document: Any) -> None:
        canvas.setFont("Times-Roman", 9)
        if numbers:
            canvas.drawCentredString(200, 20, str(document.page))
        if head:
            canvas.drawString(60, 570, head)

    def placed(item: Any) -> Any:
        if item is None:
            return PageBreak()
        if not isinstance(item, str):
            return item
        if item.startswith("# "):
            return Paragraph(item[2:], top)
        return Paragraph(item, middle if item == "* * *" else body)

    content = io.BytesIO()
    template = SimpleDocTemplate(content, pagesize=A5, title=title, encrypt=password)
    template.build([placed(item) for item in flow], onFirstPage=edge, onLaterPages=edge)
    return content.getvalue()


def pdf_of_lines(pages: Sequence[Sequence[tuple[float, float, str]]], *, font: str = "Courier") -> bytes:
    """A PDF with each line where it is told to be: (left, height, words)."""
    from reportlab.pdfgen.canvas import Canvas

    content = io.BytesIO()
    canvas = Canvas(content, pagesize=(612, 792))
    for page in pages:
        canvas.setFont(font, 12)
        for left, height, words in page:
            canvas.drawString(left, height, words)
        canvas.showPage()
    canvas.save()
    return content.getvalue()


def scanned_pdf(pages: int = 4) -> bytes:
    """A PDF whose pages are pictures."""
    from PIL import Image
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen.canvas import Canvas

    content = io.BytesIO()
    canvas = Canvas(content, pagesize=(400, 600))
    for shade in range(pages):
        canvas.drawImage(ImageReader(Image.new("L", (40, 60), 200 + shade)), 0, 0, 400, 600)
        canvas.showPage()
    canvas.save()
    return content.getvalue()
