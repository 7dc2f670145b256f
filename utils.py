"""Reads a story without a model: cuts it into scenes, says what is in it, and holds the small helpers around that."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import errno
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
import zlib
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice, pairwise
from operator import add
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import lexicon
from models import (
    MAX_SEED,
    CharacterMention,
    ImageNotFound,
    PlaceMention,
    SceneFacts,
    ScriptAnalysis,
    Segment,
    SessionNotFound,
    StorageUnavailable,
    TimeOfDay,
)

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
TITLE_CHARS = 60
WORDS_A_MINUTE = 238  # silent reading, Brysbaert 2019
MOST_CHARACTERS = 40
MOST_PLACES = 30
LANGUAGE_SAMPLE = 6000  # characters, from the beginning and from the middle

# Weight of each cue for borders between paragraphs and between sentences: a conditional logit, fitted on the breaks
# that editors set in 129 English stories.
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
_UNSPACED = (  # scripts written without spaces: Han, kana (not the small ones, nor the long mark), Thai, Lao
    "\u3007\u3041\u3042\u3044\u3046\u3048\u304a-\u3062\u3064-\u3082\u3084\u3086\u3088-\u308d\u308f-\u3094"
    "\u30a2\u30a4\u30a6\u30a8\u30aa-\u30c2\u30c4-\u30e2\u30e4\u30e6\u30e8-\u30ed\u30ef-\u30f4\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003134f\u0e01-\u0e2e\u0e40-\u0e44\u0e81-\u0eae\u0ec0-\u0ec4"
)
_MARK = "\u0300-\u036f\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0903\u093a-\u094f\u0951-\u0957\u0962\u0963"
_ENDS_IN_WORD = re.compile(rf"[\w{_MARK}]['’]?$")  # `don’` of `don’t` too
_BEGINS_IN_WORD = re.compile(rf"['’]?[\w{_MARK}]")
_LEANS_FORWARD = "\u0e40-\u0e44\u0ec0-\u0ec4(\\[{“‘«〈《「『【（［｛〔"  # what must stay with the character after it
_CLOSERS = "\"'”’»›)\\]」』）】〉》*_"
_STOPS = ".!?…؟۔।॥。！？｡"
_WIDE_STOPS = "。！？｡"  # they end a sentence without a space after them
_OPENING = rf"[^\s{_STOPS}{_CLOSERS}]"
_WORDY = re.compile(r"[^\W_]")
_ATOM = re.compile(
    rf"(?<!\S)\S|(?<=\S)(?<![{_LEANS_FORWARD}])[{_UNSPACED}]|"
    rf"(?<=[{_WIDE_STOPS}]){_OPENING}|(?<=[{_WIDE_STOPS}][{_CLOSERS}]){_OPENING}|(?<=[{_WIDE_STOPS}][{_CLOSERS}]{{2}}){_OPENING}"
)
_SENTENCE_END = re.compile(  # possessive: a long row of stops is read once
    rf"(?:(?<![.!?…؟۔।॥])[.!?…؟۔।॥]++[{_CLOSERS}“]*+(?:[ \u00a0\u202f]»)?(?=\s)|"
    rf"(?<![{_WIDE_STOPS}])[{_WIDE_STOPS}]++[{_CLOSERS}]{{0,2}}+)\s*+"
)
_ABBREVIATION = re.compile(
    r"(?:\b[^\W\d_]|\b(?:Mr|Mrs|Ms|Dr|St|Prof|Capt|Col|Gen|Lt|Sgt|Rev|Hon|Mme|Mlle|MM|Sr|Sra|Srta|Dª|Fr|Hr|Nr|bzw|ca|vgl|"
    r"usw|etc|vs|No|Jr|Mt|cf|vol|Bd|gen|Sig|Dott|г|гр|ул|им|Av|Exc|Ud|Uds|Vd))\.$"
)
_QUOTES = '“”"«»„‟「」『』〝'
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
_SHOUTED = re.compile(r"(?:\d+\w?\W+)?(?:[A-ZÀ-ÞА-ЯЁ]{2}|[IE]/[IE]|(?:int|ext)\.)")
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
_TITLE_LINE = re.compile(r"[^\W\d_a-zß-öø-ÿа-яё](?:[^.!?…。！？｡؟।:;,，、“”\"«»„「」『』\n—]|\.(?=\w)){1,58}$")
_NUMBERED_TITLE = re.compile(rf"(?:{_ROMAN}|\d{{1,3}})[.:)]\s+[^\W\d_][^.!?:;\n]{{1,50}}$")
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


def parts_to_fit(text: str, most_bytes: int) -> list[str]:
    """The story in as few parts as have at most `most_bytes` of UTF-8 each, cut as `split_story` cuts."""
    size = len(text.encode("utf-8", "replace"))
    if size <= most_bytes:
        return [text]
    pieces = [part.text for part in _fine_enough(text, size, most_bytes)]
    parts = [""]
    filled = 0
    for piece in pieces:
        length = len(piece.encode("utf-8", "replace"))
        if filled + length > most_bytes and parts[-1]:
            parts.append("")
            filled = 0
        parts[-1] += piece
        filled += length
    return parts


def _fine_enough(text: str, size: int, most_bytes: int) -> list[Segment]:
    """Segments that are small enough each; finer ones are tried until they are, or until no text can be finer."""
    finest = max_scenes(text)
    wanted = 2 * -(-size // most_bytes)
    while True:
        segments = split_story(text, min(wanted, finest))
        largest = max(len(segment.text.encode("utf-8", "replace")) for segment in segments)
        if largest <= most_bytes or wanted >= finest:
            return segments
        wanted *= 2


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
    """Where the text may be cut into n, and how good each border is; coarse borders first, finer ones as needed.

    Every candidate is one of the places `max_scenes` counts, and all of those are candidates before there are too few.
    """
    if n == 1:
        return {}
    lines = _lines(text)
    markers = {offset: rank for offset, rank in _markers(text, lines).items() if _may_open(text, offset)}
    if len(markers) >= n - 1:
        return {offset: MARKER_STEP * rank for offset, rank in markers.items()}
    language = guess_language(text)
    units = _paragraphs(text, lines)
    scored = _scored(text, units, language, sentences=False)
    if len(units) > 1 and _stands_as_title(text, lines, 0):
        scored[units[1].start] -= MARKER_BONUS  # a title is no scene of its own
    if len(units) < 2 * n:
        inside = _sentences(text, units)
        apart = INSIDE_PARAGRAPH if len(units) > 1 else 0.0
        finer = _scored(text, inside, language, sentences=True)
        scored = {offset: score + apart for offset, score in finer.items()} | scored
    scored = {offset: score for offset, score in scored.items() if _may_open(text, offset)}
    if len(scored) < n - 1:
        atoms = list(_atoms(text))[1:]
        scored = {offset: 4 * INSIDE_PARAGRAPH for offset in atoms[:: max(1, len(atoms) // (20 * n))]} | scored
    return _with_words(text, scored | {o: MARKER_BONUS + MARKER_STEP * rank for o, rank in markers.items()}, n)


def _with_words(text: str, candidates: dict[int, float], n: int) -> dict[int, float]:
    """The candidates with something to read between any two of them, as long as they are enough.

    A break line (`* * *`) has a border on either side; cut at both, it would be a scene with nothing to draw.
    """
    kept: list[int] = []
    for offset in sorted(candidates):
        if not _WORDY.search(text, kept[-1] if kept else 0, offset):
            if not kept or candidates[offset] <= candidates[kept[-1]]:
                continue
            kept.pop()
        kept.append(offset)
    while kept and not _WORDY.search(text, kept[-1]):
        kept.pop()
    return candidates if len(kept) < n - 1 else {offset: candidates[offset] for offset in kept}


def _atoms(text: str) -> Iterator[int]:
    """Offsets of all places a segment may begin: words, or characters of scripts without spaces."""
    first = len(text) - len(text.lstrip())
    if first == len(text):
        return
    yield first
    yield from (match.start() for match in _ATOM.finditer(text, first + 1) if _whole(text, match.start()))


def _may_open(text: str, offset: int) -> bool:
    """Whether a segment may begin here: whether `_atoms` would yield it."""
    return _ATOM.match(text, offset) is not None and _whole(text, offset)


def _whole(text: str, offset: int) -> bool:
    """Whether a cut here leaves every grapheme whole: no mark, joiner or skin tone is parted from what bears it."""
    here, before = text[offset], text[offset - 1]
    if here < "\u0300":
        return not (here == "\n" and before == "\r")
    return not (
        before == "\u200d"
        or here in "\u200d\u200c"
        or "\U0001f3fb" <= here <= "\U0001f3ff"
        or unicodedata.category(here)[0] == "M"
    )


def is_cut(text: str, offset: int) -> bool:
    """Whether a cut here parts no grapheme and no word; in scripts without spaces only graphemes count."""
    if not _whole(text, offset):
        return False
    around = text[max(0, offset - 2) : offset], text[offset : offset + 2]
    if any(_UNSPACED_LETTER.match(side) for side in (around[0][-1:], around[1][:1])):
        return True
    return not (_ENDS_IN_WORD.search(around[0]) and _BEGINS_IN_WORD.match(around[1]))


def nearest_cut(text: str, at: int, start: int, end: int) -> int | None:
    """The offset nearest to `at` where `text[start:end]` may be cut with words on both sides; None where nowhere."""
    first = next((n for n in range(start, end) if text[n].isalnum()), end)
    last = next((n for n in range(end - 1, start, -1) if text[n].isalnum()), start)
    at = min(max(at, start), end)
    near = (offset for distance in range(end - start) for offset in (at - distance, at + distance))
    return next((offset for offset in near if first < offset <= last and is_cut(text, offset)), None)


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
    costs = [
        [_uneven(here - offset, mean) for offset in offsets[low:i]]
        for i, (here, low) in enumerate(zip(offsets, lows, strict=True))
    ]
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
        if cut >= unit.end or text[cut].islower() or text[cut] in _NEVER_FIRST or _is_abbreviation(text, match):
            continue
        yield _Unit(start, match.start() + len(match.group().rstrip()))
        start = cut
    yield _Unit(start, unit.end)


_NEVER_FIRST = frozenset(_STOPS + "”’»›)]」』）】〉》")


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
    """A title, an author's name, a `Title:` line, `FADE IN:`: short, and no sentence."""
    if line.end - line.start > 80:
        return False
    shouted = line.end - line.start <= 12 and text[line.start : line.end].isupper()
    return shouted or not _SENTENCE_STOP.search(text, max(line.start, line.end - 6), line.end)


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
    if (_SLUGLINE.match(words) and (_SHOUTED.match(words) or words[0] in "内外內")) or (
        after_blank and _FORCED.match(words)
    ):
        return 2.0
    if _NUMERAL.match(words):
        return 2.5
    if cjk := _CJK_HEADING.match(words):
        return (
            0.0 if _SENTENCE_STOP.search(words) else 3.0 + (cjk.group(1) is not None and cjk.group(1) in "部卷編编篇集")
        )
    return _worded_rank(words)


def _worded_rank(words: str) -> float:
    """The rank of `Chapter IV`, `Dritte Szene`, `باب الأسد والثور`: a heading word with its number, before or after."""
    folded = words.casefold().replace("i\u0307", "i").replace(" the ", " ")
    tokens = _FIRST_WORD.findall(folded)[:4]
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
    """Lines that read as titles, where there are two or more and they are rare; one alone is more often a cry."""
    titles = [i for i in range(len(lines) - 1) if not ranks[i][0] and _is_title(text, lines, i)]
    if len(titles) > 1 and 3 * len(titles) <= len(lines):
        for i in titles[titles[0] == 0 :]:
            ranks[i] = (2.5, False)


def _is_title(text: str, lines: list[_Line], i: int) -> bool:
    """A short line between blank lines, numbered, in capitals, or without a sentence's end over a longer one."""
    line, after = lines[i], lines[i + 1]
    if not (after.gap and (line.gap or i == 0)) or line.end - line.start > 60:
        return False
    words = text[line.start : line.end]
    if words.casefold().strip("*_ ") in _CLOSING:
        return False
    if _NUMBERED_TITLE.match(words):
        return True
    longer = after.end - after.start >= 60 or not lines[min(i + 2, len(lines) - 1)].gap
    return bool(_TITLE_LINE.match(words)) and (longer or words.isupper())


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
    """How many capitalised words the eight units before and after share, and whether a unit begins with a new one."""
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
        "after_quote": [float(tail[-1:] in '”"»」』' and bool(tail)) for tail in tails],
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
    found: list[float] = []
    reached = 0
    for start in starts:
        for at in range(reached, start):
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
        reached = start
        found.append(dot / math.sqrt(norm_before * norm_after) if norm_before and norm_after else 0.0)
    return found


_LONG_WORD = re.compile("[^\\W\\d_\u3041-\u30ff\u3400-\u9fff]{4,}|[\u0900-\u097f]{3,}|[\uac00-\ud7a3]{2,}")
_HAN_PAIR = re.compile("[\u3400-\u9fff]{2}|[\u30a1-\u30ff]{2,6}")


# --- Language --------------------------------------------------------------------------------------------------


def folded(text: str) -> str:
    """The text as searches compare it: whatever its case, its width and its line breaks. The same for every store."""
    once = unicodedata.normalize("NFKC", text.replace("\0", " ")).casefold()
    return " ".join(unicodedata.normalize("NFKC", once).split())


def search_text(title: str, story: str) -> str:
    """What a folded query is looked for in; no query reaches over the line break between the two."""
    return f"{folded(title)}\n{folded(story)}"


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


def runs_right_to_left(text: str) -> bool:
    """Whether most of its letters are written from right to left, as in Arabic or Hebrew."""
    kinds = Counter(unicodedata.bidirectional(char) for char in _sample(text))
    return kinds["R"] + kinds["AL"] > kinds["L"]


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


# --- Analysis --------------------------------------------------------------------------------------------------


def analyze_script(text: str, *, max_scenes: int = 50) -> ScriptAnalysis:
    """Read a whole story by rule; never fails, whatever the text. `docs/utils.md` states the rule of each field.

    `max_scenes` caps `recommended_scenes`, which also never exceeds what `split_story` can make of the text.
    """
    language = guess_language(text)
    lines = _lines(text)
    paragraphs = _paragraphs(text, lines)
    sentences = [unit for unit in _sentences(text, paragraphs) if _WORD_CHARACTER.search(text, unit.start, unit.end)]
    words = count_words(text)
    marked = len(_markers(text, lines)) + 1
    estimated = _estimated_scenes(marked, words, _told_sentences(text, lines, sentences))
    characters = _characters(text, lines, language)
    names = {person.name for person in characters}
    hits = _hits(text, language)
    body = _body_start(text, lines)
    return ScriptAnalysis(
        language=language,
        format=_format(text, lines),
        characters_total=len(text),
        words=words,
        sentences=len(sentences),
        paragraphs=len(paragraphs),
        estimated_scenes=estimated,
        recommended_scenes=_recommended(text, estimated, max_scenes),
        characters=tuple(characters),
        locations=tuple(_places(text, lines, [hit for hit in hits if hit.start >= body], language, names)),
        times=tuple(_times(text, lines, language, body)),
        themes=tuple(_themes(hits, words)),
        complexity=_complexity(text, words, len(sentences)),
        reading_time_minutes=round(words / WORDS_A_MINUTE, 1),
    )


def read_scene(text: str, analysis: ScriptAnalysis) -> SceneFacts:
    """What one scene's text says about who is there, where, when, in what weather and mood; nothing is guessed.

    Its title and headings decide none of it, but that a heading (no title) tells the place when the scene itself
    does not; a slugline says both place and time.
    """
    lines = _lines(text)
    body = _body_start(text, lines)
    told = text[body:]
    hits = _hits(told, analysis.language)
    slug = _slugline_of(text, analysis.language)
    place = _scene_place(told, hits, slug, analysis)
    if place == _NOWHERE and body and _rank(text, lines[0])[0]:
        place = _scene_place(text[:body], _hits(text[:body], analysis.language), None, analysis)
    return SceneFacts(
        characters=_present(text, analysis),
        location=place.location,
        place_kind=place.kind,
        time_of_day=(slug.time if slug and slug.time else _time_of_day(told, hits, analysis.language)) or "unknown",
        weather=_strongest(hits, "weather", told) or "unknown",
        mood=_mood(hits, told),
    )


def read_scenes(texts: Sequence[str], analysis: ScriptAnalysis) -> list[SceneFacts]:
    """`read_scene` of each, in story order, with people, place and time of day carried on from scene to scene.

    Place and time are carried where a scene names none; people where a pronoun takes them up ("she carried it"), or
    where nobody at all is named and the place goes on. A chapter or part heading ends what was carried; a told jump
    in time ("three days later") ends the time of day.
    """
    genders = read_genders("\n\n".join(texts), [person.name for person in analysis.characters], analysis.language)
    found: list[SceneFacts] = []
    before, last = SceneFacts(), _NOBODY
    for text in texts:
        facts = read_scene(text, analysis)
        if _opens_chapter(text):
            before, last = facts, _by_last_mention(text, facts.characters, _NOBODY, analysis.language)
        else:
            people = _people_carried(text, facts, before, last, genders, analysis.language)
            last = _by_last_mention(text, facts.characters, people, analysis.language)
            before = _carried(before, facts, text, analysis.language)
            before = dataclasses.replace(before, characters=people)
        found.append(before)
    return found


def is_named(text: str, name: str, language: str) -> bool:
    """Whether a text names somebody, as that language writes a name: with endings, joined particles, in capitals."""
    return _name_pattern(name, language).search(text) is not None


def scene_title(text: str) -> str:
    """A title of at most 60 characters in the scene's own words, verbatim; never empty.

    The scene's heading or slugline if it has one that says something, else the first sentence or its first clause.
    """
    lines = _lines(text)
    heading = next((words for words in _heading_words(text, lines) if _says_something(words)), None)
    title = _shortened(heading or _first_phrase(text, lines))
    return title or _shortened(text.strip()) or "—"


def count_words(text: str) -> int:
    """Words of the text; a Chinese or Japanese character, or a Thai or Lao letter, counts as half a word."""
    unspaced = len(_UNSPACED_LETTER.findall(text))
    return sum(1 for _ in _WORD.finditer(_UNSPACED_LETTER.sub(" ", text) if unspaced else text)) + (unspaced + 1) // 2


# What a place word's `*` stands for where only few endings make it a place (`pond*` is not `ponder`).
_PLACE_ENDINGS = {
    "en": ("", "s", "es"),
    "de": ("", "e", "n", "en", "s", "es", "er", "ern"),
    "fr": ("", "s", "x"),
    "es": ("", "s", "es"),
    "pt": ("", "s", "es"),
    "it": ("",),
}

# Word kinds: which table of the lexicon a hit comes from.
_TABLES: dict[str, dict[str, dict[str, str]]] = {
    "place": lexicon.PLACES | {"water": lexicon.WATERS},
    "time": lexicon.TIMES_OF_DAY,
    "weather": lexicon.WEATHER,
    "mood": lexicon.MOODS,
    "theme": lexicon.THEMES,
}
_WORD = re.compile(
    r"[^\W_][\w\u0300-\u036f\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0903\u093a-\u0957\u0962\u0963\u200c\u200d]*"
    r"(?:['’-][^\W_][\w\u0300-\u036f]*)*"
)
_WORD_CHARACTER = re.compile(r"[^\W_]")
_UNSPACED_LETTER = re.compile(f"[{_UNSPACED}\u3043\u3063\u3083\u3085\u3087\u30a3\u30c3\u30e3\u30e5\u30e7\u30fc]")
_HARAKAT = re.compile("[\u064b-\u065f\u0670\u0640]")
_KO_ENDINGS = frozenset(
    "|에|에서|에는|의|을|를|이|가|은|는|로|으로|과|와|도|까지|밖|속|속에|밑|위|위에".split("|")
)  # after one syllable
_BY_CHARACTER = frozenset({"zh", "ja"})  # looked up anywhere: no spaces tell where a word begins


@dataclass(frozen=True, slots=True)
class _Hit:
    """A word of the lexicon in the text: where it stands, which table it is from and what it means there."""

    start: int
    end: int
    table: str
    label: str


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    """All tables of one language, turned round: word → (table, label) pairs."""

    exact: dict[str, tuple[tuple[str, str], ...]]
    stems: dict[str, tuple[tuple[str, str], ...]]
    phrases: re.Pattern[str] | None


@lru_cache(maxsize=32)
def _vocabulary(language: str) -> _Vocabulary:
    exact: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    stems: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for table, labels in _TABLES.items():
        for label, languages in labels.items():
            for entry in languages.get(language, "").split():
                word = entry.rstrip("*").replace("_", " ").casefold()
                endings = _PLACE_ENDINGS.get(language) if table == "place" else None
                if endings and entry.endswith("*"):
                    for ending in endings:
                        exact[word + ending].append((table, label))
                else:
                    (stems if entry.endswith("*") or language == "ko" else exact)[word].append((table, label))
    phrases = sorted((word for word in (*exact, *stems) if " " in word), key=len, reverse=True)
    pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, phrases))})", re.IGNORECASE) if phrases else None
    return _Vocabulary({k: tuple(v) for k, v in exact.items()}, {k: tuple(v) for k, v in stems.items()}, pattern)


def _hits(text: str, language: str) -> list[_Hit]:
    """Every word of the lexicon in the text that is meant as it stands, in order.

    A text too short to tell its language is read as English. What something is only likened to is no place, time or
    weather ("like a ship"), nor is a greeting or a meal to come a time ("before supper").
    """
    language = "en" if language == "und" else language
    vocabulary = _vocabulary(language)
    found = [*(_character_hits if language in _BY_CHARACTER else _word_hits)(text, language, vocabulary)]
    if vocabulary.phrases:
        for match in vocabulary.phrases.finditer(text):
            meanings = _meanings(match.group().casefold(), language, vocabulary)
            found += [_Hit(match.start(), match.end(), table, label) for table, label in meanings]
    likened, not_now = (_spans(table, text, language) for table in (lexicon.LIKENED, lexicon.NOT_NOW))
    meant = [
        hit
        for hit in found
        if not (hit.table in _SEEN and _within(likened, hit.start))
        and not (hit.table == "time" and _within(not_now, hit.start))
        and not (language == "de" and _is_no_noun(text, hit))
        and not (hit.label == "water" and _place_weight(text, hit, language) < 2 and language in lexicon.LOCATIVES)
    ]
    return sorted(meant, key=lambda hit: (hit.start, -hit.end))


_SEEN = frozenset({"place", "time", "weather"})  # the tables of what a picture shows


def _is_no_noun(text: str, hit: _Hit) -> bool:
    """German writes nouns with a capital: `schloss` is a verb, `morgen` tomorrow."""
    return text[hit.start].islower() and (hit.table == "place" or text[hit.start : hit.end] == "morgen")


@lru_cache(maxsize=64)
def _told_pattern(expression: str) -> re.Pattern[str]:
    return re.compile(expression, re.IGNORECASE)


def _spans(table: dict[str, str], text: str, language: str) -> list[tuple[int, int]]:
    """Where a table's expression stands in the text, in order."""
    if language not in table:
        return []
    return [match.span() for match in _told_pattern(table[language]).finditer(text)]


def _within(spans: list[tuple[int, int]], offset: int) -> bool:
    at = bisect_right(spans, (offset, math.inf)) - 1
    return at >= 0 and spans[at][0] <= offset < spans[at][1]


def _word_hits(text: str, language: str, vocabulary: _Vocabulary) -> Iterator[_Hit]:
    known: dict[str, tuple[tuple[str, str], ...]] = {}
    for match in _WORD.finditer(text):
        word = match.group()
        meanings = known.get(word)
        if meanings is None:
            meanings = known[word] = _meanings(word.casefold(), language, vocabulary)
        for table, label in meanings:
            yield _Hit(match.start(), match.end(), table, label)


def _character_hits(text: str, language: str, vocabulary: _Vocabulary) -> Iterator[_Hit]:
    for word, meanings in vocabulary.exact.items():
        at = text.find(word)
        while at >= 0:
            for table, label in meanings:
                yield _Hit(at, at + len(word), table, label)
            at = text.find(word, at + len(word))


def _meanings(word: str, language: str, vocabulary: _Vocabulary) -> tuple[tuple[str, str], ...]:
    """What a word means: the word itself first, then its longest known stem; Arabic sheds its joined particles."""
    for form in _arabic_forms(word) if language == "ar" else _elided_forms(word):
        if form in vocabulary.exact:
            return vocabulary.exact[form]
    for length in range(min(len(word), 24), 0, -1):
        if word[:length] in vocabulary.stems and (length > 1 or word[1:] in _KO_ENDINGS):
            return vocabulary.stems[word[:length]]
    return ()


def _elided_forms(word: str) -> list[str]:
    """The word, and its parts around an apostrophe: `l'aube`, `boy's`."""
    return [word, *re.split("['’]", word)] if "'" in word or "’" in word else [word]


def _arabic_forms(word: str) -> list[str]:
    """The word without vowel signs, and what is left when joined particles and the article are taken off."""
    forms = [_HARAKAT.sub("", word)]
    for particles, least in ((("و", "ف"), 4), (("ب", "ك", "ل"), 4), (("ال", "ل"), 2)):
        forms += [form[len(cut) :] for form in forms for cut in particles if form.startswith(cut) and len(form) > least]
    return forms


# --- Numbers about a story -------------------------------------------------------------------------------------


def _estimated_scenes(marked: int, words: int, sentences: int) -> int:
    """The marked scenes, else by length; never more than there are sentences to tell them."""
    return max(1, min(marked if marked > 1 else _scenes_by_length(words), sentences))


def _scenes_by_length(words: int) -> int:
    """A scene for every 100 words up to 15, then for every 570 (medians of picture books and short fiction)."""
    return max(3, min(15, round(words / 100)), round(words / 570))


def _told_sentences(text: str, lines: list[_Line], sentences: list[_Unit]) -> int:
    """How many sentences stand outside the headings and the title."""
    ranks = _ranks(text, lines)
    headings = {line.start for line, (rank, _) in zip(lines, ranks, strict=True) if rank > _BLANK_RUN}
    headings |= {lines[0].start} if lines and _stands_as_title(text, lines, 0) else set()
    return sum(1 for sentence in sentences if sentence.start not in headings)


def _recommended(text: str, estimated: int, cap: int) -> int:
    possible = sum(1 for _ in islice(_atoms(text), max(1, min(estimated, cap))))
    return max(1, min(estimated, cap, possible))


def _complexity(text: str, words: int, sentences: int) -> int:
    """Björnsson's LIX (words a sentence + per cent of words over six letters) in ten steps of five from 20 on.

    Where no spaces are written there are no word lengths: a middling 25 per cent stands for them.
    """
    if not words or not sentences:
        return 1
    spaced = _WORD.findall(_UNSPACED_LETTER.sub(" ", text))
    if 2 * len(spaced) > words:
        long_words = 100 * sum(1 for word in spaced if len(word) > 6) / len(spaced)
    else:
        long_words = 25.0
    return max(1, min(10, 1 + int((words / sentences + long_words - 15) // 5)))


def _format(text: str, lines: list[_Line]) -> Literal["prose", "screenplay", "play", "chapters"]:
    sluglines = sum(1 for line in lines if is_slugline(text[line.start : line.end]))
    cues = _cue_names(text, lines)
    if sluglines >= 2 or (sluglines and cues):
        return "screenplay"
    if cues.total() >= max(3, len(lines) / 8):
        return "play"
    chapters = [rank for rank, is_break in _ranks(text, lines) if rank > 2 and not is_break]
    return "chapters" if len(chapters) >= 2 else "prose"


def is_slugline(words: str) -> bool:
    """Whether a line is the heading of a scene in a script, as `INT. MILL - NIGHT`."""
    return len(words) <= 120 and bool(_SLUGLINE.match(words)) and bool(_SHOUTED.match(words) or words[0] in "内外內")


def _themes(hits: list[_Hit], words: int) -> list[str]:
    """Up to five themes whose words make up at least 3 in 1,000 (and stand twice), the most spoken of first."""
    counts = Counter(hit.label for hit in hits if hit.table == "theme")
    least = max(2, words * 3 / 1000)
    return [theme for theme, count in counts.most_common(5) if count >= least]


def _times(text: str, lines: list[_Line], language: str, body: int) -> list[str]:
    """The first forty different time expressions from `body` on, as written; the sluglines' times among them."""
    phrase, _ = _time_patterns(language)
    slugs = [
        (line.start, slug.told)
        for line in lines
        if (slug := _slugline(text[line.start : line.end], language)) and slug.told
    ]
    found: dict[str, tuple[int, str]] = {told.casefold(): (at, told) for at, told in reversed(slugs)}
    no_time = _told_pattern(lexicon.NO_TIMES.get(language, "(?!)"))
    likened = _spans(lexicon.LIKENED, text, language)
    for match in phrase.finditer(text, body):
        words = " ".join(match.group().split())
        if no_time.match(words) or _within(likened, match.start()):
            continue
        found.setdefault(words.casefold(), (match.start(), words))
        if len(found) >= 40:
            break
    return [words for _, words in sorted(found.values())][:40]


# --- Sluglines and headings ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Slug:
    """`INT. KITCHEN - NIGHT`, taken apart; `told` is its time as written."""

    inside: bool
    location: str
    told: str
    time: TimeOfDay | None


_SLUG_HEAD = re.compile(
    r"(?:\d+[A-Za-z]?[.)]?\s+)?((?:INT|EXT|EST|I|E|INNEN|AUSSEN|INTERIOR|EXTERIOR|INTERNO|ESTERNO|INTÉRIEUR|EXTÉRIEUR|ИНТ|НАТ|ЭКСТ|"
    r"[内外內])(?:\.?\s?/\s?(?:INT|EXT|EST|I|E))?景?)[.．。、:：\s–—-]+",
    re.IGNORECASE,
)
_SLUG_TIME = re.compile(
    r"\s[-–—]+\s([^-–—]+?)\s*(?:#[^#]*#)?$|[\s,，.．]((?:DAY|NIGHT|MORNING|EVENING|DAWN|DUSK)|[日夜晨昼朝夕晚])$"
)
_INSIDE = ("INT", "INN", "I/E", "ИНТ", "内", "內")
_SLUG_TIMES: dict[str, TimeOfDay] = {
    "day": "day", "night": "night", "morning": "morning", "evening": "evening", "dusk": "evening", "dawn": "dawn",
    "sunset": "evening", "sunrise": "dawn", "afternoon": "day", "noon": "day", "tag": "day", "jour": "day",
    "día": "day", "dia": "day", "giorno": "day", "день": "day", "gündüz": "day", "日": "day", "夜": "night",
    "晚": "night", "晨": "morning", "朝": "morning", "昼": "day", "夕": "evening",
}  # fmt: skip


def _slugline(words: str, language: str) -> _Slug | None:
    if not is_slugline(words):
        return None
    head = _SLUG_HEAD.match(words)
    if not head:
        return None
    rest = words[head.end() :].strip()
    tail = _SLUG_TIME.search(rest)
    told = (tail.group(1) or tail.group(2)) if tail else ""
    location = rest[: tail.start()].strip(" -–—,.") if tail else rest
    return _Slug(head.group(1).upper().startswith(_INSIDE), location, told, _time_told(told, language))


def _time_told(told: str, language: str) -> TimeOfDay | None:
    words = [word.casefold() for word in _WORD.findall(told)]
    for word in words:
        if word in _SLUG_TIMES:
            return _SLUG_TIMES[word]
    hits = [hit for hit in _hits(told, language) if hit.table == "time"]
    return cast(TimeOfDay, hits[0].label) if hits else None


def _slugline_of(text: str, language: str) -> _Slug | None:
    """The first slugline among the first lines of a scene."""
    for line in islice(_lines(text[:2000]), 6):
        if slug := _slugline(text[line.start : line.end], language):
            return slug
    return None


def _heading_words(text: str, lines: list[_Line]) -> Iterator[str]:
    """The heading lines a scene opens with, or the title its text begins with."""
    for i, line in enumerate(lines[:6]):
        words = text[line.start : line.end].strip("*_#= \t\u3000") if line.end - line.start <= 120 else ""
        rank, is_break = _rank(text, line) if words else _PLAIN
        if not (rank or _stands_as_title(text, lines, i)) or _is_cue(text, lines, i):
            return
        if told := _TITLE_PAGE.match(words):
            words = told.group(1)
        if not is_break:
            yield words.lstrip(".") if _FORCED.match(words) else words


def _stands_as_title(text: str, lines: list[_Line], i: int) -> bool:
    """A short line without a sentence's end that is followed by a blank line, or opens the text."""
    line = lines[i]
    if i + 1 >= len(lines) or not _front_matter(text, line):
        return False
    return line.end - line.start <= (TITLE_CHARS if lines[i + 1].gap else 40 if i == 0 else 0)


def _says_something(words: str) -> bool:
    """Not only a number: `IV`, `Chapter 2` and `第三章` tell less than the first words of the scene."""
    tokens = _FIRST_WORD.findall(words.casefold())
    if _NUMERAL.match(words) or all(token in _HEADINGS or _is_number(token) for token in tokens):
        return False
    return len(_CJK_HEADING.sub("", words).strip(_TITLE_EDGES)) > 1


def _first_phrase(text: str, lines: list[_Line]) -> str:
    """The first telling sentence, or its first clause: speech only when there is nothing else near the start."""
    body = [line for line in lines if not (line.end - line.start <= 120 and _rank(text, line)[0])] or lines
    units = _paragraphs(text, body)[:3]
    sentences = [text[unit.start : unit.end] for unit in islice(_sentences(text, units), 8)]
    telling = [s for s in sentences if not _OPENS_SPEECH.match(s) and len(s) > 8] or sentences
    return _clause(" ".join(telling[0].split())) if telling else ""


def _clause(sentence: str) -> str:
    bare = sentence.strip(_TITLE_EDGES)
    most = _title_chars(bare)
    if len(bare) <= most:
        return bare
    ends = [match.start() for match in _CLAUSE_END.finditer(bare) if most * 0.4 <= match.start() <= most]
    return bare[: ends[-1]] if ends else bare


def _shortened(words: str) -> str:
    """At most `TITLE_CHARS` characters, cut between words, or between characters where no spaces are written."""
    bare = " ".join(words[: 4 * TITLE_CHARS].split()).strip(_TITLE_EDGES)
    most = _title_chars(bare)
    if len(bare) <= most:
        return bare
    cuts = [offset for offset in _atoms(bare[: most + 1]) if offset <= most]
    cut = cuts[-1] if len(cuts) > 1 else _whole_cut(bare, most)
    return _SHORT_TAIL.sub("", bare[:cut].strip(_TITLE_EDGES)).strip(_TITLE_EDGES)


def _title_chars(words: str) -> int:
    """Half as many characters where each is as wide and says as much as two letters."""
    return TITLE_CHARS // 2 if 2 * len(_UNSPACED_LETTER.findall(words)) > len(words) else TITLE_CHARS


def _whole_cut(text: str, cut: int) -> int:
    while cut > 1 and not _whole(text, cut):
        cut -= 1
    return cut


_TITLE_PAGE = re.compile(r"title\s*:\s*(\S.*)", re.IGNORECASE)  # of a Fountain file
_SHORT_TAIL = re.compile(r"(?:\s[^\W\d_]{1,3})+$")
_CLAUSE_END = re.compile(r"[,;:](?=\s)|\s[–—-]+\s|—|[，、；：。]")
_TITLE_EDGES = ' \t\u3000\n\r.,;:。，、；：…–—-“”"«»„「」『』‘*_#'

# --- Who is in it ----------------------------------------------------------------------------------------------

_CUE = re.compile(r"@?([^\W\d_a-zß-öø-ÿа-яё][^a-zß-öø-ÿа-яё.!?:;…<>]{0,38}?)\s*(?:\([^()]{1,40}\))?\s*\^?\.?$")
_COLON_CUE = re.compile(
    r"([^\W\d_][^:：.!?,;\n“”\"«»(（]{0,28}?)\s*(?:[(（][^)）]{1,60}[)）])?\s*[:：](?=\s|[^\x00-\x7f])"
)
_NOT_CUES = frozenset("THE END|FADE IN|FADE OUT|CUT TO|TITLE|FIN|ENDE|VORHANG|CURTAIN|TELÓN|RIDEAU|ЗАНАВЕС".split("|"))


def _characters(text: str, lines: list[_Line], language: str) -> list[CharacterMention]:
    """Who acts in the text, the most often named first; in a screenplay or play exactly those who speak."""
    cues = _cue_names(text, lines)
    if cues.total() >= max(3, len(lines) / 8) or (cues and _format(text, lines) == "screenplay"):
        names = list(cues)
    elif language in _NAME_FINDERS:
        names = _NAME_FINDERS[language](text)
    else:
        names = _cased_names(text, lines, language)
    mentions = [mention for name in names if (mention := _mention(text, name, language))]
    return sorted(mentions, key=lambda mention: (-mention.mentions, mention.first_offset))[:MOST_CHARACTERS]


def _mention(text: str, name: str, language: str) -> CharacterMention | None:
    offsets = [match.start() for match in _name_pattern(name, language).finditer(text)]
    return CharacterMention(name=name, mentions=len(offsets), first_offset=offsets[0]) if offsets else None


@lru_cache(maxsize=4096)
def _name_pattern(name: str, language: str) -> re.Pattern[str]:
    """Finds a name as the language writes it: with joined particles, endings, or in capitals."""
    words = re.escape(name).replace(r"\ ", r"\s+")
    if language in _BY_CHARACTER:
        return re.compile(words)
    if language == "ar":
        return re.compile(rf"(?<!\w)[وف]?[بلك]?{words}(?![\w])")
    if language == "hi":
        return re.compile(rf"(?<![\w\u0900-\u0963]){words}(?![\w\u0900-\u0963])")
    if language == "ko":
        return re.compile(rf"(?<!\w){words}")
    if language == "ru" and not name.isupper():
        return re.compile(rf"(?<!\w){re.escape(name.rstrip('аяйьое'))}\w{{0,3}}(?!\w)")
    if name[0].islower():  # an animal by its noun, here and there with a capital
        words = f"[{words[0]}{words[0].upper()}]{words[1:]}"
    if language == "de" and not name.endswith("s"):
        words += "s?"  # the genitive
    return re.compile(rf"(?<!\w){words}(?!\w)", re.IGNORECASE if name.isupper() and len(name) > 2 else 0)


def _cue_names(text: str, lines: list[_Line]) -> Counter[str]:
    """Who speaks in a screenplay or play: names in capitals over a speech, or before a colon, that come back."""
    found: Counter[str] = Counter()
    for i in range(len(lines)):
        if name := _is_cue(text, lines, i):
            found[name] += 1
    if found.total() >= 3 or (found and any(is_slugline(text[line.start : line.end]) for line in lines)):
        return found
    return _colon_cues(text, lines)


def _is_cue(text: str, lines: list[_Line], i: int) -> str:
    """The name when this line is a cue: capitals, nothing else in the line, speech in the line below."""
    line = lines[i]
    if line.end - line.start > 60 or i + 1 >= len(lines) or lines[i + 1].gap:
        return ""
    words = text[line.start : line.end]
    match = _CUE.match(words)
    if not match or not _SHOUTED_NAME.match(words) or _rank(text, line)[0] or match.group(1).strip() in _NOT_CUES:
        return ""
    return match.group(1).strip() if words.strip("@ ").upper() == words.strip("@ ") or "(" in words else ""


_SHOUTED_NAME = re.compile(r"@|[A-ZÀ-ÞА-ЯЁĞİŞ][A-ZÀ-ÞА-ЯЁĞİŞ0-9 .'’#-]")


def _colon_cues(text: str, lines: list[_Line]) -> Counter[str]:
    matches = [_COLON_CUE.match(text, line.start, min(line.end, line.start + 100)) for line in lines]
    names = Counter(match.group(1).strip() for match in matches if match)
    back = Counter({name: count for name, count in names.items() if count > 1})
    return back if len(back) > 1 and 5 * back.total() >= 2 * len(lines) else Counter()


def _cased_names(text: str, lines: list[_Line], language: str) -> list[str]:
    """Names where names have capitals: runs of capitalised words that act, speak, bear a title or come back."""
    evidence = _evidence(text, language)
    least = 1 if len(text) < 3000 else 2 if len(text) < 60_000 else 4
    likely = [name for name, found in evidence.items() if _is_somebody(found, language, least)]
    names = _one_name_each(likely, evidence)
    known = {word for name in names for word in name.casefold().split()}
    return [*names, *(noun for noun in _speaking_nouns(text, language) if noun.casefold() not in known)]


def _speaking_nouns(text: str, language: str) -> list[str]:
    """Those without a name who speak more than once: `the fox said`, `dit le renard`."""
    if language not in lexicon.ARTICLES:
        return []
    said = "|".join(lexicon.SPEECH_VERBS[language].split())
    the = rf"\b(?:{lexicon.ARTICLES[language]})\s?(?<=[\s'’])" + (r"(?:[a-z]+ )?" if language == "en" else "")
    speaker = re.compile(
        rf"\b(?:{said}) {the}([^\W\d_]{{3,}})(?=[\n.,;:!?])|{the}([^\W\d_]{{3,}}) (?:{said})\b", re.IGNORECASE
    )
    written = [match.group(1) or match.group(2) for match in speaker.finditer(text)]
    if language == "de":  # where a noun has its capital anyway
        counts = Counter(noun for noun in written if noun[0].isupper())
    else:
        counts = Counter(noun.lower() for noun in written)
    nobody, vocabulary = _nobody(language), _vocabulary(language)
    return [
        noun
        for noun, count in counts.items()
        if count > 1
        and noun.casefold() not in nobody
        and not (language == "en" and noun.endswith("ly"))  # `said the old man severely`
        and not any(table == "place" for table, _ in _meanings(noun.casefold(), language, vocabulary))
    ]


@dataclass(slots=True)
class _Evidence:
    """How a capitalised run was seen: how often, inside sentences, acting, titled, as a place, after an article."""

    seen: int = 0
    inside: int = 0
    acting: int = 0
    titled: int = 0
    placed: int = 0
    articled: int = 0
    spoke: int = 0  # beside a verb of speech
    called: int = 0  # told as a name: `named Mira`


_CAPITAL = "A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĒĖĘĚĞĢĪĬĮİĶĻĽŁŃŅŇŌŐŒŔŘŚŞŠŢŤŪŬŮŰŲŹŻŽА-ЯЁ"
_RUN = re.compile(
    rf"(?<![\w’'])((?:[{_CAPITAL}]\.\s?){{0,4}}[{_CAPITAL}][\w’'-]*\w(?:\s(?:(?:de|del|della|von|van|der|la|le|du|di|da)\s)?[{_CAPITAL}][\w’'-]*\w)*)"
)
_LOWER_WORD = re.compile(r"(?<![\w’'])[a-zß-öø-ÿа-яё][\w’'-]*")


def _evidence(text: str, language: str) -> dict[str, _Evidence]:
    ordinary = Counter(_LOWER_WORD.findall(text))
    nobody = _nobody(language)
    cast_words = _Cast.of(language)
    found: dict[str, _Evidence] = {}
    for match in _RUN.finditer(text):
        start, end = match.span(1)
        name, titled = _untitled(match.group(1), nobody, cast_words.titles)
        if not name or (ordinary[name.casefold()] > 1 and " " not in name):
            continue
        start = max(start, text.find(name.split()[0], start, end))  # past the small words the run began with
        _note(found.setdefault(name, _Evidence()), text, start, end, titled, cast_words)
    for name, seen in found.items():
        if " " not in name and ordinary[name.casefold()]:
            seen.inside = 0
    return _without_noun_forms(found) if language == "de" else found


def _without_noun_forms(found: dict[str, _Evidence]) -> dict[str, _Evidence]:
    """German evidence without nouns the lexicon knows (`Jeden Abend`), genitives put with their names."""
    vocabulary = _vocabulary("de")
    kept = {
        name: seen
        for name, seen in found.items()
        if not any(table in _NOUN_TABLES for table, _ in _meanings(name.split()[-1].casefold(), "de", vocabulary))
    }
    for name in list(kept):
        base = name.split()[0][:-1]
        if name.split()[0].endswith("s") and base in kept:  # `Jorins`, `Jorins Hand`
            seen = kept.pop(name)
            kept[base].seen += 1
            kept[base].inside += seen.inside
    return kept


_NOUN_TABLES = frozenset({"place", "time", "weather", "mood"})


@dataclass(frozen=True, slots=True)
class _Cast:
    """The words of one language that show who is somebody."""

    titles: frozenset[str]
    locatives: frozenset[str]
    determiners: frozenset[str]
    speaking: frozenset[str]
    called: frozenset[str]
    small: frozenset[str]
    inverts: bool  # the verb may stand before who does it: `dann ging Lena`
    acting: re.Pattern[str]
    adjective: re.Pattern[str]  # German: `nächsten` before `Abend` shows a noun, as an article would

    @staticmethod
    @lru_cache(maxsize=32)
    def of(language: str) -> _Cast:
        def words(table: dict[str, str]) -> frozenset[str]:
            return frozenset(table.get(language, "").casefold().split())

        return _Cast(
            words(lexicon.PERSON_TITLES),
            words(lexicon.LOCATIVES),
            words(lexicon.DETERMINERS),
            words(lexicon.SPEECH_VERBS),
            words(lexicon.CALLED),
            words(lexicon.STOP_WORDS) | words(lexicon.NOT_NAMES) | words(lexicon.CONNECTIVES),
            language == "de",
            re.compile(r"\s" + lexicon.ACTING.get(language, "(?!)")),
            re.compile(r"\w{2,}(?:en|er|em|es)" if language == "de" else "(?!)"),
        )


def _note(seen: _Evidence, text: str, start: int, end: int, titled: bool, cast_words: _Cast) -> None:
    """Add one more sighting of a capitalised run to what is known of it."""
    words = [word.casefold().strip(".,") for word in text[max(0, start - 32) : start].split()[-2:]]
    gap = text[max(0, start - 2) : start]
    joined = gap[-1:] == " " and gap[:1] not in '.!?…:;—“"«»„'
    last = words[-1] if words and joined else ""
    articled = (last in cast_words.determiners and last != "and") or (
        last not in cast_words.small and bool(cast_words.adjective.fullmatch(last))
    )
    lead = words[0] if articled and len(words) == 2 else last
    after = _FIRST_WORD.match(text, end + 1, end + 24) if text[end : end + 1] in " \u00a0" else None
    spoke = lead in cast_words.speaking or (after is not None and after.group() in cast_words.speaking)
    seen.seen += 1
    seen.inside += bool(last)
    seen.titled += titled or last in cast_words.titles
    seen.placed += lead in cast_words.locatives
    seen.articled += articled
    seen.spoke += spoke
    seen.called += last in cast_words.called
    done_before = not articled and cast_words.inverts and bool(cast_words.acting.fullmatch(f" {last}"))
    seen.acting += spoke or done_before or bool(cast_words.acting.match(text, end, end + 40))


def _untitled(run: str, nobody: frozenset[str], titles: frozenset[str]) -> tuple[str, bool]:
    """The run without small words and titles at its edges, and whether there was a title."""
    words = run.split()
    titled = False
    while words and (_plain(words[0]) in nobody or _plain(words[0]) in titles):
        titled = _plain(words.pop(0)) in titles or titled
    while words and _plain(words[-1]) in nobody:
        words.pop()
    name = re.sub(r"['’]s$", "", " ".join(words))
    return (name if len(name) > 1 else ""), titled


def _plain(word: str) -> str:
    return word.casefold().replace("’", "'").strip(".")


@lru_cache(maxsize=32)
def _nobody(language: str) -> frozenset[str]:
    tables = (lexicon.STOP_WORDS, lexicon.NOT_NAMES, lexicon.PRONOUNS, lexicon.CONNECTIVES, lexicon.DETERMINERS)
    words = {word for table in tables for word in table.get(language, "").casefold().split()}
    opener = lexicon.TIME_OPENERS.get(language, "")
    words |= {word for word, meanings in _vocabulary(language).exact.items() if meanings[0][0] == "time"}
    return frozenset(
        words | set(re.findall(r"(?<![\w\\])[^\W\d_]{2,}", opener)) | set(lexicon.LOCATIVES.get(language, "").split())
    )


def _is_somebody(seen: _Evidence, language: str, least: int) -> bool:
    if 2 * seen.placed > seen.seen or seen.seen < least:
        return False
    if seen.called and 3 * seen.articled <= seen.seen:
        return True
    if language == "de":  # every noun has a capital: only titles, speech and repeated deeds count
        spoke = seen.spoke >= max(1, least - 1) and 4 * seen.articled <= seen.seen
        return seen.titled > 0 or spoke or (seen.acting >= max(2, least) and 10 * seen.articled <= seen.seen)
    if 3 * seen.articled > seen.seen:  # `the Scarecrow` is somebody when he does something, `the Bible` is not
        return seen.acting >= 3 and 6 * seen.acting >= seen.seen and seen.inside > seen.seen / 2
    acts = seen.acting > 0 and (seen.inside > 0 or 2 * seen.acting >= seen.seen)
    return seen.titled > 0 or acts or (seen.inside >= 3 * least and 4 * seen.placed <= seen.seen)


def _one_name_each(names: list[str], evidence: dict[str, _Evidence]) -> list[str]:
    """Of names that share a word (`Sally`, `Sally Happer`) the one most often written."""
    kept: list[str] = []
    taken: set[str] = set()
    for name in sorted(names, key=lambda name: -evidence[name].seen):
        words = set(name.split())
        if not words & taken:
            kept.append(name)
            taken |= words
    return kept


# Languages without capitals: what stands where a speaker or a doer stands, and comes back.

_ZH_SAID = "说說道问問答喊叫曰想笑"
_ZH_NAME = re.compile(
    rf"(?:^|(?<=[\s，。！？；：、“”「」『』]))(?:[却且]?[说說])?([\u4e00-\u9fff]{{2,4}}?)(?<![大又便乃忙急笑怒高轻])(?:[大又便乃忙急笑怒高轻小]{{0,2}})(?:[{_ZH_SAID}])(?=[：:，,。“「道])",
    re.MULTILINE,
)
_ZH_CALLED = re.compile(
    r"(?:名叫|叫做|叫作|名字叫|字)([\u4e00-\u9fff]{2,4}?)(?=[，。、的；])|(?<![大喊呼哭惊尖鸣])叫([^\W我你他她它们這这那什做作人大小得着了一]{2,3}?)(?=[，。、！？的])"
)
_JA_NAME = re.compile(
    "([\u30a1-\u30fa\u30fc]{2,10})(?=[はがもをにのとへ、さく])|(?:^|(?<=[\\s。、「」]))([\u4e00-\u9fff]{2,4})(?=は|が、|も、|と[、言聞])|"
    "「([\u3041-\u3096]{2,5})[\u4e00-\u9fff」]|(?:^|(?<=[\\s。、「」]))([\u3041-\u3096]{2,4})(?=は、|が、|も、)|"
    "([\u4e00-\u9fff\u3041-\u3096\u30a1-\u30fa]{1,4})(?:さん|くん|ちゃん|様)",
    re.MULTILINE,
)
_KO_NAME = re.compile(r"(?<!\w)([\uac00-\ud7a3]{2,6}?)(?:은|는|이|가|께서|이는|이가)\s(?=[^.!?\n]{0,60})")
_KO_PERSON = r"(?:에게|한테|의|와|과|이와|랑|라는|이라는|라고|이라고|야|아)"
_AR_NAME = re.compile(
    r"(?<!\w)[وف]?(?:قال|قالت|سأل|سألت|أجاب|أجابت|صاح|صاحت|همس|همست)(?:\s+ل[هك]\w?)?\s+([\u0621-\u064a]{3,})"
)
_AR_DOES = re.compile(r"(?<!\w)(?:كان|كانت|بينما كان|وكان|وكانت)\s+([\u0621-\u064a]{3,})\s+ي[\u0621-\u064a]{2,}")
_HI_NAME = re.compile(
    r"(?<![\w\u0900-\u0963])([\u0904-\u0939][\u0900-\u0963]{1,14})\s+(?:ने|बोला|बोली|बोले)(?![\w\u0900-\u0963])"
)


def _zh_names(text: str) -> list[str]:
    least = _least_sightings(text)
    said = Counter(match.group(1) for match in _ZH_NAME.finditer(text))
    called = {match.group(1) or match.group(2) for match in _ZH_CALLED.finditer(text)}
    names = {name for name, count in said.items() if count >= least} | {name for name in called if text.count(name) > 1}
    return _unlike("zh", text, names, least=2)


def _ja_names(text: str) -> list[str]:
    counts = Counter(next(filter(None, match.groups())) for match in _JA_NAME.finditer(text))
    return _unlike("ja", text, {name for name, count in counts.items() if count > 2}, least=3)


def _ko_names(text: str) -> list[str]:
    counts = Counter(match.group(1) for match in _KO_NAME.finditer(text))
    names = {name for name, count in counts.items() if count > 2 and re.search(f"(?<!\\w){name}{_KO_PERSON}", text)}
    return _unlike("ko", text, names, least=3)


def _ar_names(text: str) -> list[str]:
    counts = Counter(match.group(1) for pattern in (_AR_NAME, _AR_DOES) for match in pattern.finditer(text))
    least = _least_sightings(text)
    return _unlike("ar", text, {name for name, count in counts.items() if count >= least}, least=least)


def _hi_names(text: str) -> list[str]:
    counts = Counter(match.group(1) for match in _HI_NAME.finditer(text))
    least = _least_sightings(text)
    names = {name for name, count in counts.items() if count >= least and not name.endswith("ों")}
    return _unlike("hi", text, names, least=least)


def _least_sightings(text: str) -> int:
    """How often somebody has to speak to be a name: once in a short text."""
    return 1 if len(text) < 3000 else 2


def _unlike(language: str, text: str, names: set[str], *, least: int) -> list[str]:
    """The names that are no small words and no piece of a longer name as frequent."""
    nobody = _nobody(language)
    counts = {name: text.count(name) for name in names if name not in nobody}
    kept = [name for name, count in counts.items() if count >= least]
    return [
        name
        for name in kept
        if not any(name != other and name in other and 2 * counts[other] > counts[name] for other in kept)
    ]


_NAME_FINDERS: dict[str, Callable[[str], list[str]]] = {
    "zh": _zh_names,
    "ja": _ja_names,
    "ko": _ko_names,
    "ar": _ar_names,
    "hi": _hi_names,
}


def _present(text: str, analysis: ScriptAnalysis) -> tuple[str, ...]:
    """Those of the story's characters whom the scene names, in order of appearance."""
    found = []
    for person in analysis.characters:
        if match := _name_pattern(person.name, analysis.language).search(text):
            found.append((match.start(), person.name))
    return tuple(name for _, name in sorted(found))


# --- Where, when, in what weather and mood ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Place:
    location: str | None
    kind: str | None


def _places(text: str, lines: list[_Line], hits: list[_Hit], language: str, people: set[str]) -> list[PlaceMention]:
    """Where the story goes: its sluglines' places, else its place words, one entry for each; most first.

    `the town square` and `the square` are one place, told by its last word (the place word itself), and named as it
    is most often.
    """
    slugs = [slug for line in lines if (slug := _slugline(text[line.start : line.end], language))]
    if slugs:
        named = [
            (slug.location.casefold(), slug.location, _slug_kind(slug, language)) for slug in slugs if slug.location
        ]
    else:
        places = _waters_told(_heads(text, [hit for hit in hits if hit.table == "place"]), {})
        named = [(_head_of(text[hit.start : hit.end]), _place_phrase(text, hit, language), hit.label) for hit in places]
        runs = _named_places(text, language, people)
        named += [(name.casefold(), name, None) for name, count in runs.items() for _ in range(count)]
    merged: defaultdict[str, list[tuple[str, str | None]]] = defaultdict(list)
    for head, name, kind in named:
        merged[head].append((name, kind))
    found = [
        PlaceMention(
            name=Counter(name for name, _ in told).most_common(1)[0][0],
            kind=Counter(kind for _, kind in told).most_common(1)[0][0],
            mentions=len(told),
        )
        for told in merged.values()
    ]
    return sorted(found, key=lambda place: -place.mentions)[:MOST_PLACES]


def _heads(text: str, places: list[_Hit]) -> list[_Hit]:
    """Without the place words that only tell which place the next word is: `town` in `town hall`."""
    nexts = [*places[1:], None][: len(places)]
    return [hit for hit, after in zip(places, nexts, strict=True) if not after or text[hit.end : after.start] != " "]


def _head_of(word: str) -> str:
    """What two ways of writing one place word share: no capital, no plural s."""
    folded = word.casefold()
    return folded[:-1] if len(folded) > 4 and folded.endswith("s") and not folded.endswith("ss") else folded


def _named_places(text: str, language: str, people: set[str]) -> Counter[str]:
    """Capitalised runs that mostly stand after a word of place: `in Natchitoches`."""
    if language not in lexicon.LOCATIVES or language == "de":
        return Counter()
    return Counter(
        {
            name: seen.placed
            for name, seen in _evidence(text, language).items()
            if seen.placed > 1 and 2 * seen.placed > seen.seen and name not in people and not seen.titled
        }
    )


_THREE_WORDS = re.compile(r"(?<=\s)(?:\S+ ){1,3}$")


def _place_phrase(text: str, hit: _Hit, language: str) -> str:
    """The place as written: its word, with up to two words before it back to the article (`old fish market`)."""
    place = text[hit.start : hit.end]
    edges = _Cast.of(language).determiners | _Cast.of(language).locatives
    before = _THREE_WORDS.search(" " + text[max(0, hit.start - 40) : hit.start])
    if not before or not _Cast.of(language).determiners:
        return place
    kept: list[str] = []
    for word in reversed(before.group().split()):
        if word.casefold() in edges:
            return " ".join([*kept, place])
        if not word[-1].isalpha() or len(kept) == 2 or word.casefold() in _nobody(language):
            break
        kept.insert(0, word)
    return place


def _scene_place(text: str, hits: list[_Hit], slug: _Slug | None, analysis: ScriptAnalysis) -> _Place:
    known = {place.kind: place.mentions for place in analysis.locations if place.kind}
    places = _waters_told([hit for hit in hits if hit.table == "place"], known)
    if slug:
        kind = _slug_kind(slug, analysis.language) or next(
            (hit.label for hit in places if hit.label != "interior"), None
        )
        return _Place(slug.location or None, kind)
    if not places:
        return _Place(_known_place(text, analysis), None)
    weights: defaultdict[str, float] = defaultdict(float)
    for hit in places:
        weights[hit.label] += _place_weight(text, hit, analysis.language)
    kind = max(weights, key=lambda label: weights[label])
    ours = [hit for hit in places if hit.label == kind]
    best = max(ours, key=lambda hit: _place_weight(text, hit, analysis.language))
    return _Place(_place_phrase(text, best, analysis.language), kind)


_NOWHERE = _Place(None, None)


def _waters_told(places: list[_Hit], known: Mapping[str, int]) -> list[_Hit]:
    """The places with mere `water` made a river or the sea, whichever the places around it or the story speak of."""
    kinds = Counter(hit.label for hit in places) + Counter(known)
    kind = "sea" if kinds["sea"] + kinds["beach"] > kinds["river"] else "river"
    return [dataclasses.replace(hit, label=kind) if hit.label == "water" else hit for hit in places]


def _place_weight(text: str, hit: _Hit, language: str) -> float:
    """A place word counts three times after "in" or "through": people are there rather than speak of it."""
    locatives = _Cast.of(language).locatives
    if not locatives:
        return 1.0
    before = _SENTENCE_BREAK.split(text[max(0, hit.start - 32) : hit.start])[-1].casefold().split()[-3:]
    return 3.0 if any(word in locatives for word in before) else 1.0


_SENTENCE_BREAK = re.compile(r"[.!?;:…\n]")


def _known_place(text: str, analysis: ScriptAnalysis) -> str | None:
    for place in analysis.locations:
        if place.kind is None and _name_pattern(place.name, analysis.language).search(text):
            return place.name
    return None


def _slug_kind(slug: _Slug, language: str) -> str | None:
    hits = [hit for code in dict.fromkeys((language, "en")) for hit in _hits(slug.location, code)]
    kinds = [hit.label for hit in _waters_told([hit for hit in hits if hit.table == "place"], {})]
    if slug.inside:
        return "cave" if "cave" in kinds else "interior"
    return next((kind for kind in kinds if kind != "interior"), None)


def _time_of_day(text: str, hits: list[_Hit], language: str) -> Any:
    """As `_strongest`, but what stands in a time expression ("in the evening") counts three times."""
    phrase, _ = _time_patterns(language)
    told = [match.span() for match in phrase.finditer(text)]
    weights: defaultdict[str, float] = defaultdict(float)
    for hit in hits:
        if hit.table == "time":
            phrased = " " in text[hit.start : hit.end] or _within(told, hit.start)
            weights[hit.label] += (3 if phrased else 1) + (hit.start < 200)
    return max(weights, key=lambda label: weights[label]) if weights else None


def _strongest(hits: list[_Hit], table: str, text: str) -> Any:
    """The label with most words in the scene; those in its first 200 characters count double, phrases treble."""
    weights: defaultdict[str, float] = defaultdict(float)
    for hit in hits:
        if hit.table == table:
            weights[hit.label] += 3 if " " in text[hit.start : hit.end] else 2 if hit.start < 200 else 1
    return max(weights, key=lambda label: weights[label]) if weights else None


def _mood(hits: list[_Hit], text: str) -> str | None:
    """The mood with most words: at least two (one in under 600 characters) and a quarter of all mood words."""
    counts = Counter(hit.label for hit in hits if hit.table == "mood")
    if not counts:
        return None
    mood, count = counts.most_common(1)[0]
    least = 1 if len(text) < 600 else 2
    return mood if count >= least and 4 * count >= counts.total() else None


def _opens_chapter(text: str) -> bool:
    """Whether the scene begins with the heading of a chapter or a part."""
    lines = _lines(text[:2000])
    return bool(lines) and lines[0].end - lines[0].start <= 120 and _rank(text, lines[0])[0] >= 3.0


def _body_start(text: str, lines: list[_Line]) -> int:
    """Where the scene begins after its title and headings; sluglines stay, they are read as what they are."""
    for i, line in enumerate(lines[:6]):
        words = text[line.start : line.end]
        heading = len(words) <= 120 and bool(_rank(text, line)[0])
        title = i == 0 and len(lines) > 1 and _stands_as_title(text, lines, 0)
        if not (heading or title) or is_slugline(words):
            return line.start if i else 0
    return 0


def _carried(before: SceneFacts, facts: SceneFacts, text: str, language: str) -> SceneFacts:
    same_time = facts.time_of_day == "unknown" and not _jumps(text, language)
    same_place = facts.location is None and facts.place_kind is None
    return dataclasses.replace(
        facts,
        time_of_day=before.time_of_day if same_time else facts.time_of_day,
        location=before.location if same_place else facts.location,
        place_kind=before.place_kind if same_place else facts.place_kind,
    )


def _jumps(text: str, language: str) -> bool:
    """Whether a time is told near the beginning of the scene."""
    phrase, _ = _time_patterns(language)
    return phrase.search(text, 0, 200) is not None


# --- Who he and she are ----------------------------------------------------------------------------------------

Gender = Literal["he", "she"]
_GENDERS: tuple[Gender, Gender] = ("he", "she")
_NOBODY: tuple[str, ...] = ()
_CARRYING_CHARS = 500  # of a scene are searched for a pronoun that takes up somebody from the scene before
_GENDER_CHARS = 300_000  # of a story are searched for who is he and who is she
_GENDER_REACH = 160  # characters after a name in which a pronoun is taken for it
_SPOKEN = re.compile(  # on one line, and of a length that a row of opening marks cannot make slow
    "“[^”\n]{0,900}”|„[^“”\n]{0,900}[“”]|«[^»\n]{0,900}»|»[^«\n]{0,900}«|「[^」\n]{0,900}」|『[^』\n]{0,900}』|"
    '"[^"\n]{0,900}"|(?<!\\w)‘[^\n]{0,900}?’(?!\\w)'
)


def read_genders(text: str, names: Iterable[str], language: str) -> dict[str, Gender]:
    """Which of these people the story calls he or she, by words beside the name and pronouns after it; those it does
    not tell are left out.
    """
    pronouns = _carrying(language)
    if pronouns is None:
        return {}
    narrated = _narrated(text[:_GENDER_CHARS])
    words = _gender_words(language)
    mentions = sorted(
        (match.start(), match.end(), name)
        for name in names
        for match in _name_pattern(name, language).finditer(narrated)
    )
    votes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    subjects = [  # the first named in each sentence: a pronoun after it is more likely its than another's
        (start, end, name)
        for (_, before, _), (start, end, name) in pairwise([(0, 0, ""), *mentions])
        if before == 0 or _STOP.search(narrated, before, start)
    ]
    for start, end, name in mentions:
        if beside := _gender_beside(narrated, start, end, words, language):
            votes[name][beside] += 3
    for i, (_, end, name) in enumerate(subjects):
        until = min(end + _GENDER_REACH, subjects[i + 1][0] if i + 1 < len(subjects) else len(narrated))
        other = words["any"].search(narrated, end, until)
        match = pronouns.search(narrated, end, other.start() if other else until)
        if match and match.lastgroup in ("he", "she"):
            votes[name][match.lastgroup] += 1
        elif match and match.lastgroup == "sie" and not _is_plural_sie(narrated, match):
            votes[name]["she"] += 1
    found: dict[str, Gender] = {}
    for name, counted in votes.items():
        if counted["he"] >= 2 * counted["she"] and counted["he"]:
            found[name] = "he"
        elif counted["she"] >= 2 * counted["he"]:
            found[name] = "she"
    return found


def _gender_beside(text: str, start: int, end: int, words: dict[str, re.Pattern[str]], language: str) -> Gender | None:
    """`King Aldo`, `the boy Pawel`, `Pip, a small girl`: what the words right beside a name say."""
    before = text[max(0, start - 24) : start].rpartition("\n")[2]
    tail = before if language in _BY_CHARACTER else " ".join(re.split(r"[,.;:!?]", before)[-1].split()[-1:])
    article = _GERMAN_ARTICLE.search(before) if language == "de" else None
    if article:  # `der alte Thomas`
        return "he" if article.group(1).casefold() == "der" else "she"
    apposition = _APPOSITION.match(text, end, end + 40)
    told = (tail, apposition.group(1) if apposition else "")
    for side in told:
        for gender in _GENDERS:
            if side and words[gender].search(side):
                return gender
    return None


_STOP = re.compile(rf"[{_STOPS}\n]")
_GERMAN_ARTICLE = re.compile(r"\b(der|die)\s+(?:[a-zäöüß]+e\s+)?$", re.IGNORECASE)
_APPOSITION = re.compile(r",\s+(?:an?|the|ein\w*|der|die|das|une?|le|la|una?|el|il|uma?|um|o|a)\s+((?:\w+\s+){0,2}\w+)")


def _narrated(text: str) -> str:
    """The text with speech blanked out, every character in its place."""
    return _SPOKEN.sub(lambda match: " " * len(match.group()), text)


@lru_cache(maxsize=32)
def _carrying(language: str) -> re.Pattern[str] | None:
    words = lexicon.CARRYING.get(language)
    if not words:
        return None
    groups = "|".join(f"(?P<{kind}>{expression})" for kind, expression in words.items())
    return re.compile(groups if language in _BY_CHARACTER else rf"(?<![\w’'-])(?:{groups})(?![\w-])", re.IGNORECASE)


@lru_cache(maxsize=32)
def _gender_words(language: str) -> dict[str, re.Pattern[str]]:
    """Patterns for the words that tell `he`, `she`, and either (`any`)."""
    tables = {"he": lexicon.HE_WORDS.get(language, ""), "she": lexicon.SHE_WORDS.get(language, "")}
    tables["any"] = " ".join(tables.values())
    edges = ("", "") if language in _BY_CHARACTER else (r"(?<!\w)", r"(?!\w)")
    return {
        kind: re.compile(f"{edges[0]}(?:{'|'.join(words.split()) or '(?!)'}){edges[1]}", re.IGNORECASE)
        for kind, words in tables.items()
    }


def _is_plural_sie(text: str, match: re.Match[str]) -> bool:
    """German `sie` is they beside a verb in -n: `sie gingen`, `dann liefen sie`; with a capital inside, polite you."""
    after = _FIRST_WORD.match(text, match.end() + 1, match.end() + 24)
    before = text[max(0, match.start() - 24) : match.start()].split()[-1:]
    beside = [word for word in ((after.group() if after else ""), *before) if word.islower()]
    return any(word in ("sind", "waren") or (word.endswith("en") and len(word) > 4) for word in beside)


def _people_carried(
    text: str, facts: SceneFacts, before: SceneFacts, last: tuple[str, ...], genders: dict[str, Gender], language: str
) -> tuple[str, ...]:
    """Who is in the scene: those it names, and those of the scene before whom its pronouns take up, in order."""
    if not last:
        return facts.characters
    narrated = _narrated(text[: 4 * _CARRYING_CHARS])
    found = [(_first_mention(text, name, language), name) for name in facts.characters]
    met = False
    for kind, offset in _first_pronouns(narrated, language):
        met = True
        named = [name for at, name in sorted(found) if at < offset]
        for name in _meant(kind, narrated[:offset], named, last, genders, language):
            if all(name != other for _, other in found):
                found.append((offset, name))
    same_place = facts.place_kind is None or facts.place_kind == before.place_kind
    if not found and not met and same_place and not _jumps(text, language):
        return before.characters
    return tuple(name for _, name in sorted(found, key=lambda pair: pair[0]))


def _first_pronouns(narrated: str, language: str) -> list[tuple[str, int]]:
    """The first he, she and they near the beginning of a scene, as (kind, offset)."""
    pattern = _carrying(language)
    found: dict[str, int] = {}
    for match in pattern.finditer(narrated, 0, _CARRYING_CHARS) if pattern else ():
        kind = match.lastgroup or ""
        if kind == "sie":
            kind = "they" if _is_plural_sie(narrated, match) else "she"
        found.setdefault(kind, match.start())
    return list(found.items())


def _meant(
    kind: str, told: str, named: list[str], last: tuple[str, ...], genders: dict[str, Gender], language: str
) -> list[str]:
    """Whom of the scene before a pronoun means: nobody when somebody it may stand for was named in this scene."""
    if kind == "they":
        return list(last) if len(named) < 2 else []
    wanted = {kind} if kind in ("he", "she") else {"he", "she"}
    if any(genders.get(name, kind) in wanted for name in named) or _gender_words(language)[
        kind if kind != "one" else "any"
    ].search(told):
        return []
    sure = [name for name in last if genders.get(name) in wanted]
    unsure = [name for name in last if name not in genders]
    return (sure or unsure)[-1:]


def _first_mention(text: str, name: str, language: str) -> int:
    match = _name_pattern(name, language).search(text)
    return match.start() if match else 0


def _by_last_mention(text: str, named: tuple[str, ...], present: tuple[str, ...], language: str) -> tuple[str, ...]:
    """Those present, the one last named at the end; those only carried on stand before them."""
    ends = {name: max(m.start() for m in _name_pattern(name, language).finditer(text)) for name in named}
    return tuple(sorted(dict.fromkeys((*present, *named)), key=lambda name: ends.get(name, -1)))


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
    if not any(character.isalnum() for character in text):
        raise ValueError("The story has no words.")
    possible = max_scenes(text)
    analysis = analyze_script(text, max_scenes=most)
    wanted = analysis.recommended_scenes if num_scenes is None else num_scenes
    if wanted > possible:
        raise ValueError(f"The story cannot be cut into {wanted} scenes, only into {possible}.")
    borders = [(segment.start, segment.end) for segment in split_story(text, wanted)]
    return StoryReading(scene_title(text), analysis, tuple(read_borders(text, borders, analysis)))


def read_borders(text: str, borders: Sequence[tuple[int, int]], analysis: ScriptAnalysis) -> list[SceneReading]:
    """The scenes with these borders (start, end), given in story order; pure and picklable."""
    texts = [text[start:end] for start, end in borders]
    facts = read_scenes(texts, analysis)
    return [
        SceneReading(start, end, scene_title(words), found)
        for (start, end), words, found in zip(borders, texts, facts, strict=True)
    ]


# --- Project files ---------------------------------------------------------------------------------------------

_SESSION_NAME = re.compile(r"[0-9a-f]{32}")
_IMAGE_NAME = re.compile(r"[0-9a-f]{12}-v\d{1,6}-[0-9a-f]{8}\.(?:jpg|png|webp)")
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest a ZIP can say: the same input gives the same bytes
_ZIP_CHUNK_BYTES = 256 * 1024


UNFINISHED_NAME = ".new-"  # how the name of a file begins that is still being written


class ProjectFiles:
    """The files of every session under one folder. Each method blocks on the disk: call it off the event loop.

    A file is written under a temporary name, synced and renamed, so that what has its name is whole. A picture lies
    once under `.pictures/`, by the SHA-256 of its bytes, and as a hard link in each session that shows it: removing
    a session never takes a picture from another.
    """

    remote = False  # whether they lie on another machine, so that `/health` tells how it is

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def local(self) -> ProjectFiles:
        """Those on this machine's disk."""
        return self

    def check(self) -> None:
        """Raises `StorageUnavailable` when it is known that nothing can be kept now; never waits."""

    def folder(self, session_id: str) -> Path:
        """Where a session's files lie; raises `SessionNotFound` for what cannot be a session's id."""
        if not _SESSION_NAME.fullmatch(session_id):
            raise SessionNotFound(session_id)
        return self.root / session_id

    def write(self, session_id: str, name: str, content: bytes) -> None:
        """Write one file of a session, whole or not at all; raises `StorageUnavailable`."""
        write_whole(self.folder(session_id) / name, content)

    def read(self, session_id: str, name: str) -> bytes:
        """One file of a session; raises `StorageUnavailable` when it cannot be read."""
        with _storage_errors():
            return (self.folder(session_id) / name).read_bytes()

    def unlink(self, session_id: str, name: str) -> None:
        """Remove one file of a session, if it is there; raises `StorageUnavailable`."""
        with _storage_errors():
            (self.folder(session_id) / name).unlink(missing_ok=True)

    def begin(self, path: Path) -> Path:
        """A name of its own for a file on its way to `path`; raises `StorageUnavailable`."""
        with _storage_errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=UNFINISHED_NAME, suffix=path.suffix)
            os.close(handle)
            return Path(temporary)

    def finish(self, temporary: Path, path: Path, *, keep: int) -> None:
        """Have a file that was written under another name at `path`; only the newest `keep` beside it stay."""
        with _storage_errors():
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
            whole = [each for each in path.parent.iterdir() if not each.name.startswith(UNFINISHED_NAME)]
            for old in sorted(whole, key=lambda each: each.stat().st_mtime, reverse=True)[keep:]:
                old.unlink(missing_ok=True)
            _sync_folder(path.parent)

    def sessions(self, having: str) -> list[str]:
        """The ids of the sessions whose folder has a file of that name."""
        return sorted(path.parent.name for path in self.root.glob(f"*/{having}") if is_session_id(path.parent.name))

    def keep_picture(self, content: bytes, suffix: str) -> str:
        """Store a picture's bytes and return their name, `{sha256}.{suffix}`; raises `StorageUnavailable`."""
        name = self.name_of(content, suffix)
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

    def read_picture(self, kept_name: str) -> bytes:
        """The bytes of a picture stored with `keep_picture`; raises `StorageUnavailable` when it is gone."""
        with _storage_errors():
            return self._kept(kept_name).read_bytes()

    def link_picture(self, kept_name: str, session_id: str, scene_id: str, version: int) -> str:
        """Show a stored picture in a session; returns its file name, `{scene_id}-v{version}-{hash8}.{suffix}`."""
        name = self.shown_name(kept_name, scene_id, version)
        target = self.folder(session_id) / "images" / name
        if not target.is_file():
            with _storage_errors():
                target.parent.mkdir(parents=True, exist_ok=True)
                _link_or_copy(self._kept(kept_name), target)
        return name

    def picture(self, session_id: str, file: str) -> Path:
        """The path of a session's picture; raises `ImageNotFound`."""
        path = self.picture_path(session_id, file)
        if not path.is_file():
            raise ImageNotFound
        return path

    def pictures(self, session_id: str, files: Sequence[str]) -> list[Path]:
        """The same for several, in order."""
        return [self.picture(session_id, file) for file in files]

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

    @staticmethod
    def name_of(content: bytes, suffix: str) -> str:
        """What `keep_picture` calls a picture."""
        return f"{hashlib.sha256(content).hexdigest()}.{suffix}"

    @staticmethod
    def shown_name(kept_name: str, scene_id: str, version: int) -> str:
        """What `link_picture` calls it."""
        digest, _, suffix = kept_name.partition(".")
        return f"{scene_id}-v{version}-{digest[:8]}.{suffix}"

    def picture_path(self, session_id: str, file: str) -> Path:
        """Where a picture lies if it is there; raises `ImageNotFound` for what cannot be one's name."""
        if not _IMAGE_NAME.fullmatch(file) or not _SESSION_NAME.fullmatch(session_id):
            raise ImageNotFound
        return self.root / session_id / "images" / file

    def _kept(self, name: str) -> Path:
        return self.root / ".pictures" / name[:2] / name


def write_whole(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write a file so that it is there whole or not at all, even when the power goes; raises `StorageUnavailable`."""
    with _storage_errors():
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=UNFINISHED_NAME)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, mode)
            os.replace(temporary, path)
            _sync_folder(path.parent)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


def _sync_folder(folder: Path) -> None:
    """Have the names in it on disk too: a synced file may lose its new name when the power goes."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that knows no such thing
            raise
    finally:
        os.close(handle)


@contextlib.contextmanager
def _storage_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageUnavailable("The service cannot write to its disk.") from error


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
        _sync_folder(target.parent)
    except FileExistsError:
        return
    except OSError:  # a file system without hard links
        write_whole(target, source.read_bytes())


def zip_name(scene_number: int, title: str, suffix: str) -> str:
    """The name of a picture in a ZIP, `scene_00_title.jpg`."""
    return f"scene_{scene_number:02d}_{file_name(title, suffix)}"


def file_name(title: str, suffix: str) -> str:
    """A file's name by its title: any script, nothing a file system objects to."""
    plain = (char if char.isalnum() or _is_mark(char) else "_" for char in unicodedata.normalize("NFC", title))
    words = re.sub("__+", "_", "".join(plain)).strip("_")
    short = words.encode("utf-8")[:80].decode("utf-8", "ignore").strip("_")
    return f"{short or 'untitled'}.{suffix}"


_LINE_ENDS = re.compile("\r\n?|[\v\f\x85]")
_NOT_PRINTED = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def printable(text: str) -> str:
    """The text as XML and HTML can hold it: line ends as one sign, U+FFFD for what is no character to be seen."""
    return _NOT_PRINTED.sub("\ufffd", _LINE_ENDS.sub("\n", text))


def one_line(text: str) -> str:
    """The same on one line, as titles and captions are."""
    return " ".join(printable(text).split())


def _is_mark(char: str) -> bool:
    """Whether it belongs to the letter before it, as the vowels of Hindi do."""
    return unicodedata.category(char) in ("Mn", "Mc")


def stream_zip(entries: Iterable[tuple[str, Path | bytes]]) -> Iterator[bytes]:
    """A ZIP of these (name, content) pairs, chunk by chunk, stored without compression (pictures are compressed).

    Each content is read twice, so that its size and checksum stand before it while no more than a chunk is held: a
    program that reads a ZIP from a pipe cannot tell otherwise where a stored entry ends. The same entries give the
    same bytes.
    """
    infos: list[zipfile.ZipInfo] = []
    offset = 0
    for name, content in entries:
        info = zipfile.ZipInfo(name, date_time=_ZIP_TIME)
        info.external_attr = 0o644 << 16
        info.header_offset, info.CRC = offset, 0
        for chunk in _chunks_of(content):
            info.CRC = zlib.crc32(chunk, info.CRC)
            info.file_size += len(chunk)
        info.compress_size = info.file_size
        before = info.FileHeader()
        offset += len(before) + info.file_size
        for chunk in _chunks_of(content):
            yield before + chunk
            before = b""
        if before:
            yield before
        infos.append(info)
    sink = _Sink(offset)
    with zipfile.ZipFile(sink, "w", allowZip64=True) as archive:
        archive.infolist().extend(infos)  # it writes where they all are
    yield bytes(sink.written)


def _chunks_of(content: Path | bytes) -> Iterator[bytes]:
    with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as source:
        while chunk := source.read(_ZIP_CHUNK_BYTES):
            yield chunk


class _Sink(io.RawIOBase):
    """Takes what is written after the first `offset` bytes of a file, which have gone already."""

    def __init__(self, offset: int) -> None:
        self._offset = offset
        self.written = bytearray()

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._offset + len(self.written)

    def write(self, chunk: Any, /) -> int:
        self.written += chunk
        return len(chunk)


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


def entity_tag(body: bytes, version: int | str | None = None) -> str:
    """A strong HTTP entity tag, quoted: the same tag is the same bytes. A version is told in front of the digest."""
    digest = hashlib.sha256(body).hexdigest()[:16]
    return f'"{digest}"' if version is None else f'"{version}-{digest}"'


def derive_seed(*parts: object) -> int:
    """A seed from 0 to 2³¹-1 that follows from its parts, the same on every machine."""
    return int(fingerprint([str(part) for part in parts])[:8], 16) & MAX_SEED


async def end_task(task: asyncio.Task[Any]) -> None:
    """Cancel a task until it has ended: some libraries swallow a cancellation that comes while they wait."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=0.2)


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
