"""Stories are read out of documents with their chapters and scene breaks, and without what is not the story."""

from __future__ import annotations

import io
import random
import zipfile

import pytest

from adapters.documents import pdf as pdf_reader
from adapters.documents import read_document
from adapters.documents.plain import decode
from models import (
    BrokenDocument,
    Document,
    DocumentTooLarge,
    EmptyDocument,
    EncryptedDocument,
    RequestError,
    ScannedDocument,
    StoryTooLong,
    UnknownCharset,
    UnsupportedDocument,
)
from tests.make_documents import docx, epub, fdx, p, pdf, pdf_of_lines, scanned_pdf, zipped
from utils import split_story

REEDS = "Mira found the paper boat at dawn, stuck in the reeds by the mill, and nobody had seen it before her."
MARKET = "She carried it through the market, where old Tomas was stacking pears in the shade of his striped awning."
WATER = "At night they set it on the black water together, and the lantern in it did not go out until the morning."


def read(content: bytes, name: str = "file", *, max_chars: int = 1_000_000) -> Document:
    return read_document(io.BytesIO(content), name, max_chars=max_chars)


def text_of(content: bytes, name: str = "file") -> str:
    return read(content, name).story_text


def scenes_of(text: str, n: int) -> list[str]:
    return [segment.text.strip() for segment in split_story(text, n)]


# --- Every format keeps its chapters and its breaks ----------------------------------------------------------------

STYLES = (
    '<w:style w:styleId="berschrift1"><w:name w:val="heading 1"/><w:pPr><w:outlineLvl w:val="0"/></w:pPr></w:style>'
    '<w:style w:styleId="Kapitel"><w:name w:val="Mein Kapitel"/><w:basedOn w:val="berschrift1"/></w:style>'
    '<w:style w:styleId="Titel"><w:name w:val="Title"/></w:style>'
    '<w:style w:styleId="Verzeichnis1"><w:name w:val="toc 1"/></w:style>'
)
LINE = ("Scene Heading", "INT. MILL - DAWN"), ("Action", REEDS), ("Scene Heading", "The market"), ("Action", MARKET)

CHAPTERS = {
    "docx": docx(
        p("The reeds", style="Kapitel"), p(REEDS), p("* * *"), p(MARKET), p("The water", style="berschrift1"), p(WATER),
        styles=STYLES,
    ),
    "epub": epub([f"<h1>The reeds</h1><p>{REEDS}</p><hr/><p>{MARKET}</p>", f"<h1>The water</h1><p>{WATER}</p>"]),
    "pdf": pdf("# The reeds", REEDS * 3, "* * *", MARKET * 3, None, "# The water", WATER * 3, head="THE PAPER BOAT"),
    "md": f"# The reeds\r\n\r\n{REEDS}\r\n\r\n* * *\r\n\r\n{MARKET}\r\n\r\n# The water\r\n\r\n{WATER}".encode(),
    "txt": f"CHAPTER I\n\n{REEDS}\n\n* * *\n\n{MARKET}\n\nCHAPTER II\n\n{WATER}\n".encode(),
    "fountain": f"Title: Boat\n\nINT. MILL - DAY\n\n{REEDS}\n\n.MARKET\n\n{MARKET}\n\nEXT. SEA\n\n{WATER}".encode(),
    "fdx": fdx(*LINE, ("Scene Heading", "EXT. SEA - NIGHT"), ("Action", WATER)),
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, f"boat.{kind}") for kind in CHAPTERS]
    + [(kind, "boat.txt") for kind in ("docx", "epub", "pdf", "md", "fdx")],
)
def test_chapters_and_breaks_are_where_the_story_is_cut(kind: str, name: str) -> None:
    text = text_of(CHAPTERS[kind], name)

    first, second, third = scenes_of(text, 3)

    assert REEDS in first and MARKET in second and WATER in third
    assert MARKET not in first and WATER not in second
    assert "\r" not in text


def test_breaks_are_a_line_of_stars() -> None:
    for kind in ("docx", "epub", "pdf"):
        assert "\n\n* * *\n\nShe carried" in text_of(CHAPTERS[kind]), kind


# --- Titles --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "name", "title"),
    [
        (docx(p(REEDS), title="The Paper Boat"), "a.docx", "The Paper Boat"),
        (docx(p("Boats", style="Titel"), p(REEDS), styles=STYLES), "a.docx", "Boats"),
        (docx(p(REEDS), title="Microsoft Word - a.doc"), "the_paper-boat.docx", "the paper boat"),
        (epub([f"<p>{REEDS}</p>"], title="Das Boot"), "a.epub", "Das Boot"),
        (epub([f"<h2>One</h2><p>{REEDS}</p>"]), "a.epub", "One"),
        (pdf(REEDS, title="Le bateau"), "a.pdf", "Le bateau"),
        (pdf("# The boat", REEDS), "a.pdf", "The boat"),
        (fdx(("Action", REEDS), title="BOAT"), "a.fdx", "BOAT"),
        (f"---\ntitle: 'The boat'\nlang: en\n---\n\n{REEDS}".encode(), "a.md", "The boat"),
        (f"# The boat\n\n{REEDS}".encode(), "a.md", "The boat"),
        (f"The boat\n========\n\n{REEDS}".encode(), "a.md", "The boat"),
        (f"Title:\n    _**The boat**_\nAuthor: Ann\n\nINT. MILL\n\n{REEDS}".encode(), "a.fountain", "The boat"),
        (f"The boat\n\n{REEDS}".encode(), "a.txt", "The boat"),
        (REEDS.encode(), r"C:\stories\old boat.txt", "old boat"),
        (REEDS.encode(), "1234.txt", ""),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_title_is_the_documents_or_its_names(content: bytes, name: str, title: str) -> None:
    assert read(content, name).title == title


# --- Charsets ------------------------------------------------------------------------------------------------------

RUSSIAN = (
    "Однажды утром мальчик нашёл на берегу бумажную лодку. Он отнёс её старому мельнику.\n\nНочью они спустили её."
)
JAPANESE = (
    "ある朝、少年は岸辺で紙の舟を見つけた。彼はそれを古い水車小屋へ持って行った。\n\n夜、二人はそれを水に浮かべた。"
)
CHINESE = "一天早上，男孩在岸边发现了一只纸船。他把它带到了老磨坊。\n\n夜里他们一起把它放进水里。"
TAIWAN = "一天早上，男孩在岸邊發現了一隻紙船。他把它帶到了老磨坊。\n\n夜裡他們一起把它放進水裡。"
KOREAN = "어느 날 아침 소년은 강가에서 종이배를 발견했다. 그는 그것을 방앗간으로 가져갔다.\n\n밤에 물에 띄웠다."
GERMAN = "Eines Morgens fand der Junge am Ufer ein Papierschiff. Er trug es über die Brücke zur Mühle.\n\nSüße Äpfel."
ENGLISH = "He said, “never again”, and left the café — naïve as ever. The letter’s end was torn.\n\nShe didn’t follow."
POLISH = "Pewnego ranka chłopiec znalazł na brzegu papierową łódkę. Zaniósł ją do młyna.\n\nŻółw ślizga się powoli."
GREEK = "Ένα πρωί το αγόρι βρήκε στην ακτή μια χάρτινη βάρκα. Την πήγε στον παλιό μύλο.\n\nΤη νύχτα την άφησαν."
HINDI = "एक सुबह लड़के को किनारे पर काग़ज़ की नाव मिली। वह उसे पुरानी चक्की के पास ले गया।\n\nरात हो गई।"
CHARSETS = [
    (HINDI, ("utf-8", "utf-16-le", "utf-16-be")),
    (ENGLISH, ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "cp1252")),
    (RUSSIAN, ("utf-8", "cp1251", "koi8-r", "iso-8859-5", "cp866", "utf-16-le", "utf-16-be")),
    (JAPANESE, ("utf-8", "shift_jis", "euc-jp", "iso2022_jp", "utf-16", "utf-16-le", "utf-16-be")),
    (CHINESE, ("gb18030", "gb2312", "utf-16-le", "utf-8")),
    (TAIWAN, ("big5", "utf-16-be")),
    (KOREAN, ("euc-kr", "cp949", "utf-16-le")),
    (GERMAN, ("iso-8859-1", "cp1252", "iso-8859-15")),
    (POLISH, ("iso-8859-2", "cp1250")),
    (GREEK, ("iso-8859-7", "cp1253")),
]


@pytest.mark.parametrize(
    ("text", "charset"),
    [pytest.param(text, charset, id=f"{charset}-{text[:5]}") for text, charsets in CHARSETS for charset in charsets],
)
def test_the_charset_is_found(text: str, charset: str) -> None:
    assert text_of(text.replace("\n", "\r\n").encode(charset), "story.txt") == text


def test_a_charset_that_cannot_be_told_is_no_mojibake() -> None:
    with pytest.raises((UnknownCharset, UnsupportedDocument)):
        read(b"\xef\xbb\xbf" + RUSSIAN.encode("koi8-r"), "story.txt")
    with pytest.raises((UnknownCharset, UnsupportedDocument)):
        read(REEDS.encode() + bytes(range(0x80, 0x100)) * 40, "story.txt")


# --- Plain text ----------------------------------------------------------------------------------------------------


def test_markdown_is_kept_as_it_is_but_for_front_matter() -> None:
    body = f"# One\n\n{REEDS}  \n*leans*\n\n---\n\n- {MARKET}\n"

    assert text_of(f"---\ntitle: x\ntags: [a]\n---\n{body}".encode(), "a.md") == body.strip("\n")


def test_a_rule_at_the_top_is_no_front_matter() -> None:
    assert text_of(f"---\n\n{REEDS}\n\n---\n\n{MARKET}".encode(), "a.md").startswith("---")


def test_fountain_is_kept_without_its_boneyard_notes_and_title_page() -> None:
    script = f"INT. MILL - DAY\n\n{REEDS}\n\nMIRA\n(softly)\nA boat!\n\n> CUT TO:\n\n.MARKET\n\n{MARKET}"
    extra = script.replace("A boat!", "A boat![[check this\nline]]").replace("> CUT", "/* gone\n\nforever */\n\n> CUT")

    found = read(f"Title: Boat\nCredit: by\nAuthor: Ann\n\n{extra}".encode(), "a.fountain")

    assert found.title == "Boat"
    assert found.story_text.replace("\n\n\n\n", "\n\n") == script


def test_marks_that_keep_words_from_being_markup_in_fountain_go() -> None:
    found = read(
        b"Title: Boat\n\n!# The mill\n\n!SHE CALLED\n\\[[not a note]] and \\/* no bones. Why not!\n!!", "a.fountain"
    )

    assert found.story_text.strip() == "# The mill\n\nSHE CALLED\n[[not a note]] and /* no bones. Why not!\n!"


def test_what_stands_around_a_gutenberg_text_goes() -> None:
    mark = "*** {} OF THE PROJECT GUTENBERG EBOOK THE BOAT ***\n"
    content = f"Title: The Boat\n\n{mark.format('START')}\n{REEDS}\n{mark.format('END')}Licence"

    assert read(content.encode(), "pg.txt") == Document("The Boat", REEDS)


def test_characters_nobody_can_see_go() -> None:
    assert text_of(f"\ufeff{REEDS}\x07\u2028{MARKET}\x85\x0c{WATER}".encode()) == f"{REEDS}\n{MARKET}\n\n{WATER}"


# --- Final Draft ---------------------------------------------------------------------------------------------------


def test_a_final_draft_script_becomes_fountain() -> None:
    script = fdx(
        ("Scene Heading", "int. mill - dawn"), ("Action", REEDS), ("Character", "Mira"), ("Parenthetical", "softly"),
        ("Dialogue", "A boat!"), ("Transition", "Cut to:"), ("Scene Heading", "The market"), ("Character", "托马斯"),
        ("Dialogue", "梨子！"), ("New Act", "Act two"),
    )  # fmt: skip

    assert text_of(script) == (
        f"INT. MILL - DAWN\n\n{REEDS}\n\nMIRA\n(softly)\nA boat!\n\nCUT TO:\n\n"
        ".THE MARKET\n\n@托马斯\n梨子！\n\n# Act two"
    )


def test_speeches_at_once_follow_each_other_and_notes_are_left_out() -> None:
    script = fdx(("Action", REEDS)).replace(
        b"</Content>",
        b'<Paragraph><DualDialogue><Paragraph Type="Character"><Text>Mira</Text></Paragraph><Paragraph Type="Dialogue">'
        b'<Text>Go!</Text></Paragraph></DualDialogue></Paragraph><Paragraph Type="Action"><ScriptNote><Paragraph><Text>'
        b"secret</Text></Paragraph></ScriptNote><Text>They </Text><Text>ran.</Text></Paragraph></Content>",
    )

    assert text_of(script) == f"{REEDS}\n\nMIRA\nGo!\n\nThey ran."


# --- Word ----------------------------------------------------------------------------------------------------------


def run(text: str, properties: str = "") -> str:
    return f"<w:r><w:rPr>{properties}</w:rPr><w:t xml:space='preserve'>{text}</w:t></w:r>"


def test_word_keeps_what_was_inserted_and_drops_what_was_deleted_or_hidden() -> None:
    words = (
        run("Mira ") + f"<w:ins>{run('quickly ')}</w:ins>"
        "<w:del><w:r><w:delText>slowly </w:delText></w:r></w:del><w:moveFrom><w:r><w:t>moved</w:t></w:r></w:moveFrom>"
        + run("hidden ", "<w:vanish/>") + run("shown ", '<w:vanish w:val="0"/>')
        + f"<w:hyperlink>{run('ran')}</w:hyperlink>"
        "<w:r><w:instrText>PAGE</w:instrText></w:r><w:r><w:footnoteReference/></w:r>" + run(".")
    )  # fmt: skip

    assert text_of(docx(p(words))) == "Mira quickly shown ran."


def test_word_paragraphs_whose_parting_was_deleted_are_one() -> None:
    deleted = "<w:rPr><w:del/></w:rPr>"
    gone = "<w:del><w:r><w:delText>gone</w:delText></w:r></w:del>"

    text = text_of(docx(p("Mira ran ", properties=deleted), p("and ran."), p(gone, properties=deleted), p(MARKET)))

    assert text == f"Mira ran and ran.\n\n{MARKET}"


def test_word_line_breaks_tabs_and_hyphens() -> None:
    words = run("One") + "<w:r><w:br/></w:r>" + run("two") + "<w:r><w:tab/></w:r>" + run("three") + (
        "<w:r><w:softHyphen/><w:noBreakHyphen/></w:r>" + run("four")
    )  # fmt: skip

    assert text_of(docx(p(words))) == "One\ntwo\tthree\u2011four"


def test_word_text_boxes_are_read_once() -> None:
    box = "<w:txbxContent>" + p("Inside the box.") + "</w:txbxContent>"
    both = f"<mc:Choice>{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback>"
    drawing = f"<w:r><mc:AlternateContent>{both}</mc:AlternateContent></w:r>"

    text = text_of(docx(p(run(REEDS) + drawing), p(MARKET), more='xmlns:mc="mc"'))

    assert text == f"{REEDS}\n\nInside the box.\n\n{MARKET}"


def test_word_contents_lists_and_tables() -> None:
    numbering = (
        '<w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/>'
        '<w:lvlText w:val="%1."/></w:lvl></w:abstractNum><w:abstractNum w:abstractNumId="1"><w:lvl w:ilvl="0">'
        '<w:numFmt w:val="bullet"/><w:lvlText w:val="—"/></w:lvl></w:abstractNum><w:abstractNum w:abstractNumId="2">'
        '<w:lvl w:ilvl="0"><w:numFmt w:val="upperRoman"/><w:lvlText w:val="Chapter %1"/></w:lvl></w:abstractNum>'
        + "".join(f'<w:num w:numId="{n + 1}"><w:abstractNumId w:val="{n}"/></w:num>' for n in range(3))
    )
    numbered = [f'<w:numPr><w:ilvl w:val="0"/><w:numId w:val="{n}"/></w:numPr>' for n in (1, 2, 3)]
    content = docx(
        p("The reeds 3", style="Verzeichnis1"),
        '<w:sdt><w:sdtPr><w:docPartObj><w:docPartGallery w:val="Table of Contents"/></w:docPartObj></w:sdtPr>'
        f"<w:sdtContent>{p('Contents')}</w:sdtContent></w:sdt>",
        p("The mill", style="berschrift1", properties=numbered[2]), p("A boat", properties=numbered[0]),
        p("A pear", properties=numbered[0]), p("Who is there?", properties=numbered[1]),
        p("The sea", style="berschrift1", properties=numbered[2]),
        f"<w:tbl><w:tr><w:tc>{p('Left.')}</w:tc><w:tc>{p('Right.')}</w:tc></w:tr></w:tbl>",
        styles=STYLES, numbering=numbering,
    )  # fmt: skip

    assert text_of(content) == (
        "# Chapter I The mill\n\n1. A boat\n\n2. A pear\n\n— Who is there?\n\n# Chapter II The sea\n\nLeft.\n\nRight."
    )


PAGE_BREAK = '<w:r><w:br w:type="page"/></w:r>'


@pytest.mark.parametrize(
    "between",
    [
        p("#"), p("⁂"), p("•  •  •"), p("---"),
        p(properties='<w:pBdr><w:bottom w:val="single"/></w:pBdr>'),
        p('<w:r><w:pict><v:rect xmlns:v="v" xmlns:o="o" o:hr="t"/></w:pict></w:r>'),
        p(PAGE_BREAK), p() + p("~ ~ ~") + p(),
    ],
)  # fmt: skip
def test_word_breaks_between_scenes(between: str) -> None:
    assert text_of(docx(p(REEDS), between, p(MARKET))) == f"{REEDS}\n\n* * *\n\n{MARKET}"


def test_a_page_that_begins_within_a_sentence_is_no_break() -> None:
    assert "* * *" not in text_of(docx(p("Mira ran and"), p(PAGE_BREAK + run("ran and ran.")), p(MARKET)))


def test_word_empty_paragraphs_part_scenes_where_they_are_rare() -> None:
    paragraphs = [p(f"{REEDS} {n}") for n in range(8)]

    rare = text_of(docx(*paragraphs[:4], p(), *paragraphs[4:]))
    usual = text_of(docx(*(part for paragraph in paragraphs for part in (paragraph, p()))))

    assert rare.count("\n\n\n") == 1 and scenes_of(rare, 2)[1].endswith("7") and f"{REEDS} 4" in scenes_of(rare, 2)[1]
    assert "\n\n\n" not in usual


# --- EPUB ----------------------------------------------------------------------------------------------------------


def test_a_book_is_read_in_the_order_of_its_spine_without_navigation_and_cover() -> None:
    chapters = [
        f"<p>{MARKET}</p>",
        f"<h1>One</h1><p>{REEDS}</p>",
        "<section epub:type='cover'><p>Cover words</p></section>",
        "<p>Title page</p>",
    ]
    content = epub(
        chapters, title="Boat", spine=[2, 3, 1, 0], nav='<li><a href="text/c%201.xhtml">One</a></li>',
        guide='<reference type="title-page" href="text/c%203.xhtml"/>',
    )  # fmt: skip

    assert read(content) == Document("Boat", f"# One\n\n{REEDS}\n\n{MARKET}")


def test_a_chapters_title_may_stand_in_the_contents_alone() -> None:
    point = '<navPoint><navLabel><text>{}</text></navLabel><content src="text/c%20{}"/></navPoint>'
    labels = (("The reeds", "0.xhtml"), ("Chapter 2: The market", "1.xhtml"), ("The water", "1.xhtml#w"))
    chapters = [
        f'<img src="one.png" alt="picture"/><p>{REEDS}</p>',
        f'<p class="t">Chapter 2</p><p>{MARKET}</p><div id="w"><h3>The water</h3></div><p>{WATER}</p>',
    ]

    text = text_of(epub(chapters, ncx="".join(point.format(*label) for label in labels)))

    assert text == f"# The reeds\n\n{REEDS}\n\n# Chapter 2\n\n{MARKET}\n\n### The water\n\n{WATER}"


def test_a_book_with_broken_contents_is_read_without_them() -> None:
    assert text_of(epub([f"<h1>One</h1><p>{REEDS}</p>"], ncx="<navPoint>&nbsp;")) == f"# One\n\n{REEDS}"


def test_a_chapter_whose_heading_comes_after_a_motto_is_titled_once() -> None:
    nav = '<li><a href="text/c%200.xhtml">The reeds</a></li>'

    text = text_of(epub([f"<p>A motto.</p><h2>The reeds</h2><p>{REEDS}</p>"], nav=nav))

    assert text == f"A motto.\n\n## The reeds\n\n{REEDS}"


def test_notes_scripts_and_page_numbers_of_a_book_go() -> None:
    body = (
        "<style>p {}</style><script/><p>Mira<a epub:type='noteref' href='#n'>1</a> ran<sup><a href='#n2'>2</a></sup> "
        "up<span epub:type='pagebreak'>17</span> the <ruby>山<rt>やま</rt></ruby> "
        "the 2<sup>nd</sup> time &amp; fell&nbsp;down.<br/>Then slept.</p>"
        "<aside epub:type='footnote' id='n'>A note.</aside><nav epub:type='toc'><a>One</a></nav>"
        f"<div><div>{MARKET}</div></div>"
    )

    text = text_of(epub([body]))

    assert text == f"Mira ran up the 山 the 2nd time & fell\u00a0down.\nThen slept.\n\n{MARKET}"


@pytest.mark.parametrize(
    "between",
    ["<hr/>", "<p>* * *</p>", "<p class='scene-break'>&#160;</p>", "<div class='ornament'><img src='o.png'/></div>"],
)
def test_breaks_in_a_book(between: str) -> None:
    assert text_of(epub([f"<p>{REEDS}</p>{between}<p>{MARKET}</p>"])) == f"{REEDS}\n\n* * *\n\n{MARKET}"


def test_a_page_of_contents_without_a_name_is_known_by_its_links() -> None:
    links = "".join(f'<p><a href="c{n}.xhtml">Chapter {n}</a></p>' for n in range(9))

    assert text_of(epub([f"<p>Contents</p>{links}", f"<p>{REEDS}</p>"])) == REEDS


def test_a_book_in_another_charset() -> None:
    old = f'<?xml version="1.0" encoding="windows-1251"?><html><body><p>{RUSSIAN}</p></body></html>'.encode("cp1251")

    assert RUSSIAN.split("\n")[0] in text_of(epub([""], more={"OEBPS/text/c 0.xhtml": old}))


# --- PDF -----------------------------------------------------------------------------------------------------------


def test_pdf_paragraphs_are_whole_and_running_heads_gone() -> None:
    paragraphs = [f"{REEDS} {MARKET} {WATER} Number {chr(97 + n)}." for n in range(24)]

    text = text_of(pdf("# The reeds", *paragraphs, head="THE PAPER BOAT"))

    assert text.split("\n\n") == ["# The reeds", *paragraphs]


def test_pdf_words_parted_at_the_end_of_a_line_are_whole_again() -> None:
    lines = [
        "The miller had never seen such a won-", "derful boat, said the boat-builder, and the boat-",
        "builder knew of boats that Tomas and Mira-", "Belle had made from all the papers of the mill.",
    ]  # fmt: skip
    content = pdf_of_lines([[(72, 700 - 14 * n, line) for n, line in enumerate(lines)]])

    assert text_of(content) == (
        "The miller had never seen such a wonderful boat, said the boat-builder, and the boat-builder knew of boats "
        "that Tomas and Mira-Belle had made from all the papers of the mill."
    )


def test_pdf_screenplays_keep_their_lines() -> None:
    page = [
        (108, 700, "INT. MILL - DAWN"), (108, 676, REEDS[:55]), (108, 664, REEDS[55:]), (252, 640, "MIRA"),
        (180, 628, "A boat!"), (108, 604, "EXT. MARKET - DAY"), (108, 580, MARKET[:60]),
    ]  # fmt: skip

    text = text_of(pdf_of_lines([page]))

    assert "\n\nMIRA\nA boat!\n\nEXT. MARKET - DAY\n\n" in text
    assert text.startswith("INT. MILL - DAWN\n\nMira found")


def test_pdf_chapter_numbers_are_no_page_numbers() -> None:
    lines = (f"the line {n} of a story which goes on and on and on until it ends" for n in range(999))
    chapters = [[(300.0, 700.0, str(n)), *((72.0, 660.0 - 14 * i, next(lines)) for i in range(9))] for n in range(1, 5)]
    apart = [page for chapter in chapters for page in (chapter, [(72.0, 700.0, next(lines))])]

    assert [line for line in text_of(pdf_of_lines(apart)).split("\n\n") if line.isdecimal()] == ["1", "2", "3", "4"]


# --- What is refused -----------------------------------------------------------------------------------------------


def bomb(member: str, size: int = 1_000_000_000) -> bytes:
    """A ZIP of a few hundred kilobytes whose one large member unpacks to `size` bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        packed.writestr("[Content_Types].xml", "<Types/>")
        with packed.open(member, "w", force_zip64=True) as file:
            for _ in range(size // 10_000_000):
                file.write(b" " * 10_000_000)
    return content.getvalue()


def locked_zip(content: bytes) -> bytes:
    """The same archive with every member marked as encrypted."""
    marked = bytearray(content)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = marked.find(signature)
        while at >= 0:
            marked[at + offset] |= 1
            at = marked.find(signature, at + 4)
    return bytes(marked)


def word_of(content: bytes) -> bytes:
    """A Word document whose text is that XML."""
    return zipped({"[Content_Types].xml": "", "word/document.xml": content})


LAUGHS = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
OUTSIDE = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
AES, MANGLED = "http://www.w3.org/2001/04/xmlenc#aes128-cbc", "http://www.idpf.org/2008/embedding"
DRM = f'<e><EncryptedData xmlns="e"><EncryptionMethod Algorithm="{AES}"/></EncryptedData></e>'
FONTS = DRM.replace(AES, MANGLED)
DEEP = b"<a>" * 100_000 + b"</a>" * 100_000
GOOD_DOCX, GOOD_EPUB, GOOD_PDF = docx(p(REEDS)), epub([f"<p>{REEDS}</p>"]), pdf(REEDS)
HOSTILE: dict[str, tuple[bytes, str, type[RequestError]]] = {
    "empty": (b"", "a.txt", EmptyDocument),
    "white space": (b" \n\t" * 50, "a.md", EmptyDocument),
    "no words": ("* * *\n\n—\n\n…\n\n!?".encode(), "a.txt", EmptyDocument),
    "an empty docx": (docx(p()), "a.docx", EmptyDocument),
    "noise": (random.Random(7).randbytes(50_000), "a.txt", UnsupportedDocument),
    "noise called pdf": (random.Random(8).randbytes(50_000), "a.pdf", BrokenDocument),
    "zeroes": (b"\0" * 5_000, "a.txt", UnsupportedDocument),
    "a picture": (b"\x89PNG\r\n\x1a\n" + b"\0" * 99, "a.docx", UnsupportedDocument),
    "a web page": (b"<!DOCTYPE html><html><p>Mira ran.</p></html>", "a.txt", UnsupportedDocument),
    "rtf": (rb"{\rtf1 Mira ran.}", "a.docx", UnsupportedDocument),
    "word of 1997": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "a.doc", UnsupportedDocument),
    "an encrypted docx": (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le"),
        "a.docx",
        EncryptedDocument,
    ),
    "another xml": (b"<?xml version='1.0'?><svg>Mira ran.</svg>", "a.fdx", UnsupportedDocument),
    "an archive of a docx": (zipped({"story.docx": GOOD_DOCX}), "a.docx", UnsupportedDocument),
    "an opendocument": (zipped({"mimetype": "application/vnd.oasis.opendocument.text"}), "a.odt", UnsupportedDocument),
    "half a docx": (GOOD_DOCX[: len(GOOD_DOCX) // 2], "a.docx", BrokenDocument),
    "half an epub": (GOOD_EPUB[: len(GOOD_EPUB) // 2], "a.epub", BrokenDocument),
    "a tenth of a pdf": (GOOD_PDF[: len(GOOD_PDF) // 10], "a.pdf", BrokenDocument),
    "a docx without its text": (zipped({"[Content_Types].xml": "", "word/x": ""}), "a.docx", BrokenDocument),
    "a docx of broken xml": (word_of(b"<a>"), "a.docx", BrokenDocument),
    "a damaged member": (GOOD_DOCX[:60] + b"\xff" * 200 + GOOD_DOCX[260:], "a.docx", BrokenDocument),
    "an encrypted zip": (locked_zip(GOOD_DOCX), "a.docx", EncryptedDocument),
    "an encrypted pdf": (pdf(REEDS, password="secret"), "a.pdf", EncryptedDocument),
    "a locked book": (epub([f"<p>{REEDS}</p>"], more={"META-INF/encryption.xml": DRM}), "a.epub", EncryptedDocument),
    "a scan": (scanned_pdf(), "a.pdf", ScannedDocument),
    "billion laughs in fdx": (LAUGHS + b"<FinalDraft>&b;</FinalDraft>", "a.fdx", BrokenDocument),
    "an outside entity in fdx": (OUTSIDE + b"<FinalDraft>&a;</FinalDraft>", "a.fdx", BrokenDocument),
    "billion laughs in docx": (word_of(LAUGHS + b"<l>&b;</l>"), "a.docx", BrokenDocument),
    "an outside entity in epub": (zipped({"META-INF/container.xml": OUTSIDE + b"<l>&a;</l>"}), "a", BrokenDocument),
    "deep xml": (word_of(DEEP), "a.docx", DocumentTooLarge),
    "many members": (zipped({f"{n}": "" for n in range(10_001)}), "a.docx", DocumentTooLarge),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_no_story_is_refused_with_a_sentence(case: str) -> None:
    content, name, error = HOSTILE[case]

    with pytest.raises(error) as raised:
        read(content, name)

    assert type(raised.value) is error
    assert len(str(raised.value)) > 20 and str(raised.value).endswith(".")


def test_a_zip_bomb_is_left_while_it_unpacks() -> None:
    with pytest.raises(DocumentTooLarge, match="unpacks to more than"):
        read(bomb("word/document.xml"), "a.docx")


def test_a_pdf_of_too_many_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_reader, "MAX_PAGES", 2)

    with pytest.raises(DocumentTooLarge, match="3 pages"):
        read(pdf(REEDS, None, REEDS, None, REEDS))


def test_a_story_that_is_too_long_is_told_its_length() -> None:
    with pytest.raises(StoryTooLong, match=r"20,004 characters.*at most 10,000"):
        read((REEDS[:4] + "ab " * 6_666 + "ab").encode(), max_chars=10_000)


def test_mangled_fonts_do_not_lock_a_book() -> None:
    assert text_of(epub([f"<p>{REEDS}</p>"], more={"META-INF/encryption.xml": FONTS})) == REEDS


def test_text_is_text_whatever_it_is_called_and_however_it_begins() -> None:
    assert text_of(REEDS.encode(), "story.pdf") == REEDS
    for opening in ("PK", "Rar!", "BZh", "GIF8", "7z", "%PDF", "<", "{", "---", "\\rtf"):
        assert text_of(f"{opening} said the bear. {REEDS}".encode()) == f"{opening} said the bear. {REEDS}"


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        ("“Wait,” said Tom. “Don’t go.”\n\nAnna went.", "cp1252"),
        ("It wasn’t far. Anna ran down to the sea.", "cp1252"),
        ("“I don’t know,” said Anna — and she ran.", "cp1252"),
        ("Perché la città è così? Però Nicolò sorrise.", "cp1252"),
        ("Анна пошла домой. Она была одна, и снег шёл весь вечер над рекой.", "cp1251"),
    ],
)
def test_the_charset_of_a_short_text_is_found(text: str, charset: str) -> None:
    assert decode(text.encode(charset)) == text
