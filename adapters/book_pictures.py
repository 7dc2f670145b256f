"""Pictures for files that a library makes whole in memory: it gets a stand-in of one dot for each of them.

Whoever writes the library's file then puts the pictures in, one at a time.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

MOST_PIXELS = 2480  # a side: 300 dots an inch across A4
JPEG_QUALITY = 90

_MARK = re.compile(rb"picture (\d{6}) of the story: ")


def stand_in(number: int, name: str) -> bytes:
    """One dot as a JPEG that says whose place it keeps; another picture's name makes other bytes."""
    from PIL import Image

    content = io.BytesIO()
    comment = b"picture %06d of the story: " % number + name.encode()
    Image.new("RGB", (1, 1)).save(content, "JPEG", comment=comment)
    return content.getvalue()


def standing_in(content: bytes) -> int | None:
    """The number of the picture whose place is kept here, if any is."""
    found = _MARK.search(content, 0, 200)
    return int(found[1]) if found else None


def as_jpeg(picture: Path) -> tuple[bytes, int, int]:
    """The picture's file where it is a JPEG that will do, else made one; with its width and height."""
    from PIL import Image

    with Image.open(picture) as image:
        if image.format == "JPEG" and image.mode == "RGB" and max(image.size) <= MOST_PIXELS:
            return picture.read_bytes(), *image.size
        image.thumbnail((MOST_PIXELS, MOST_PIXELS), Image.Resampling.LANCZOS)
        content = io.BytesIO()
        on_white(image).save(content, "JPEG", quality=JPEG_QUALITY)
        return content.getvalue(), *image.size


def on_white(image: Image.Image) -> Image.Image:
    """The picture in plain colours; what is transparent is white."""
    from PIL import Image

    if not image.has_transparency_data:
        return image.convert("RGB")
    paper = Image.new("RGBA", image.size, "white")
    paper.alpha_composite(image.convert("RGBA"))
    return paper.convert("RGB")
