"""Loads the stories in `examples/` into a running service, waits for their pictures and approves them."""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from pathlib import Path
from typing import Any

import httpx

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
SUFFIXES = (".txt", ".fountain")
UNFINISHED = ("pending", "processing")
WAIT_SECONDS = 30


def main() -> int:
    """0 when every story is there; repeating it makes nothing twice (each story has its Idempotency-Key)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://localhost:8000", help="where the service is")
    parser.add_argument("--key", default=os.environ.get("STORY_API_KEY"), help="an API key, where the service asks")
    options = parser.parse_args()
    headers = {"X-API-Key": options.key} if options.key else {}
    with httpx.Client(base_url=options.url, headers=headers, timeout=WAIT_SECONDS + 30) as client:
        try:
            for story in sorted(path for path in EXAMPLES.iterdir() if path.suffix in SUFFIXES):
                print(seed(client, story), flush=True)
        except httpx.HTTPStatusError as error:
            print(f"{error.request.url.path}: {error.response.status_code} {detail(error.response)}", file=sys.stderr)
            return 1
        except httpx.TransportError as error:
            print(f"No service answers at {options.url}: {error}", file=sys.stderr)
            return 1
    return 0


def seed(client: httpx.Client, story: Path) -> str:
    """Generate, wait, approve; a line that says what came of it."""
    text = story.read_text("utf-8")
    key = f"seed-{story.stem}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    made = call(client, "POST", "/generate", json={"story_text": text}, headers={"Idempotency-Key": key})
    session = finished(client, made["session_id"])
    ready = [scene["scene_number"] for scene in session["scenes"] if scene["status"] == "ready"]
    if ready:
        call(client, "POST", "/approve", json={"session_id": made["session_id"], "approved_scenes": ready})
    return f"{made['session_id']}  {session['status']}  {len(ready)}/{len(session['scenes'])}  {session['title']}"


def finished(client: httpx.Client, session_id: str) -> dict[str, Any]:
    """The session once it has nothing left to do; each question waits for the next change."""
    etag = ""
    while True:
        response = client.get(f"/status/{session_id}", params={"wait": WAIT_SECONDS}, headers={"If-None-Match": etag})
        if response.status_code == httpx.codes.NOT_MODIFIED:
            continue
        response.raise_for_status()
        session: dict[str, Any] = response.json()
        if session["status"] not in UNFINISHED:
            return session
        etag = response.headers["ETag"]


def call(client: httpx.Client, method: str, path: str, **options: Any) -> dict[str, Any]:
    response = client.request(method, path, **options)
    response.raise_for_status()
    body: dict[str, Any] = response.json()
    return body


def detail(response: httpx.Response) -> str:
    """The sentence of a problem document, or nothing."""
    try:
        return str(response.json().get("detail", ""))
    except ValueError:
        return ""


if __name__ == "__main__":
    sys.exit(main())
