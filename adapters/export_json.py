"""Hands over the whole project for programs: settings, bible, scenes with their words, how each picture was made."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models import Book, ExportOptions


def json_chunks(book: Book, options: ExportOptions) -> Iterator[bytes]:
    """What `project_info.json` and `scenes.json` of a ZIP tell, in one document, of the scenes handed over."""
    files = dict(book.files)
    project, scenes = _read(files["project_info.json"]), _read(files["scenes.json"])
    versions: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for picture in project.pop("pictures"):
        versions[picture.pop("scene_id")].append({k: v for k, v in picture.items() if k != "scene_number"})
    project["story_text"] = book.story_text
    project["scenes"] = [scene | {"versions": versions[scene["scene_id"]]} for scene in scenes if scene["file"]]
    yield json.dumps(project, ensure_ascii=False, indent=1).encode("utf-8", "replace")


def _read(content: Path | bytes) -> Any:
    return json.loads(content if isinstance(content, bytes) else content.read_bytes())
