"""Makes an animatic, an animated WebP: every picture for as long as its text takes to read.

Every frame is encoded on its own and written at once: Pillow would hold all of them decoded.
"""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from models import Book, ExportOptions

if TYPE_CHECKING:
    from PIL import Image

MOST_PIXELS = 1024  # the longer side
QUALITY = 80
EFFORT = 2  # of 6: more takes twice the time for a few percent
LETTERS_A_SECOND = 17  # 200 words a minute
SIGNS_A_SECOND = 6  # of Han, kana and hangul
LEAST_SECONDS, MOST_SECONDS = 2.0, 12.0

ANIMATED = 0x02  # the flag of the file's head
WHOLE_FRAME = 0x02  # a frame replaces what was there, nothing shines through


def write_webp(book: Book, options: ExportOptions, path: Path) -> None:
    """Write the animation, which plays again and again; raises `OSError`."""
    size = frame_size(book)
    with path.open("wb") as file:
        file.write(chunk(b"RIFF", b""))
        file.write(b"WEBP" + head(size))
        for piece in frames(book, size):
            file.write(piece)
        length = file.tell() - 8
        file.seek(4)
        file.write(length.to_bytes(4, "little"))


def seconds(text: str) -> float:
    """How long a text is on the screen."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    reading = wide / SIGNS_A_SECOND + (len(text) - wide) / LETTERS_A_SECOND
    return min(MOST_SECONDS, max(LEAST_SECONDS, reading))


def frame_size(book: Book) -> tuple[int, int]:
    """The first picture's shape, at most `MOST_PIXELS` a side and never larger than it is."""
    width, height = book.scenes[0].width, book.scenes[0].height
    share = min(1.0, MOST_PIXELS / max(width, height))
    return max(1, round(width * share)), max(1, round(height * share))


def head(size: tuple[int, int]) -> bytes:
    """What an animation begins with (the chunks VP8X and ANIM of the WebP container): a black ground, no last round."""
    canvas = bytes([ANIMATED, 0, 0, 0]) + less_one(size)
    return chunk(b"VP8X", canvas) + chunk(b"ANIM", b"\x00\x00\x00\xff" + b"\x00\x00")


def frames(book: Book, size: tuple[int, int]) -> Iterator[bytes]:
    """The frames, one at a time, each with its place, its time and its picture (the chunk ANMF)."""
    for scene in book.scenes:
        duration = round(1000 * seconds(scene.text)).to_bytes(3, "little")
        place = bytes(6) + less_one(size) + duration + bytes([WHOLE_FRAME])
        yield chunk(b"ANMF", place + lossy(frame(scene.picture, size)))


def frame(picture: Path, size: tuple[int, int]) -> Image.Image:
    """The picture on a black ground of that size, whole."""
    from PIL import Image, ImageOps

    with Image.open(picture) as image:
        image.draft("RGB", size)
        return ImageOps.pad(image.convert("RGB"), size, Image.Resampling.LANCZOS, color="black")


def lossy(image: Image.Image) -> bytes:
    """The picture's own chunk of a WebP file."""
    content = io.BytesIO()
    image.save(content, "WEBP", quality=QUALITY, method=EFFORT)
    file, at = content.getvalue(), 12
    while file[at : at + 4] != b"VP8 ":
        at += 8 + int.from_bytes(file[at + 4 : at + 8], "little") + file[at + 4] % 2
    return file[at : at + 8 + int.from_bytes(file[at + 4 : at + 8], "little") + file[at + 4] % 2]


def chunk(name: bytes, content: bytes) -> bytes:
    """A part of a RIFF file, its length even."""
    return name + len(content).to_bytes(4, "little") + content + bytes(len(content) % 2)


def less_one(size: tuple[int, int]) -> bytes:
    """A width and a height as the container writes them."""
    return b"".join((side - 1).to_bytes(3, "little") for side in size)
