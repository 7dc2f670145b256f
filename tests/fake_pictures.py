"""Real pictures of any size in pixels and bytes, painted once and then told apart by a few bytes each."""

from __future__ import annotations

import functools
import hashlib
import io
import struct
import zlib

from PIL import Image, ImageFilter

Colour = tuple[int, int, int]

MARK_BYTES = 64  # room in which each copy of a picture carries its own id
_MAX_COMMENT = 65_533
_PNG_END = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
CONTENT_TYPES = {"JPG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}


def picture(
    width: int, height: int, *, size_bytes: int, kind: str = "JPG", mark: str = "", bars: tuple[Colour, ...] = ()
) -> bytes:
    """A picture of that kind (JPG, PNG, WEBP) that decoders accept, at least `size_bytes` long (WEBP as it comes).

    `mark` makes the bytes this picture's own, as a real provider's would be, at the price of one copy. `bars` are
    painted over its upper eighth, from left to right.
    """
    start, end = _template(width, height, size_bytes, kind, bars)
    if kind == "JPG":
        return start + _jpeg_comment(mark.encode().ljust(MARK_BYTES)[:MARK_BYTES]) + end
    if kind == "PNG":
        return start + _png_chunk(b"idNt", mark.encode().ljust(MARK_BYTES)[:MARK_BYTES]) + end
    return start


@functools.lru_cache(maxsize=32)
def _template(width: int, height: int, size_bytes: int, kind: str, bars: tuple[Colour, ...]) -> tuple[bytes, bytes]:
    """The picture in two halves, with the place for the mark between them."""
    painted = _paint(width, height, kind, bars)
    missing = size_bytes - len(painted) - MARK_BYTES
    if kind == "JPG":
        return painted[:2] + _jpeg_padding(missing), painted[2:]
    if kind == "PNG":
        padding = _png_chunk(b"paDd", b"\0" * missing) if missing > 0 else b""
        return painted[: -len(_PNG_END)] + padding, _PNG_END
    return painted, b""


def bar_colour(content: bytes) -> Colour:
    """The colour by which a reference picture is told in the pictures drawn after it."""
    digest = hashlib.sha256(content).digest()
    return digest[0], digest[1], digest[2]


def bar_at(number: int, count: int, width: int, height: int) -> tuple[int, int]:
    """The middle of a bar."""
    return (2 * number + 1) * width // (2 * count), height // 16


def _paint(width: int, height: int, kind: str, bars: tuple[Colour, ...]) -> bytes:
    noise = Image.effect_noise((max(1, width // 8), max(1, height // 8)), 60).resize((width, height))
    image = Image.merge(
        "RGB", (noise, noise.filter(ImageFilter.BoxBlur(4)), Image.linear_gradient("L").resize((width, height)))
    )
    for number, colour in enumerate(bars):
        left, right = number * width // len(bars), (number + 1) * width // len(bars)
        image.paste(colour, (left, 0, right, max(1, height // 8)))
    out = io.BytesIO()
    if kind == "JPG":
        image.save(out, "JPEG", quality=80)
    else:
        image.save(out, kind)
    return out.getvalue()


def _jpeg_padding(missing: int) -> bytes:
    """COM segments after the start marker: decoders skip them, the wire does not."""
    segments: list[bytes] = []
    while missing > 4:
        payload = min(_MAX_COMMENT, missing - 4)
        segments.append(_jpeg_comment(b" " * payload))
        missing -= payload + 4
    return b"".join(segments)


def _jpeg_comment(payload: bytes) -> bytes:
    return b"\xff\xfe" + struct.pack(">H", len(payload) + 2) + payload


def _png_chunk(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))
