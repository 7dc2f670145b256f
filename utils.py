"""Reads a story without a model: cuts it into scenes, says what is in it, and holds the small helpers around that."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import json
import math
import os
import re
import shutil
import statistics
import tempfile
import unicodedata
import uuid
import zipfile
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from operator import add
from pathlib import Path
from typing import IO, Any, TypeVar

import lexicon
from models import MAX_SEED, ImageNotFound, SceneFacts, ScriptAnalysis, Segment, SessionNotFound, StorageUnavailable

T = TypeVar("T")

# --- Constants: the weights of the splitter --------------------------------------------------------------------

MARKER_BONUS = 12.0  # what a marked border is worth beside the cues, whose sum rarely leaves -5..+5
MARKER_STEP = 1.0  # what one level of heading is worth
INSIDE_PARAGRAPH = -3.0  # a border between sentences, where paragraphs run short
LENGTH_PENALTY = 0.4  # times ln(length / mean)², summed over the segments
EXACT_UP_TO = 250  # scenes; beyond it borders are picked one by one along an even grid
REACH = 6  # a segment in the programme is at most this many times the mean length, unless nothing shorter is there
VALLEY_WORDS = 250  # words compared before and after a border
VALLEY = 12  # units to either side within which the likeness is seen to fall
LANGUAGE_SAMPLE = 6000  # characters, from the beginning and from the middle

# Weight of each cue for borders between paragraphs and between sentences (conditional logit on the breaks editors set in
# 129 English stories).
WEIGHTS: dict[str, tuple[float, float]] = {
    "opens_speech": (-1.14, -0.14),
    "has_speech": (-0.90, -0.90),
    "speech_goes_on": (-0.79, -0.99),
    "speech_ended": (0.07, -0.24),
    "after_quote": (-0.15, 1.33),
    "speech_before": (1.12, -0.80),
    "speech_falls": (-0.35, 1.14),
    "length": (0.54, 0.29),
    "length_before": (-0.23, -0.10),
    "length_after": (0.13, 0.31),
    "new_words": (0.19, 0.26),
    "same_names": (-0.22, -0.12),
    "new_name": (0.38, 0.59),
    "time_first": (0.51, 0.59),
    "time_early": (0.20, 0.40),
    "opener": (0.27, 0.40),
    "pronoun": (-0.21, -0.45),
    "connective": (-0.55, -0.94),
    "after_question": (-0.28, -0.35),
    "after_shout": (0.09, 0.01),
    "after_ellipsis": (0.52, 0.83),
    "after_colon": (-0.84, -0.52),
}

# --- Patterns --------------------------------------------------------------------------------------------------

_NEWLINE = re.compile("\r\n|[\n\r\v\f\x85\u2028\u2029]")
_LINE = re.compile("[^\n\r\v\f\x85\u2028\u2029]+")
_UNSPACED = (  # scripts written without spaces: Han, kana, Thai, Lao; small kana and the long mark lean on the one before
    "\u3007\u3041\u3042\u3044\u3046\u3048\u304a-\u3062\u3064-\u3082\u3084\u3086\u3088-\u308d\u308f-\u3094"
    "\u30a2\u30a4\u30a6\u30a8\u30aa-\u30c2\u30c4-\u30e2\u30e4\u30e6\u30e8-\u30ed\u30ef-\u30f4\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003134f\u0e01-\u0e2e\u0e40-\u0e44\u0e81-\u0eae\u0ec0-\u0ec4"
)
_LEANS_FORWARD = "\u0e40-\u0e44\u0ec0-\u0ec4([{“‘«〈《「『【（［｛〔"  # what must stay with the character after it
_ATOM = re.compile(rf"(?<!\S)\S|(?<=\S)(?<![{re.escape(_LEANS_FORWARD[:10])}{re.escape(_LEANS_FORWARD[10:])}])[{_UNSPACED}]")
_CLOSERS = "\"'”’»›)\\]」』）】〉》*_"
_SENTENCE_END = re.compile(
    rf"(?:[.!?…؟۔।॥]+[{_CLOSERS}“]*(?:[ \u00a0\u202f]»)?(?=\s)|[。！？｡]+[{_CLOSERS}]*)\s*"
)
_ABBREVIATION = re.compile(
    r"(?:\b[^\W\d_]|\b(?:Mr|Mrs|Ms|Dr|St|Prof|Capt|Col|Gen|Lt|Sgt|Rev|Hon|Mme|Mlle|MM|Sr|Sra|Srta|Dª|Fr|Hr|Nr|bzw|ca|vgl|"
    r"usw|etc|vs|No|Jr|Mt|cf|vol|Bd|gen|Sig|Dott|г|гр|ул|им|Av|Exc|Ud|Uds|Vd))\.$"
)
_QUOTES = "“”\"«»„‟「」『』〝"
_OPENS_SPEECH = re.compile("[“\"«»„‟‘「『〝—–―-]|''|``|'(?=\\w)")
_HAS_SPEECH = re.compile(f"[{_QUOTES}]|^[—–―-]|‘\\w")
_NAME = re.compile(r"(?<=[^\W\d_],\s)[A-ZÀ-ÖØ-ÞĀ-ŽА-ЯЁ][\w’']+|(?<=[^\W\d_]\s)[A-ZÀ-ÖØ-ÞĀ-ŽА-ЯЁ][\w’']+")

_ROMAN = r"(?=[IVXLCM])M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})"
_CJK_NUMBER = "0-9０-９〇零一二三四五六七八九十百千两兩上中下"
_SLUGLINE = re.compile(
    r"(?:\d+[A-Za-z]?[.)]?\s+)?(?:(?:INT|EXT)\.?\s?/\s?(?:EXT|INT|EST)|I/E|E/I|INT|EXT|INNEN|AUSSEN|INTERIOR|EXTERIOR|"
    r"INTERNO|ESTERNO|INTÉRIEUR|EXTÉRIEUR|ИНТ|НАТ|ЭКСТ)(?:\.\s*|\s*[-–—:]\s*|\s+)\S|(?:\d+[.)]?\s+)?EST\.\s+\S|"
    r"[内外內]景?[.．。、:：]\s*\S|[内外內]景\s+\S",
    re.IGNORECASE,
)
_SHOUTED = re.compile(r"(?:\d+\w?\W+)?[A-ZÀ-ÞА-ЯЁ]{2}")
_FORCED = re.compile(r"\.[^\W_]")
_HASHES = re.compile(r"(#{1,6})\s+\S")
_BREAK = re.compile(
    r"(?:[*#~⁂❧☙✻✽❦•·◇◆○●☆★※†‡=_+–—-]\s*){3,40}$|(?:[*#~⁂❧☙✻✽❦◇◆○●☆★※]\s*){1,2}$|[oO]0?\s?[oO0]\s?[oO]$|\[\s*\*.*\*\s*\]$"
)
_UNDERLINE = re.compile(r"(?:={3,}|-{3,})$")
_CJK_HEADING = re.compile(
    rf"第\s*[{_CJK_NUMBER}]+\s*([部卷編编篇集]|[回章話话幕]|[節节场場折出景])(?![的次代一二三天日])|[卷部]之?[{_CJK_NUMBER}]{{1,3}}(?:\s|$)|"
    r"제\s*\d+\s*([부권편])|제?\s*\d+\s*([장막화회절])(?:\s|$|[.:])"
)
_NUMERAL = re.compile(
    rf"(?:{_ROMAN}|\d{{1,3}}|[〇一二三四五六七八九十百]{{1,4}}|[①-⑳Ⅰ-Ⅻ]|[０-９]{{1,3}}|[٠-٩]{{1,3}}|[०-९]{{1,3}})[.．。、)]?$|"
    rf"[-–—(\[（【～~]\s?(?:{_ROMAN}|\d{{1,3}}|[一二三四五六七八九十百]{{1,4}})\s?[-–—)\]）】～~]$"
)
_TITLE_LINE = re.compile(r"[^\W\d_a-zß-öø-ÿа-яё](?:[^.!?…。！？｡؟।:;,，、“”\"«»„「」『』\n]|\.(?=\w)){1,58}[!?]?$|\d{1,3}[.:]?\s+[^\W\d_][^.!?:;\n]{1,50}$")
_SENTENCE_STOP = re.compile(rf"[.!?…。！？｡؟۔।॥:;,—–-][{_CLOSERS}“]*$")
_FIRST_WORD = re.compile(r"[^\s.,:;!?،。、，：（(\[—–]+")


# --- Splitting -------------------------------------------------------------------------------------------------


def split_story(text: str, n: int) -> list[Segment]:
    """Cut a story into exactly `n` verbatim scenes at its most natural borders.

    Joined, the segments are the text again; each holds something other than white space; offsets are in characters.
    Cuts fall at marked scene borders first, then between paragraphs, between sentences, between words, and between
    characters only in scripts that write no spaces. The same text and number always give the same cuts.

    Raises ValueError when `n` is less than 1 or more than `max_scenes(text)`.
    """
    if n < 1:
        raise ValueError("A story is split into at least one scene.")
    borders = _borders(text, n)
    ends = [*borders, len(text)]
    return [Segment(start, end, text[start:end]) for start, end in zip([0, *borders], ends, strict=True)]


def max_scenes(text: str) -> int:
    """The most scenes `split_story` can make of this text: its words, or its characters where no spaces are written."""
    return sum(1 for _ in _atoms(text))


def _borders(text: str, n: int) -> list[int]:
    """The n-1 offsets to cut at, at line starts where they open a line."""
    candidates = _candidates(text, n)
    if len(candidates) < n - 1 or not text.strip():
        raise ValueError(f"This text can be split into at most {max_scenes(text)} scenes, not {n}.")
    if n == 1:
        return []
    first = len(text) - len(text.lstrip())
    return [_line_start(text, offset) for offset in _choose(candidates, n, first, len(text.rstrip()))]


def _candidates(text: str, n: int) -> dict[int, float]:
    """Where the text may be cut into n, and how good each border is; coarse borders first, finer ones as needed."""
    if n == 1:
        return {}
    lines = _lines(text)
    markers = {offset: rank for offset, rank in _markers(text, lines).items() if _whole(text, offset)}
    if len(markers) >= n - 1:
        return {offset: MARKER_STEP * rank for offset, rank in markers.items()}
    language = guess_language(text)
    units = _paragraphs(text, lines)
    scored = _scored(text, units, language, sentences=False)
    if len(units) < 2 * n:
        inside = _sentences(text, units)
        apart = INSIDE_PARAGRAPH if len(units) > 1 else 0.0
        finer = _scored(text, inside, language, sentences=True)
        scored = {offset: score + apart for offset, score in finer.items()} | scored
    if len(scored) < n - 1:
        scored = {offset: 4 * INSIDE_PARAGRAPH for offset in _atoms(text)} | scored
        scored.pop(len(text) - len(text.lstrip()), None)
    scored = {offset: score for offset, score in scored.items() if _whole(text, offset)}
    return scored | {offset: MARKER_BONUS + MARKER_STEP * rank for offset, rank in markers.items()}


def _atoms(text: str) -> Iterator[int]:
    """Offsets of all places a segment may begin: words, or characters of scripts without spaces."""
    yield from (m.start() for m in _ATOM.finditer(text) if m.start() == 0 or _whole(text, m.start()) or _first(text, m))


def _first(text: str, match: re.Match[str]) -> bool:
    return text[: match.start()].isspace() if match.start() < 80 else False


def _whole(text: str, offset: int) -> bool:
    """Whether a cut here leaves every grapheme whole: no mark, joiner or skin tone is parted from what bears it."""
    here, before = text[offset], text[offset - 1]
    if here < "\u0300":
        return not (here == "\n" and before == "\r")
    return not (
        before == "\u200d" or here in "\u200d\u200c" or "\U0001f3fb" <= here <= "\U0001f3ff" or unicodedata.category(here)[0] == "M"
    )


def _line_start(text: str, offset: int) -> int:
    """The offset moved back over the indentation, when nothing else stands before it in its line."""
    start = offset
    while start and text[start - 1] in " \t\u3000\u00a0":
        start -= 1
    return start if start and _NEWLINE.match(text[start - 1]) and not text[:start].isspace() else offset


# --- Choosing borders ------------------------------------------------------------------------------------------


def _choose(candidates: dict[int, float], n: int, start: int, end: int) -> list[int]:
    """The n-1 borders with the highest sum of scores less what uneven lengths cost."""
    offsets = sorted(candidates)
    if len(offsets) == n - 1:
        return offsets
    if n > EXACT_UP_TO:
        return _along_grid(offsets, candidates, n, start, end)
    offsets = _promising(offsets, candidates, n)
    return _best_path(offsets, [candidates[offset] for offset in offsets], n, start, end)


def _promising(offsets: list[int], scores: dict[int, float], n: int) -> list[int]:
    """Enough candidates for a good choice: the best ones, and some at even distances so that no stretch is bare."""
    wanted = max(300, 10 * n if n <= 60 else 6 * n)
    if len(offsets) <= wanted:
        return offsets
    best = sorted(offsets, key=lambda offset: -scores[offset])[: wanted * 3 // 4]
    even = offsets[:: max(1, len(offsets) * 4 // wanted)]
    return sorted({*best, *even})


def _best_path(offsets: list[int], scores: list[float], n: int, start: int, end: int) -> list[int]:
    """Exact dynamic programme over (number of borders, last border)."""
    mean = (end - start) / n
    reach = max(REACH * mean, (end - start) / 3 if n < 30 else 0)
    lows = [min(bisect_left(offsets, offset - reach), max(0, i - 1)) for i, offset in enumerate(offsets)]
    costs = [[_uneven(here - offset, mean) for offset in offsets[low:i]] for i, (here, low) in enumerate(zip(offsets, lows, strict=True))]
    layer = [score + _uneven(offset - start, mean) for offset, score in zip(offsets, scores, strict=True)]
    layers = [layer]
    for k in range(1, n - 1):
        layer = [-math.inf] * k + [
            scores[i] + max(map(add, layer[lows[i] : i], costs[i])) for i in range(k, len(offsets))
        ]
        layers.append(layer)
    closing = [value + _uneven(end - offset, mean) for value, offset in zip(layer, offsets, strict=True)]
    last = closing.index(max(closing))
    return _walk_back(offsets, layers, lows, costs, last)


def _walk_back(
    offsets: list[int], layers: list[list[float]], lows: list[int], costs: list[list[float]], last: int
) -> list[int]:
    chosen = [last]
    for layer in reversed(layers[:-1]):
        here = chosen[-1]
        reached = list(map(add, layer[lows[here] : here], costs[here]))
        chosen.append(lows[here] + reached.index(max(reached)))
    return [offsets[i] for i in reversed(chosen)]


def _uneven(length: int, mean: float) -> float:
    return -LENGTH_PENALTY * math.log(max(length, 1) / mean) ** 2


def _along_grid(offsets: list[int], scores: dict[int, float], n: int, start: int, end: int) -> list[int]:
    """For very many scenes: near each point of an even grid the best border that leaves enough for the rest."""
    mean = (end - start) / n
    chosen: list[int] = []
    low = 0
    for k in range(1, n):
        high = len(offsets) - (n - 1 - k)
        target = start + k * mean
        left = min(max(low, bisect_left(offsets, target - mean / 2)), high - 1)
        right = max(left + 1, min(high, bisect_left(offsets, target + mean / 2)))
        best = max(range(left, right), key=lambda i: scores[offsets[i]] - abs(offsets[i] - target) / mean)
        chosen.append(offsets[best])
        low = best + 1
    return chosen


# --- Lines, paragraphs, sentences ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that is not blank: its offsets without white space at either end, and the blank lines before it."""

    start: int
    end: int
    gap: int


@dataclass(frozen=True, slots=True)
class _Unit:
    """A paragraph or a sentence: offsets without white space at either end."""

    start: int
    end: int


def _lines(text: str) -> list[_Line]:
    found: list[_Line] = []
    end_before = 0
    for match in _LINE.finditer(text):
        line = match.group()
        body = line.strip()
        if not body:
            continue
        start = match.start() + len(line) - len(line.lstrip())
        breaks = len(_NEWLINE.findall(text, end_before, match.start())) if found else 1
        found.append(_Line(start, start + len(body), breaks - 1))
        end_before = match.end()
    return found


def _paragraphs(text: str, lines: list[_Line]) -> list[_Unit]:
    """Blocks between blank lines, or the lines themselves where a line is a paragraph."""
    if not _lines_are_wrapped(text, lines):
        return [_Unit(line.start, line.end) for line in lines]
    starts = [i for i, line in enumerate(lines) if i == 0 or line.gap]
    return [_Unit(lines[a].start, lines[b - 1].end) for a, b in pairwise([*starts, len(lines)])]


def _lines_are_wrapped(text: str, lines: list[_Line]) -> bool:
    """Whether single line breaks only fold paragraphs: most lines that go on do not end a sentence."""
    going_on = [a for a, b in pairwise(lines) if not b.gap]
    if 5 * len(going_on) < len(lines):
        return True
    open_ended = sum(1 for line in going_on if not _SENTENCE_STOP.search(text, max(line.start, line.end - 6), line.end))
    return 5 * open_ended > 2 * len(going_on) and len(going_on) < len(lines) - 1


def _sentences(text: str, units: Iterable[_Unit]) -> list[_Unit]:
    return [sentence for unit in units for sentence in _sentences_of(text, unit)]


def _sentences_of(text: str, unit: _Unit) -> Iterator[_Unit]:
    start = unit.start
    for match in _SENTENCE_END.finditer(text, unit.start, unit.end):
        cut = match.end()
        if cut >= unit.end or text[cut].islower() or _is_abbreviation(text, match):
            continue
        yield _Unit(start, match.start() + len(match.group().rstrip()))
        start = cut
    yield _Unit(start, unit.end)


def _is_abbreviation(text: str, match: re.Match[str]) -> bool:
    dot = match.start()
    if text[dot : dot + 1] != "." or text[dot + 1 : dot + 2] in "." or not match.group()[1:].isspace():
        return False
    return bool(_ABBREVIATION.search(text, max(0, dot - 6), dot + 1))


# --- Markers ---------------------------------------------------------------------------------------------------


def _markers(text: str, lines: list[_Line]) -> dict[int, float]:
    """Offset → rank (1 a blank run to 4 a part) of every border the text itself marks.

    Headings that follow each other open one scene. A heading with nothing before it but a title opens the story.
    """
    ranks = _ranks(text, lines)
    found: dict[int, float] = {}
    body_seen = False
    offset, rank = -1, 0.0
    for line, (here, is_break) in zip(lines, ranks, strict=True):
        if here and (is_break or here == _BLANK_RUN):
            offset, rank = (-1 if offset < 0 else offset), max(rank, here)
            if is_break:
                continue
        elif here:
            offset, rank = (line.start if offset < 0 else offset), max(rank, here)
            continue
        if rank and body_seen:
            found[line.start if offset < 0 else offset] = rank
        body_seen = body_seen or bool(rank) or not _front_matter(text, line)
        offset, rank = -1, 0.0
    return found


_BLANK_RUN = 1.0
_PLAIN = (0.0, False)


def _front_matter(text: str, line: _Line) -> bool:
    """A title, an author's name, a `Title:` line: short, and no sentence."""
    short = line.end - line.start <= 80
    return short and not _SENTENCE_STOP.search(text, max(line.start, line.end - 6), line.end)


def _ranks(text: str, lines: list[_Line]) -> list[tuple[float, bool]]:
    """For each line its rank as a border (0 for none), and whether it is only a break line."""
    ranks = [_rank(text, line) if line.end - line.start <= 120 else _PLAIN for line in lines]
    for i, line in enumerate(lines[1:], 1):
        if ranks[i][1] and not line.gap and _UNDERLINE.match(text[line.start : line.end]):
            ranks[i - 1], ranks[i] = (3.0, False), (3.0, False)
    if not any(rank for rank, _ in ranks) or _chapters_are_few(ranks):
        _add_titles(text, lines, ranks)
    _add_blank_runs(lines, ranks)
    return ranks


def _chapters_are_few(ranks: list[tuple[float, bool]]) -> bool:
    return sum(1 for rank, is_break in ranks if rank and not is_break) <= 2


def _rank(text: str, line: _Line) -> tuple[float, bool]:
    words = text[line.start : line.end]
    if _BREAK.match(words):
        return 2.0, True
    if hashes := _HASHES.match(words):
        return max(2.0, 4.5 - len(hashes.group(1)) / 2), False
    bare = words.strip("*_# \t\u3000").rstrip()
    return _heading_rank(bare, bool(line.gap)), False


def _heading_rank(words: str, after_blank: bool) -> float:
    if not words:
        return 0.0
    if _SLUGLINE.match(words) and (_SHOUTED.match(words) or words[0] in "内外內") or (after_blank and _FORCED.match(words)):
        return 2.0
    if _NUMERAL.match(words):
        return 2.5
    if cjk := _CJK_HEADING.match(words):
        return 0.0 if _SENTENCE_STOP.search(words) else 3.0 + (cjk.group(1) is not None and cjk.group(1) in "部卷編编篇集")
    return _worded_rank(words)


def _worded_rank(words: str) -> float:
    """The rank of `Chapter IV`, `Dritte Szene`, `باب الأسد والثور`: a heading word with its number, before or after."""
    tokens = _FIRST_WORD.findall(words.casefold())[:4]
    if not tokens or len(words) > 100:
        return 0.0
    if tokens[0] in _LONE and len(tokens) <= 3 and len(words) <= 40:
        return 3.0
    rank = _HEADINGS.get(tokens[0], 0)
    if rank and (len(tokens) == 1 or _is_number(tokens[1]) or _untranslated(tokens[0])):
        return 0.0 if len(words) > 60 and _SENTENCE_STOP.search(words) and rank < 3 else float(rank)
    if len(tokens) > 1 and tokens[1] in _HEADINGS and _is_number(tokens[0]):
        return float(_HEADINGS[tokens[1]]) if not _SENTENCE_STOP.search(words) or len(words) < 25 else 0.0
    return 0.0


def _untranslated(word: str) -> bool:
    """Arabic heading words take a title at once: `باب` is no word a line of prose that short begins with."""
    return "\u0600" <= word[0] <= "\u06ff"


def _is_number(token: str) -> bool:
    if token.isdigit() or _ROMAN_ONLY.match(token):
        return True
    return any(token.startswith(stem) and len(token) - len(stem) <= 5 for stem in _NUMBER_STEMS)


def _add_titles(text: str, lines: list[_Line], ranks: list[tuple[float, bool]]) -> None:
    """Short lines between blank lines, with no sentence's end and a long block after them, where they are rare."""
    titles = [i for i in range(1, len(lines) - 1) if _is_title(text, lines, i) and not ranks[i][0]]
    if 8 * len(titles) <= len(lines):
        for i in titles:
            ranks[i] = (2.5, False)


def _is_title(text: str, lines: list[_Line], i: int) -> bool:
    line, after = lines[i], lines[i + 1]
    alone = bool(line.gap and after.gap) and line.end - line.start <= 60
    if not alone or after.end - after.start < 120 and lines[min(i + 2, len(lines) - 1)].gap:
        return False
    words = text[line.start : line.end]
    return bool(_TITLE_LINE.match(words)) and words.casefold().strip("*_ ") not in _CLOSING


def _add_blank_runs(lines: list[_Line], ranks: list[tuple[float, bool]]) -> None:
    """Where most paragraphs stand n blank lines apart, a rare wider gap is a border."""
    gaps = [line.gap for line in lines[1:]]
    if not gaps:
        return
    usual = statistics.mode(gaps)
    wide = [i for i, gap in enumerate(gaps, 1) if gap > usual]
    widest_usual = max((gap for gap in gaps if gap <= usual), default=0)
    if wide and 7 * len(wide) <= len(gaps) and widest_usual == usual:
        for i in wide:
            ranks[i] = (_BLANK_RUN, False) if not ranks[i][0] else ranks[i]


_HEADINGS = {word.casefold(): rank for rank, words in lexicon.HEADING_WORDS.items() for word in words.split()}
_LONE = frozenset(lexicon.LONE_HEADINGS.casefold().split())
_NUMBER_STEMS = tuple(lexicon.NUMBER_STEMS.casefold().split())
_CLOSING = frozenset(lexicon.CLOSING_LINES.casefold().split("|"))
_ROMAN_ONLY = re.compile(_ROMAN + "$", re.IGNORECASE)


# --- Cues ------------------------------------------------------------------------------------------------------


def _scored(text: str, units: list[_Unit], language: str, *, sentences: bool) -> dict[int, float]:
    """Offset → score of every border between two units."""
    if len(units) < 2:
        return {}
    scores = [0.0] * len(units)
    for cue, column in _cues(text, units, language).items():
        weight = WEIGHTS[cue][sentences]
        if weight:
            scores = [score + weight * value for score, value in zip(scores, column, strict=True)]
    return {unit.start: score for unit, score in zip(units[1:], scores[1:], strict=True)}


def _cues(text: str, units: list[_Unit], language: str) -> dict[str, list[float]]:
    """What speaks for or against a scene opening at each unit; one column per cue, one value per unit."""
    bodies = [text[unit.start : unit.end] for unit in units]
    opening = _opening_cues(bodies, language) | _end_cues(bodies)
    around = _speech_cues(bodies) | _length_cues(bodies) | _name_cues(bodies) | {"new_words": _new_words(bodies)}
    return opening | around


def _speech_cues(bodies: list[str]) -> dict[str, list[float]]:
    opens = [float(bool(_OPENS_SPEECH.match(body))) for body in bodies]
    has = [float(bool(_HAS_SPEECH.search(body))) for body in bodies]
    totals = [0.0]
    for value in has:
        totals.append(totals[-1] + value)
    count = len(bodies)
    before = [(totals[i] - totals[max(0, i - 5)]) / max(1, min(5, i)) for i in range(count)]
    after = [(totals[min(count, i + 5)] - totals[i]) / min(5, count - i) for i in range(count)]
    previous = [0.0, *opens[:-1]]
    return {
        "opens_speech": opens,
        "has_speech": has,
        "speech_goes_on": [a * b for a, b in zip(previous, opens, strict=True)],
        "speech_ended": [a * (1 - b) for a, b in zip(previous, opens, strict=True)],
        "speech_before": before,
        "speech_falls": [a - b for a, b in zip(before, after, strict=True)],
    }


def _length_cues(bodies: list[str]) -> dict[str, list[float]]:
    lengths = [math.log(max(1, len(body))) for body in bodies]
    middle = statistics.median(lengths)
    own = [length - middle for length in lengths]
    return {"length": own, "length_before": [0.0, *own[:-1]], "length_after": [*own[1:], 0.0]}


def _name_cues(bodies: list[str]) -> dict[str, list[float]]:
    """How many capitalised words the eight units before and after share, and whether the first words bring a new one."""
    names = [frozenset(_NAME.findall(body)) for body in bodies]
    same, new = [], []
    for i, body in enumerate(bodies):
        before = frozenset().union(*names[max(0, i - 8) : i])
        after = frozenset().union(*names[i : i + 8])
        either = min(len(before), len(after))
        same.append(len(before & after) / either if either else 0.5)
        first = _NAME.findall(body, 0, 160) if names[i] else ()
        new.append(float(any(name not in before for name in first)))
    return {"same_names": same, "new_name": new}


def _opening_cues(bodies: list[str], language: str) -> dict[str, list[float]]:
    phrase, opener = _time_patterns(language)
    pronouns = frozenset(lexicon.PRONOUNS.get(language, "").split())
    found = [match.start() if (match := phrase.search(body, 0, 160)) else 999 for body in bodies]
    firsts = [_first_word(body) for body in bodies]
    connectives = frozenset(lexicon.CONNECTIVES.get(language, "").split())
    return {
        "time_first": [float(at <= 45) for at in found],
        "time_early": [float(at < 160) for at in found],
        "opener": [float(bool(opener.match(body))) for body in bodies],
        "pronoun": [float(first in pronouns) for first in firsts],
        "connective": [float(first in connectives) for first in firsts],
    }


def _first_word(body: str) -> str:
    match = _FIRST_WORD.search(body, 0, 40)
    return match.group().casefold().strip("“”\"'’«»„「『") if match else ""


def _end_cues(bodies: list[str]) -> dict[str, list[float]]:
    tails = ["", *(body[-4:] for body in bodies[:-1])]
    marks = [tail.rstrip("”\"’'»」』)*_ ")[-1:] for tail in tails]
    return {
        "after_quote": [float(tail[-1:] in "”\"»」』" and bool(tail)) for tail in tails],
        "after_question": [float(mark in "?？؟" and bool(mark)) for mark in marks],
        "after_shout": [float(mark in "!！" and bool(mark)) for mark in marks],
        "after_ellipsis": [float(mark == "…" or tail.endswith("...")) for mark, tail in zip(marks, tails, strict=True)],
        "after_colon": [float(mark in ":：" and bool(mark)) for mark in marks],
    }


@lru_cache(maxsize=32)
def _time_patterns(language: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    never = r"(?!)"
    phrase = re.compile(lexicon.TIME_PHRASES.get(language, never), re.IGNORECASE)
    return phrase, re.compile(lexicon.TIME_OPENERS.get(language, never), re.IGNORECASE)


def _new_words(bodies: list[str]) -> list[float]:
    """How deep the likeness of the words before and after falls at each unit, in standard deviations (TextTiling)."""
    stream: list[str] = []
    starts: list[int] = []
    for body in bodies:
        starts.append(len(stream))
        stream.extend(_stems(body))
    likeness = _likeness(stream, starts)
    smooth = [
        (likeness[max(0, i - 1)] + 2 * value + likeness[min(len(likeness) - 1, i + 1)]) / 4
        for i, value in enumerate(likeness)
    ]
    depths = [
        max(smooth[max(0, i - VALLEY) : i + 1]) + max(smooth[i : i + VALLEY + 1]) - 2 * value
        for i, value in enumerate(smooth)
    ]
    middle, spread = statistics.fmean(depths), statistics.pstdev(depths)
    return [(depth - middle) / spread if spread else 0.0 for depth in depths]


def _stems(body: str) -> list[str]:
    """Rough stems: the first letters of long words; pairs of characters where no spaces are written."""
    folded = body.casefold()
    return [word[:6] for word in _LONG_WORD.findall(folded)] + _HAN_PAIR.findall(folded)


def _likeness(stream: list[str], starts: list[int]) -> list[float]:
    """Cosine of the counts of the `VALLEY_WORDS` words before and after each start, kept up to date word by word."""
    before: defaultdict[str, int] = defaultdict(int)
    after: defaultdict[str, int] = defaultdict(int)
    dot = norm_before = norm_after = 0
    for word in stream[:VALLEY_WORDS]:
        norm_after += 2 * after[word] + 1
        after[word] += 1
    found, at = [], 0
    for start in starts:
        for at in range(at, start):
            word = stream[at]
            dot += after[word] - before[word] - 1
            norm_after -= 2 * after[word] - 1
            norm_before += 2 * before[word] + 1
            after[word] -= 1
            before[word] += 1
            if at >= VALLEY_WORDS:
                gone = stream[at - VALLEY_WORDS]
                dot -= after[gone]
                norm_before -= 2 * before[gone] - 1
                before[gone] -= 1
            if at + VALLEY_WORDS < len(stream):
                come = stream[at + VALLEY_WORDS]
                dot += before[come]
                norm_after += 2 * after[come] + 1
                after[come] += 1
        at = start
        found.append(dot / math.sqrt(norm_before * norm_after) if norm_before and norm_after else 0.0)
    return found


_LONG_WORD = re.compile("[^\\W\\d_\u3041-\u30ff\u3400-\u9fff]{4,}|[\u0900-\u097f]{3,}|[\uac00-\ud7a3]{2,}")
_HAN_PAIR = re.compile("[\u3400-\u9fff]{2}|[\u30a1-\u30ff]{2,6}")


# --- Language --------------------------------------------------------------------------------------------------


def guess_language(text: str) -> str:
    """The ISO 639-1 code of the text's language, or `und`; told by script, then by the commonest small words."""
    sample = _sample(text)
    letters = sum(1 for char in sample if char.isalpha())
    if not letters:
        return "und"
    for language, script, share in _SCRIPTS:
        if len(script.findall(sample)) > share * letters:
            return language
    return _by_small_words(sample)


def _sample(text: str) -> str:
    """The beginning and a piece from the middle: enough to tell the language of any length of text."""
    if len(text) <= 2 * LANGUAGE_SAMPLE:
        return text
    middle = len(text) // 2
    return text[:LANGUAGE_SAMPLE] + " " + text[middle : middle + LANGUAGE_SAMPLE]


def _by_small_words(sample: str) -> str:
    words = Counter(_SPACED_WORD.findall(sample.casefold()))
    total = words.total()
    hits = {code: sum(words[word] for word in small) for code, small in _SMALL_WORDS.items()}
    best = max(hits, key=lambda code: hits[code])
    return best if hits[best] >= max(1, 0.12 * total) else "und"


_SCRIPTS = (  # looked at in this order: Japanese and Korean write Han characters too
    ("ja", re.compile("[\u3041-\u30fa]"), 0.08),
    ("ko", re.compile("[\uac00-\ud7a3]"), 0.3),
    ("zh", re.compile("[\u3400-\u9fff\uf900-\ufaff]"), 0.3),
    ("ar", re.compile("[\u0620-\u064a]"), 0.5),
    ("hi", re.compile("[\u0904-\u0939]"), 0.5),
    ("ru", re.compile("[\u0400-\u04ff]"), 0.5),
)
_SPACED_WORD = re.compile("[^\\W\\d_]+(?:['’][^\\W\\d_]+)*")
_SMALL_WORDS = {
    code: frozenset(words.split()) for code, words in lexicon.STOP_WORDS.items() if "a" <= words.split()[0][0] <= "z"
}


# --- A story, read whole ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SceneReading:
    """What one scene is before any model has seen it: `story[start:end]`, a title in its own words, its facts."""

    start: int
    end: int
    title: str
    facts: SceneFacts


@dataclass(frozen=True, slots=True)
class StoryReading:
    """A story cut into scenes and analysed."""

    title: str
    analysis: ScriptAnalysis
    scenes: tuple[SceneReading, ...]


def read_story(text: str, num_scenes: int | None, most: int) -> StoryReading:
    """Analyse a story and cut it into `num_scenes` scenes (None: the recommended number, at most `most`).

    Pure and picklable, so that it can run in another process. Raises ValueError, with a sentence for the caller,
    when the text cannot be cut into that many.
    """
    possible = max_scenes(text)
    if possible == 0:
        raise ValueError("The story has no words.")
    analysis = analyze_script(text, max_scenes=most)
    wanted = analysis.recommended_scenes if num_scenes is None else num_scenes
    if wanted > possible:
        raise ValueError(f"The story cannot be cut into {wanted} scenes, only into {possible}.")
    segments = split_story(text, wanted)
    facts = read_scenes([segment.text for segment in segments], analysis)
    scenes = tuple(
        SceneReading(segment.start, segment.end, scene_title(segment.text), scene_facts)
        for segment, scene_facts in zip(segments, facts, strict=True)
    )
    return StoryReading(scene_title(text), analysis, scenes)


# --- Project files ---------------------------------------------------------------------------------------------

_SESSION_NAME = re.compile(r"[0-9a-f]{32}")
_IMAGE_NAME = re.compile(r"[0-9a-f]{12}-v\d{1,6}-[0-9a-f]{8}\.(?:jpg|png|webp)")
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest a ZIP can say: the same input gives the same bytes
_ZIP_CHUNK_BYTES = 256 * 1024


class ProjectFiles:
    """The files of every session under one folder. Each method blocks on the disk: call it off the event loop.

    A file is written under a temporary name, synced and renamed, so that what has its name is whole. A picture lies
    once under `.pictures/`, by the SHA-256 of its bytes, and as a hard link in each session that shows it: removing
    a session never takes a picture from another.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, session_id: str) -> Path:
        """Where a session's files lie; raises `SessionNotFound` for what cannot be a session's id."""
        if not _SESSION_NAME.fullmatch(session_id):
            raise SessionNotFound(session_id)
        return self.root / session_id

    def write(self, session_id: str, name: str, content: bytes) -> None:
        """Write one file of a session, whole or not at all; raises `StorageUnavailable`."""
        write_whole(self.folder(session_id) / name, content)

    def keep_picture(self, content: bytes, suffix: str) -> str:
        """Store a picture's bytes and return their name, `{sha256}.{suffix}`; raises `StorageUnavailable`."""
        name = f"{hashlib.sha256(content).hexdigest()}.{suffix}"
        path = self._kept(name)
        if not path.is_file():
            write_whole(path, content)
        return name

    def has_picture(self, kept_name: str) -> bool:
        """Whether a picture stored with `keep_picture` is still there; touches it, so that it stays."""
        try:
            os.utime(self._kept(kept_name))
        except OSError:
            return False
        return True

    def link_picture(self, kept_name: str, session_id: str, scene_id: str, version: int) -> str:
        """Show a stored picture in a session; returns its file name, `{scene_id}-v{version}-{hash8}.{suffix}`."""
        digest, _, suffix = kept_name.partition(".")
        name = f"{scene_id}-v{version}-{digest[:8]}.{suffix}"
        target = self.folder(session_id) / "images" / name
        if not target.is_file():
            with _storage_errors():
                target.parent.mkdir(parents=True, exist_ok=True)
                _link_or_copy(self._kept(kept_name), target)
        return name

    def picture(self, session_id: str, file: str) -> Path:
        """The path of a session's picture; raises `ImageNotFound`."""
        if not _IMAGE_NAME.fullmatch(file) or not _SESSION_NAME.fullmatch(session_id):
            raise ImageNotFound
        path = self.root / session_id / "images" / file
        if not path.is_file():
            raise ImageNotFound
        return path

    def remove(self, session_id: str) -> None:
        """Remove a session's folder and what is in it."""
        shutil.rmtree(self.folder(session_id), ignore_errors=True)

    def sweep(self, *, untouched_since: datetime) -> int:
        """Remove stored pictures no session shows any more and nobody asked for since then; returns how many."""
        removed = 0
        for path in (self.root / ".pictures").glob("*/*"):
            with contextlib.suppress(OSError):
                found = path.stat()
                if found.st_nlink == 1 and found.st_mtime < untouched_since.timestamp():
                    path.unlink()
                    removed += 1
        return removed

    def _kept(self, name: str) -> Path:
        return self.root / ".pictures" / name[:2] / name


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all, even when the power goes; raises `StorageUnavailable`."""
    with _storage_errors():
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


@contextlib.contextmanager
def _storage_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageUnavailable("The service cannot write to its disk.") from error


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileExistsError:
        return
    except OSError:  # a file system without hard links
        write_whole(target, source.read_bytes())


def zip_name(scene_number: int, title: str, suffix: str) -> str:
    """The name of a picture in a ZIP, `scene_00_title.jpg`: any script, nothing a file system objects to."""
    words = re.sub(r"[^\w]+", "_", unicodedata.normalize("NFC", title), flags=re.UNICODE).strip("_")
    short = words.encode("utf-8")[:80].decode("utf-8", "ignore").strip("_")
    return f"scene_{scene_number:02d}_{short or 'untitled'}.{suffix}"


def stream_zip(entries: Iterable[tuple[str, Path | bytes]]) -> Iterator[bytes]:
    """A ZIP of these (name, content) pairs, chunk by chunk, stored without compression (pictures are compressed).

    The standard library's `zipfile` onto an unseekable sink: nothing is held but one chunk. The same entries give
    the same bytes.
    """
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, content in entries:
            info = zipfile.ZipInfo(name, date_time=_ZIP_TIME)
            info.external_attr = 0o644 << 16
            with archive.open(info, "w", force_zip64=False) as out, _open_entry(content) as source:
                while chunk := source.read(_ZIP_CHUNK_BYTES):
                    out.write(chunk)
                    yield from sink.take()
            yield from sink.take()
    yield from sink.take()


def _open_entry(content: Path | bytes) -> IO[bytes]:
    return io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")


class _Sink(io.RawIOBase):
    """Collects what is written until it is taken."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, chunk: Any, /) -> int:
        self._chunks.append(bytes(chunk))
        return len(chunk)

    def take(self) -> list[bytes]:
        chunks, self._chunks = self._chunks, []
        return chunks


# --- Small helpers ---------------------------------------------------------------------------------------------

request_in_log: ContextVar[str | None] = ContextVar("request_in_log", default=None)  # the request a log line is about
session_in_log: ContextVar[str | None] = ContextVar("session_in_log", default=None)  # the session it is about


def utc_now() -> datetime:
    """The time, aware, in UTC."""
    return datetime.now(UTC)


def new_session_id() -> str:
    """122 random bits as 32 hexadecimal digits."""
    return uuid.uuid4().hex


def is_session_id(text: str) -> bool:
    """Whether that could be one of our session ids."""
    return _SESSION_NAME.fullmatch(text) is not None


def new_scene_id() -> str:
    """48 random bits as 12 hexadecimal digits: unique within a session, short enough for a file name."""
    return uuid.uuid4().hex[:12]


def fingerprint(value: object) -> str:
    """The SHA-256, in hexadecimal, of a JSON value in canonical form."""
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def derive_seed(*parts: object) -> int:
    """A seed from 0 to 2³¹-1 that follows from its parts, the same on every machine."""
    return int(fingerprint([str(part) for part in parts])[:8], 16) & MAX_SEED


async def gather_bounded(limit: int, jobs: Iterable[Callable[[], Awaitable[T]]]) -> list[T]:
    """Run the jobs, at most `limit` at a time, and return their results in order.

    When one fails unexpectedly no new job starts, those in flight are awaited, then the failure is raised: a bare
    gather would leave them running, a TaskGroup would cancel them.
    """
    gate = asyncio.Semaphore(limit)
    failures: list[BaseException] = []

    async def run(job: Callable[[], Awaitable[T]]) -> T:
        async with gate:
            if failures:
                raise asyncio.CancelledError
            try:
                return await job()
            except BaseException as failure:
                failures.append(failure)
                raise

    results = await asyncio.gather(*(run(job) for job in jobs), return_exceptions=True)
    if failures:
        raise failures[0]
    return [result for result in results if not isinstance(result, BaseException)]
