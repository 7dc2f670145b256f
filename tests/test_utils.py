"""What the reading of stories promises: exact, verbatim, natural cuts, and facts that stand in the text."""

from __future__ import annotations

import time
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import SceneFacts, ScriptAnalysis, Segment
from utils import (
    analyze_script,
    count_words,
    folded,
    guess_language,
    max_scenes,
    parts_to_fit,
    read_genders,
    read_scene,
    read_scenes,
    scene_title,
    search_text,
    split_story,
)

LANTERN = (
    "Mira found the paper boat at dawn, stuck in the reeds by the mill. It was wet through.\n\n"
    "“Whose is it?” asked Mira.\n\n“Nobody’s,” said the miller.\n\n"
    "The next evening she carried it through the market, where old Tomas was stacking pears in the rain. "
    "The stalls were closing.\n\n"
    "“That is a sea boat,” said Tomas.\n\n“Then it is far from home,” said Mira.\n\n"
    "Three days later they set it on the black water together. The lantern in it did not go out."
)

FOUNTAIN = """Title: The Lantern

FADE IN:

EXT. BEACH - DAWN

Rain. MARA walks the wet sand with a lamp.

MARA
Where is it?

OLD TOMAS (O.S.)
Where you left it.

INT. LIGHTHOUSE - NIGHT

Mara climbs.

MARA (CONT'D)
I see it.

EXT/INT. BOAT - CONTINUOUS

Tomas rows.

OLD TOMAS
Hush.

.THE DROWNED CAVE

MARA
Listen.
"""

CHINESE = (
    "第一章 河边的纸船\n\u3000\u3000清晨，米拉在河边发现了一只纸船。米拉说：“这是谁的船？”没有人回答。\n"
    "第二章 市场\n\u3000\u3000第二天晚上下雨了。阿托在市场卖梨。阿托说：“这是海上的船。”米拉笑了。\n"
    "第三章 大海\n\u3000\u3000他们把船放进海里。灯没有灭。\n"
)

ARABIC = (
    "في الصباح وجدت ليلى قاربا من ورق في النهر. قالت ليلى: هذا قارب جميل.\n\n"
    "وفي اليوم التالي ذهبت ليلى إلى السوق. قال سالم: القارب للبحر. قالت ليلى: نعم.\n\n"
    "وفي الليل جاء المطر، ولم ينطفئ المصباح."
)

HINDI = (
    "एक दिन सुबह मीरा को नदी में कागज़ की नाव मिली। मीरा ने कहा, यह किसकी नाव है?\n\n"
    "अगले दिन रात को बारिश हुई। रामू ने पूछा, कहाँ जा रही हो? मीरा ने कहा, समुद्र तक।"
)


def starts(segments: list[Segment]) -> list[str]:
    return [segment.text.strip().splitlines()[0].strip() for segment in segments]


def facts_of(text: str) -> SceneFacts:
    return read_scene(text, analyze_script(text))


def names_of(analysis: ScriptAnalysis) -> set[str]:
    return {person.name for person in analysis.characters}


# --- Words to search for ---------------------------------------------------------------------------------------


def test_words_are_folded_alike_whatever_their_case_width_and_white_space() -> None:
    assert folded(" ＡＢＣ\r\n Straße\0Cafe\u0301 ΟΔΟΣ ") == folded("abc\u00a0STRASSE café οδος")
    assert folded(folded("ﬁ ΐ İ ſ")) == folded("ﬁ ΐ İ ſ")
    assert folded(" \t\0\u2003") == ""
    assert folded("b") not in search_text("a", "c") and folded("a c") not in search_text("a", "c")


# --- Exact and verbatim ----------------------------------------------------------------------------------------

STORIES = {"en": LANTERN, "fountain": FOUNTAIN, "zh": CHINESE, "ar": ARABIC, "hi": HINDI}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_every_number_of_scenes_is_met_exactly_and_loses_nothing(story: str) -> None:
    for n in range(1, max_scenes(story) + 1):
        segments = split_story(story, n)

        assert len(segments) == n
        assert "".join(segment.text for segment in segments) == story
        assert all(story[s.start : s.end] == s.text and s.text.strip() for s in segments)


# One paragraph a language, of our own; told over and over they make a text that can be cut 200 times.
PARAGRAPHS = {
    "en": "At dawn Mira found the boat. “Whose is it?” she asked. Nobody in the village knew.",
    "de": "Am Morgen fand Mira das Boot. „Wem gehört es?“, fragte sie. Niemand im Dorf wusste es.",
    "fr": "À l’aube, Mira trouva le bateau. « À qui est-il ? » demanda-t-elle. Personne ne le savait.",
    "es": "Al amanecer Mira encontró el barco. —¿De quién es? —preguntó. Nadie del pueblo lo sabía.",
    "zh": "清晨，米拉在河边发现了一只船。“这是谁的？”她问。村里没有人知道。",
    "ja": "夜明けに、ミラは小さな船を見つけた。「だれの船？」と彼女は言った。村のだれも知らなかった。",
    "ko": "새벽에 미라는 배를 찾았다. “누구의 배야?” 하고 물었다. 마을에서는 아무도 몰랐다.",
    "ar": "عند الفجر وجدت ميرا القارب. قالت ميرا: لمن هذا؟ لم يعرف أحد في القرية.",
    "hi": "सुबह मीरा को नाव मिली। मीरा ने पूछा, यह किसकी है? गाँव में कोई नहीं जानता था।",
    "ru": "На рассвете Мира нашла лодку. — Чья она? — спросила Мира. В деревне никто не знал.",
    "it": "All’alba Mira trovò la barca. «Di chi è?» chiese. Nessuno nel villaggio lo sapeva.",
    "pt": "Ao amanhecer, Mira encontrou o barco. — De quem é? — perguntou. Ninguém na aldeia sabia.",
    "tr": "Şafakta Mira kayığı buldu. “Bu kimin?” diye sordu. Köyde kimse bilmiyordu.",
}


def long_text(language: str, paragraphs: int, between: str = "\n\n") -> str:
    return between.join(f"{number}. {PARAGRAPHS[language]}" for number in range(paragraphs))


@pytest.mark.parametrize("language", PARAGRAPHS)
@pytest.mark.parametrize("between", ["\n\n", "\r\n", " "], ids=["paragraphs", "lines", "flat"])
def test_any_number_from_1_to_200_in_any_language_is_exact_verbatim_and_cut_cleanly(
    language: str, between: str
) -> None:
    text = long_text(language, 24, between)

    for n in (1, 2, 3, 7, 12, 23, 24, 25, 40, 67, 99, 150, 200):
        if n > max_scenes(text):
            continue
        segments = split_story(text, n)

        assert len(segments) == n
        assert "".join(segment.text for segment in segments) == text
        assert all(segment.text.strip() for segment in segments)
        for before, after in pairwise(segments):
            assert is_clean_cut(before.text[-1], after.text[0]), (n, before.text[-9:], after.text[:9])


def is_clean_cut(last: str, first: str) -> bool:
    """Never inside a word, nor between a letter and its marks; scripts without spaces are cut between characters."""
    if unicodedata.category(first)[0] == "M":
        return False
    unspaced = any(low <= first <= high for low, high in (("\u3040", "\u30ff"), ("\u4e00", "\u9fff")))
    return unspaced or not (last.isalnum() and first.isalnum())


@pytest.mark.parametrize("language", PARAGRAPHS)
def test_up_to_its_paragraphs_a_text_is_cut_between_paragraphs_only(language: str) -> None:
    text = long_text(language, 30)

    for n in (2, 5, 10, 20, 30):
        segments = split_story(text, n)

        assert all(segment.text.lstrip()[0].isdigit() and segment.text.endswith("\n\n") for segment in segments[:-1])


def test_a_line_that_begins_with_a_mark_of_the_one_before_takes_no_scene_away() -> None:
    text = "INT. MILL - DAYINT. MILL - DAY\n\u0301"

    for n in range(1, max_scenes(text) + 1):
        assert len(split_story(text, n)) == n


def test_a_story_that_fits_is_one_part() -> None:
    assert parts_to_fit(LANTERN, 10_000) == [LANTERN]


@pytest.mark.parametrize("language", ["en", "zh", "ar", "hi"])
@pytest.mark.parametrize("most", [300, 1500, 4000])
def test_parts_fit_lose_nothing_and_are_few(language: str, most: int) -> None:
    text = long_text(language, 60)
    size = len(text.encode())

    parts = parts_to_fit(text, most)

    assert "".join(parts) == text
    assert max(len(part.encode()) for part in parts) <= most
    assert len(parts) <= 2 * size / most + 1
    if most >= 1500:
        assert all(part.lstrip()[0].isdigit() for part in parts), "cut between paragraphs"


def test_a_text_that_cannot_be_cut_fine_enough_is_cut_as_fine_as_it_can_be() -> None:
    assert parts_to_fit("abcdefghij klmnopqrst", 4) == ["abcdefghij ", "klmnopqrst"]


def test_more_scenes_than_words_is_refused_with_the_most_there_can_be() -> None:
    assert max_scenes("one two three") == 3

    with pytest.raises(ValueError, match="at most 3"):
        split_story("one two three", 4)


@pytest.mark.parametrize("blank", ["", " \n\t\r\n", "\u3000"], ids=["empty", "spaces", "wide space"])
def test_a_blank_text_has_no_scene(blank: str) -> None:
    assert max_scenes(blank) == 0

    with pytest.raises(ValueError, match="at most 0"):
        split_story(blank, 1)


def test_fewer_than_one_scene_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        split_story(LANTERN, 0)


def test_the_same_story_is_always_cut_the_same_way() -> None:
    assert split_story(LANTERN, 3) == split_story(LANTERN, 3)


def test_words_are_never_cut_where_spaces_part_them() -> None:
    segments = split_story("Far away stood an unbelievably tall lighthouse", 7)

    assert [s.text.strip() for s in segments] == "Far away stood an unbelievably tall lighthouse".split()


def test_a_script_without_spaces_can_be_cut_between_characters() -> None:
    segments = split_story("纸船漂走了。", 5)

    assert [segment.text for segment in segments] == ["纸", "船", "漂", "走", "了。"]


PIECES = st.sampled_from(
    ["word", "Mira", " ", "\n", "\r\n", "\r", "\n\n", ".", "。", "船", "か\u3099", "e\u0301", "\u0301", "\0", "\u200f",
     "👨\u200d👩\u200d👧", "👍🏽", "❤\ufe0f", "“", "”", '"', "*", "»", "* * *", "\n* * *\n", "\n\u0301\n", "\n\u200d",
     "\n\n\u0902", "\u20dd", "Chapter 1", "\n\nII\n\n", "INT. MILL - DAY", "#", "？", "\x85", "\x1c",
     "\u3000", "کت", "कि"]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, max_size=30).map("".join))
def test_any_text_is_cut_whole_into_each_number_it_can_be_cut_into_and_no_more(text: str) -> None:
    most = max_scenes(text)

    for n in range(1, most + 1):
        segments = split_story(text, n)

        assert len(segments) == n
        assert "".join(segment.text for segment in segments) == text
        assert_clean(segments)
    with pytest.raises(ValueError, match=f"at most {most} "):
        split_story(text, most + 1)


def assert_clean(segments: list[Segment]) -> None:
    assert all(segment.text.strip() for segment in segments)
    for before, after in pairwise(segments):
        assert unicodedata.category(after.text[0])[0] != "M"
        assert after.text[0] not in "\u200d\ufe0f🏽"
        assert before.text[-1] != "\u200d"
        assert not (before.text[-1] == "\r" and after.text[0] == "\n")


@pytest.mark.parametrize("text", ["word\n\u0301\n* * *", 'A。""" B', "a\n\n\u0301b\n\n* * *\n\n\u0301c d"])
def test_a_line_that_no_scene_can_open_does_not_take_the_place_of_one_that_can(text: str) -> None:
    for n in range(1, max_scenes(text) + 1):
        assert len(split_story(text, n)) == n


@settings(max_examples=80, deadline=None)
@given(st.lists(PIECES, max_size=30).map("".join))
def test_any_text_can_be_analysed_read_and_titled(text: str) -> None:
    analysis = analyze_script(text, max_scenes=5)

    assert 1 <= analysis.recommended_scenes <= 5
    assert len(read_scenes([text, text], analysis)) == 2
    assert 1 <= len(scene_title(text)) <= 60


@pytest.mark.parametrize(
    "text",
    [
        "a" * 300_000,
        "\n" * 100_000 + "x",
        ". " * 20_000,
        "." * 100_000,
        "A." * 50_000,
        "the next " * 20_000,
        "“" * 50_000,
        "* " * 20_000,
    ],
    ids=["one word", "newlines", "stops", "dots", "initials", "time words", "quotes", "stars"],
)
def test_a_long_row_of_one_thing_takes_no_long_time(text: str) -> None:
    began = time.process_time()

    split_story(text, min(5, max_scenes(text)))
    analyze_script(text)

    assert time.process_time() - began < 3


# --- Natural borders -------------------------------------------------------------------------------------------


def story_with(*headings: str, between: str = "\n\n") -> str:
    body = "The boat went on down the water and nobody spoke for a long while. A heron stood by."
    return "".join(f"{heading}{between}{body}\n\n{body}\n\n" for heading in headings)


MARKED = {
    "chapters": ("Chapter I", "Chapter II: The Mill", "Chapter III"),
    "german scenes": ("Erste Szene", "Zweite Szene", "Dritte Szene"),
    "spanish": ("Capítulo primero", "Capítulo segundo", "Capítulo tercero"),
    "russian": ("Глава 1", "Глава 2", "Глава 3"),
    "turkish": ("Birinci Bölüm", "İkinci Bölüm", "Üçüncü Bölüm"),
    "arabic": ("الفصل الأول", "الفصل الثاني", "الفصل الثالث"),
    "hindi": ("अध्याय 1", "अध्याय 2", "अध्याय 3"),
    "korean": ("제1장 강", "제2장 시장", "제3장 바다"),
    "japanese": ("第一話 川", "第二話 市場", "第三話 海"),
    "roman": ("I", "II", "III"),
    "digits": ("1.", "2.", "3."),
    "cjk digits": ("一", "二", "三"),
    "markdown": ("# One boat", "## Two oars", "## Three stones"),
    "sluglines": ("INT. MILL - DAY", "EXT/INT. BOAT - NIGHT", "12 EXT. SEA - DAWN"),
    "forced sluglines": (".THE MILL", ".THE BOAT", ".THE SEA"),
    "small sluglines": ("int. mill - day", "ext. boat - night", "I/E CAR - DAWN"),
    "worded": ("CHAPTER THE FIRST", "CHAPTER THE SECOND", "CHAPTER THE THIRD"),
    "numbered titles": ("I. The Mill", "II. The Boat", "III. The Sea"),
    "capitals": ("THE MILL", "THE BOAT", "THE SEA"),
    "bare titles": ("Monday", "Tuesday Evening", "Wednesday"),
    "act and scene": ("ACT I\n\nSCENE I", "SCENE II", "ACT II\n\nSCENE I"),
}


@pytest.mark.parametrize("headings", MARKED.values(), ids=MARKED.keys())
def test_marked_scenes_are_cut_at_their_headings(headings: tuple[str, ...]) -> None:
    segments = split_story(story_with(*headings), 3)

    assert starts(segments) == [heading.splitlines()[0] for heading in headings]


@pytest.mark.parametrize("line", ["* * *", "***", "#", "⁂", "---", "— — —", "◇"])
def test_a_break_line_ends_a_scene_and_stays_with_it(line: str) -> None:
    story = (
        f"The mill stood still. Nobody came.\n\n{line}\n\nMira woke. It rained.\n\nShe ran out at once, into the wet."
    )

    segments = split_story(story, 2)

    assert starts(segments)[1] == "Mira woke. It rained."
    assert segments[0].text.rstrip().endswith(line)


def test_breaks_are_found_in_wrapped_text_with_windows_line_ends() -> None:
    story = (
        "The mill stood\r\nstill. Nobody\r\ncame near it.\r\n\r\n***\r\n\r\n"
        "Mira woke and\r\nran out.\r\n\r\nIt rained\r\nhard.\r\n"
    )

    assert starts(split_story(story, 2)) == ["The mill stood", "Mira woke and"]


def test_a_rare_wider_gap_is_a_border() -> None:
    story = "".join(f"Line {i} of the river song.\n\n" + ("\n\n" if i == 6 else "") for i in range(12))

    assert starts(split_story(story, 2))[1] == "Line 7 of the river song."


def test_a_title_is_no_scene_of_its_own() -> None:
    story = "The Paper Boat\n\n" + story_with("Chapter 1", "Chapter 2")

    segments = split_story(story, 2)

    assert starts(segments) == ["The Paper Boat", "Chapter 2"]


def test_a_cry_on_its_own_line_is_no_title() -> None:
    body = "The boat went on down the water and nobody spoke. “Look,” said the miller, and they all looked.\n\n"
    story = body * 3 + "And what then?\n\n" + body * 4 + "Gone!\n\n" + body * 5

    assert analyze_script(story).estimated_scenes == analyze_script(body * 12).estimated_scenes


def test_fewer_scenes_than_chapters_keep_whole_chapters() -> None:
    headings = tuple(f"Chapter {i}" for i in range(1, 10))

    segments = split_story(story_with(*headings), 3)

    assert all(start.startswith("Chapter") for start in starts(segments))


def test_more_scenes_than_chapters_keep_every_chapter_border() -> None:
    headings = tuple(f"Chapter {i}" for i in range(1, 5))

    segments = split_story(story_with(*headings), 8)

    assert set(headings) <= set(starts(segments))


def test_without_marks_a_scene_opens_where_time_moves_on() -> None:
    segments = split_story(LANTERN, 3)

    assert [start.split()[0:3] for start in starts(segments)[1:]] == [
        ["The", "next", "evening"],
        ["Three", "days", "later"],
    ]


def test_cuts_fall_between_sentences_where_there_are_no_paragraphs() -> None:
    story = "He sat. “Why?” she said. Mr. Vane rose at 3.30 and left. It rained! The mill was dark. Nobody came."

    segments = split_story(story, 4)

    assert all(segment.text.rstrip()[-1] in ".!?”" for segment in segments)
    assert not any(segment.text.rstrip().endswith("Mr.") for segment in segments)


# --- Analysis --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (LANTERN, "en"),
        (CHINESE, "zh"),
        (ARABIC, "ar"),
        (HINDI, "hi"),
        ("Am Morgen ging Lena in den Wald, und der Wolf war nicht zu sehen.", "de"),
        ("Le matin, elle est allée dans la forêt avec son frère.", "fr"),
        ("Por la mañana la niña se fue al bosque con su hermano.", "es"),
        ("La mattina la bambina andò nel bosco con il fratello, e non era sola.", "it"),
        ("De manhã a menina foi para a floresta com o seu irmão e não voltou.", "pt"),
        ("Утром она пошла в лес, и он был там не один.", "ru"),
        ("Sabah kız ormana gitti ve bir kurt gördü ama korkmadı.", "tr"),
        ("むかし、川のそばに小さな舟がありました。", "ja"),
        ("어느 날 아침 미라는 강가에서 배를 보았습니다.", "ko"),
        ("xq zzv 12", "und"),
    ],
)
def test_the_language_is_told(text: str, language: str) -> None:
    assert guess_language(text) == language


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (LANTERN, "prose"),
        (FOUNTAIN, "screenplay"),
        (CHINESE, "chapters"),
        ("LENA\nWho is there?\n\nTOM\nOnly me.\n\nLENA\nCome in, then.\n\nTOM\nThank you.", "play"),
    ],
    ids=["prose", "screenplay", "chapters", "play"],
)
def test_the_form_of_the_text_is_told(text: str, form: str) -> None:
    assert analyze_script(text).format == form


def test_the_speakers_of_a_screenplay_are_its_characters_exactly() -> None:
    analysis = analyze_script(FOUNTAIN)

    assert names_of(analysis) == {"MARA", "OLD TOMAS"}


@pytest.mark.parametrize(
    ("story", "names"),
    [
        (LANTERN, {"Mira", "Tomas"}),
        (CHINESE, {"米拉", "阿托"}),
        (ARABIC, {"ليلى", "سالم"}),
        (HINDI, {"मीरा", "रामू"}),
        (
            "Am Morgen ging Lena in den Wald. »Hallo«, sagte Lena. Am Abend kam Herr Krause und lachte.",
            {"Lena", "Krause"},
        ),
        (
            "The fox ran. “Stop!” said the fox. “Why?” asked the owl.\n\n“Go,” said the fox. “No,” said the owl.",
            {"fox", "owl"},
        ),
        (
            "“Stop,” the old heron said. “Why?” asked Pip. It rained.\n\n“Go,” said the Heron, and Pip went.",
            {"heron", "Pip"},
        ),
        (
            "Aber Greta schlief nicht. »Wer bist du?«, fragte sie.\n\n»Ich heiße Jorin«, antwortete der Junge. Stille "
            "lag über dem Hof. Angst hatte er keine. Greta nickte. Jorins Hand war kalt. Jeden Abend kam er ans Tor.",
            {"Greta", "Jorin"},
        ),
        ("很久以前，河边有一个叫阿青的女孩。“这是谁的船？”阿青问。没有人回答她。", {"阿青"}),
        ("Lucía vivía con su abuelo Ramón en una casa. El mar era azul. Lucía cantó.", {"Lucía", "Ramón"}),
    ],
    ids=["en", "zh", "ar", "hi", "de", "animals", "birds", "german heroes", "told by name", "kin"],
)
def test_those_who_act_in_a_story_are_found(story: str, names: set[str]) -> None:
    assert names_of(analyze_script(story)) == names


def test_a_character_is_counted_and_placed() -> None:
    mira = analyze_script(LANTERN).characters[0]

    assert (mira.name, mira.mentions, mira.first_offset) == ("Mira", LANTERN.count("Mira"), LANTERN.index("Mira"))


def test_places_are_named_as_written_with_the_painters_word_for_them() -> None:
    places = {place.name: place.kind for place in analyze_script(LANTERN).locations}

    assert places["market"] == "market"
    assert places["mill"] == "interior"


def test_a_place_told_in_two_ways_is_one_place() -> None:
    story = "She came to the town square. The square was empty. In the town hall nobody sat. She left the square."

    places = {place.name: place.mentions for place in analyze_script(story).locations}

    assert places == {"square": 3, "town hall": 1}


def test_a_german_verb_is_no_place() -> None:
    story = "Lena nahm das Tor und schloss es ab. Dann ging sie mit dem Hund nach Hause und war nicht mehr zu sehen."

    assert [place.kind for place in analyze_script(story).locations] == ["interior"]


def test_what_only_sounds_like_a_time_is_none() -> None:
    story = "In the round dark of the well it grew by the second. After dark they left. It took a second."

    assert analyze_script(story).times == ("After dark", "a second")


def test_told_times_stand_in_order_of_appearance() -> None:
    assert analyze_script(LANTERN).times == ("at dawn", "The next evening", "Three days")


def test_marks_decide_the_recommended_number_of_scenes() -> None:
    analysis = analyze_script(story_with(*(f"Chapter {i}" for i in range(1, 8))))

    assert (analysis.estimated_scenes, analysis.recommended_scenes) == (7, 7)


def test_the_recommended_number_never_exceeds_the_cap_or_the_text() -> None:
    assert analyze_script(story_with(*(f"Chapter {i}" for i in range(1, 8))), max_scenes=4).recommended_scenes == 4
    assert analyze_script("Two words").recommended_scenes == 1


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("The dog ran.", 1),
        ("The Dog\n\nThe dog ran.", 1),
        ("The dog ran. It barked.", 2),
        ("狗跑了。它叫了。", 2),
        ("The dog ran. It barked. Nobody came.", 3),
    ],
    ids=["one sentence", "a title and one", "two", "two in Chinese", "three"],
)
def test_a_short_text_gets_no_more_scenes_than_it_has_sentences(text: str, most: int) -> None:
    assert analyze_script(text).recommended_scenes == most


def test_a_longer_text_is_never_given_fewer_scenes() -> None:
    recommended = [analyze_script("We saw the river run. " * (words // 5)).recommended_scenes for words in LENGTHS]

    assert recommended == sorted(recommended)
    assert recommended[0] == 3
    assert recommended[-1] == 35


LENGTHS = (*range(100, 1500, 100), 1495, 1505, 1600, 3000, 8500, 9000, 20_000)


@pytest.mark.parametrize(("words", "scenes"), [(90, 3), (1000, 10), (1500, 15), (5700, 15), (11_400, 20)])
def test_length_decides_where_nothing_is_marked(words: int, scenes: int) -> None:
    assert analyze_script("The river ran on past us. " * (words // 6)).recommended_scenes == pytest.approx(
        scenes, abs=1
    )


def test_a_chinese_character_counts_as_half_a_word() -> None:
    assert count_words("纸船漂走") == 2
    assert count_words("two words") == 2


def test_dense_prose_is_more_complex_than_a_picture_book() -> None:
    simple = analyze_script("The cat sat. It was red. It ran off. We saw it go.").complexity
    dense = analyze_script(
        "Notwithstanding considerable circumstantial evidence, the commissioners unanimously postponed their "
        "deliberations, preferring procedural uncertainty to whatever embarrassment a premature publication might "
        "conceivably occasion."
    ).complexity

    assert (simple, dense) == (1, 10)


def test_a_theme_that_runs_through_the_story_is_named() -> None:
    story = (
        "The dragon and the witch shared a spell. The witch waved her wand, and the dragon grew wings of magic light."
    )

    assert "magic" in analyze_script(story).themes


# --- One scene -------------------------------------------------------------------------------------------------


def test_a_slugline_tells_place_and_time() -> None:
    facts = facts_of("EXT. BEACH - DAWN\n\nRain. MARA walks.\n\nMARA\nHello?\n")

    assert (facts.location, facts.place_kind, facts.time_of_day, facts.weather) == ("BEACH", "beach", "dawn", "rain")


def test_inside_is_inside_whatever_the_room() -> None:
    assert facts_of("INT. CASTLE - NIGHT\n\nThey wait.\n").place_kind == "interior"


@pytest.mark.parametrize(
    ("text", "kind", "when", "weather"),
    [
        ("At night they rowed across the sea in a storm.", "sea", "night", "storm"),
        ("Am Abend ging sie durch den Wald, und es fiel Schnee auf sie.", "forest", "evening", "snow"),
        ("À l'aube, il est arrivé au château dans le brouillard.", "castle", "dawn", "fog"),
        ("清晨，他走进森林，下雨了。", "forest", "morning", "rain"),
        ("夜、雨の市場で彼を見ました。", "market", "night", "rain"),
        ("وفي الليل وصلت إلى الصحراء تحت المطر، وهي لا تعرف الطريق في الصحراء.", "desert", "night", "rain"),
        ("रात को वह गाँव में पहुँचा और बारिश हो रही थी।", "village", "night", "rain"),
    ],
    ids=["en", "de", "fr", "zh", "ja", "ar", "hi"],
)
def test_place_time_and_weather_are_read_in_many_languages(text: str, kind: str, when: str, weather: str) -> None:
    facts = facts_of(text)

    assert (facts.place_kind, facts.time_of_day, facts.weather) == (kind, when, weather)


def test_the_mood_is_the_one_with_most_words() -> None:
    assert facts_of("She laughed and danced. Everyone was happy and sang.").mood == "joyful"
    assert facts_of("He wept alone at the grave, and the tears of his sorrow fell.").mood == "sad"


def test_a_text_that_says_nothing_yields_no_facts() -> None:
    assert facts_of("Yes.") == SceneFacts()


def test_only_those_the_scene_names_are_present_in_order() -> None:
    analysis = analyze_script(LANTERN)

    assert read_scene("Tomas called. Mira came.", analysis).characters == ("Tomas", "Mira")
    assert read_scene("Nobody was there.", analysis).characters == ()


def test_a_night_stays_night_until_the_story_moves_on() -> None:
    scenes = [
        "At night they came to the castle.",
        "Nobody spoke.",
        "The next day they spoke.",
        "In the evening they left.",
    ]

    facts = read_scenes(scenes, analyze_script(" ".join(scenes)))

    assert [scene.time_of_day for scene in facts] == ["night", "night", "unknown", "evening"]
    assert [scene.place_kind for scene in facts[:2]] == ["castle", "castle"]


def test_a_new_chapter_carries_nothing_over() -> None:
    scenes = ["At night they came to the castle.", "Chapter 2\n\nNobody spoke of it again."]

    facts = read_scenes(scenes, analyze_script("\n\n".join(scenes)))

    assert (facts[1].time_of_day, facts[1].place_kind) == ("unknown", None)


@pytest.mark.parametrize(
    ("text", "kind", "when", "weather"),
    [
        ("Her room was quiet, like a forest at night in the rain.", "interior", "unknown", "unknown"),
        ("He crossed the field as if the sea were rising.", "field", "unknown", "unknown"),
        ("They went to the market before supper.", "market", "unknown", "unknown"),
        ("“Good night,” she said in the garden.", "garden", "unknown", "unknown"),
        ("Sie ging über die Wiese, weiß wie ein Schiff auf dem Meer in der Nacht.", "field", "unknown", "unknown"),
        ("Elle était dans le jardin, calme comme une nuit en mer.", "garden", "unknown", "unknown"),
        ("La niña estaba en el mercado, oscuro como una cueva de noche.", "market", "unknown", "unknown"),
        ("Он стоял в саду, тихом, как море ночью, и не спал.", "garden", "unknown", "unknown"),
        ("她在市场里，声音像夜里的大海一样。", "market", "unknown", "unknown"),
        ("Jeden Abend saß er am Fluss und sah den Mond und die Sterne nicht.", "river", "evening", "unknown"),
        ("The Night Market\n\nIn the morning they swept the mill.", "interior", "morning", "unknown"),
    ],
    ids=["like a", "as if", "before", "greeting", "wie ein", "comme", "como", "как", "像", "jeden Abend", "title"],
)
def test_what_a_scene_is_only_likened_to_is_not_in_it(text: str, kind: str, when: str, weather: str) -> None:
    facts = facts_of(text)

    assert (facts.place_kind, facts.time_of_day, facts.weather) == (kind, when, weather)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("They set the boat on the black water.", "river"),
        ("From the beach they rowed out on the black water to the sea, to the sea.", "sea"),
        ("She poured the water away.", None),
        ("Die Kinder setzten das Boot auf das Wasser.", "river"),
        ("Los niños pusieron el barquito sobre el agua.", "river"),
    ],
    ids=["en", "sea", "no place", "de", "es"],
)
def test_water_is_a_place_where_somebody_is_on_it(text: str, kind: str | None) -> None:
    assert facts_of(text).place_kind == kind


# --- Scene after scene -----------------------------------------------------------------------------------------


def people_of(*scenes: str) -> list[tuple[str, ...]]:
    return [facts.characters for facts in read_scenes(scenes, analyze_script("\n\n".join(scenes)))]


@pytest.mark.parametrize(
    ("scenes", "people"),
    [
        (
            ("Mira found the boat by the mill.", "She took it to market, where old Tomas sat.", "They went on."),
            [("Mira",), ("Mira", "Tomas"), ("Mira", "Tomas")],
        ),
        (
            ("Mrs Vane met Mr Orr. Mr Orr bowed to Mrs Vane.", "He walked away.", "She stayed."),
            [("Vane", "Orr"), ("Orr",), ()],
        ),
        (("Mira ran. Tomas saw Mira. He laughed.", "Odile came. She sang.", "A girl slept. She woke."),
         [("Mira", "Tomas"), ("Odile",), ()]),
        (("Am Abend kam Frau Krause.", "Sie setzte sich an den Tisch und war müde."), [("Krause",), ("Krause",)]),
        (
            ("Herr Weber rief Lena. »Ja«, sagte Lena.", "Dann liefen sie in den Wald, und es war dunkel."),
            [("Weber", "Lena"), ("Weber", "Lena")],
        ),
        (("Lucía vivía con su tío Ramón.", "Ellos salieron de la casa."), [("Lucía", "Ramón"), ("Lucía", "Ramón")]),
        (("有一个女孩叫阿青。阿青问：“谁？”", "她走进市场。"), [("阿青",), ("阿青",)]),
        (("Иван сказал: да. Старик Иван сидел у реки.", "Он встал и пошёл в лес."), [("Иван",), ("Иван",)]),
    ],
    ids=["she and they", "by gender", "within the scene", "sie", "sie plural", "ellos", "zh", "ru"],
)  # fmt: skip
def test_a_pronoun_takes_people_up_from_the_scene_before(
    scenes: tuple[str, ...], people: list[tuple[str, ...]]
) -> None:
    assert people_of(*scenes) == people


def test_people_stay_where_nobody_is_named_and_the_place_goes_on() -> None:
    scenes = ("Mira sat in the mill. Mira slept.", "The lamp went out.", "In the market pears fell.")

    assert people_of(*scenes) == [("Mira",), ("Mira",), ()]


def test_nobody_is_carried_into_a_new_chapter() -> None:
    assert people_of("Mira sat in the mill. Mira slept.", "Chapter 2\n\nShe woke.") == [("Mira",), ()]


def test_who_is_he_and_who_is_she_is_told_by_the_words_around_a_name() -> None:
    text = "The boy Pawel ran. Ilse came home; she sang. Kim sat down. Mr Orr saw Kim."

    assert read_genders(text, ["Pawel", "Ilse", "Kim", "Orr"], "en") == {"Pawel": "he", "Ilse": "she", "Orr": "he"}


# --- Titles ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("## Chapter 3: The Mill\n\nIt stood still.", "Chapter 3: The Mill"),
        ("EXT. BEACH - DAWN\n\nRain.", "EXT. BEACH - DAWN"),
        ("IV\n\nMira woke early. It rained.", "Mira woke early"),
        ("* * *\n\nMira woke early.", "Mira woke early"),
        ("“Go!” he said.\n\nThe boat turned slowly in the reeds.", "The boat turned slowly in the reeds"),
        ("第二章 市场\n第二天晚上下雨了。", "第二章 市场"),
        ("第二章\n\u3000第二天晚上下雨了。他走了。", "第二天晚上下雨了"),
        ("Title: The Lantern\n\nFADE IN:\n", "The Lantern"),
    ],
)
def test_a_scene_is_titled_in_its_own_words(text: str, title: str) -> None:
    assert scene_title(text) == title


def test_a_long_first_sentence_gives_its_first_clause() -> None:
    text = "The boat had come down the river in the night, although nobody had seen it pass the mill or the town."

    assert scene_title(text) == "The boat had come down the river in the night"


@pytest.mark.parametrize("text", ["", "\n", "***", "…", "x" * 500, "船" * 500], ids=repr)
def test_a_title_is_never_empty_and_never_long(text: str) -> None:
    assert 1 <= len(scene_title(text)) <= 60


@pytest.mark.parametrize("scenes", [5, 6, 7, 8])
def test_a_break_line_is_no_scene_of_its_own(scenes: int) -> None:
    story = "\n\n* * *\n\n".join(
        f"At dawn the boat of {name} lay in the reeds. Nobody came to look for it before the rain." for name in NAMED
    )

    texts = [segment.text for segment in split_story(story, scenes)]

    assert "".join(texts) == story
    assert len(texts) == scenes
    assert all(any(letter.isalpha() for letter in text) for text in texts)


NAMED = ("Mira", "Tomas", "Elin", "Oskar")
