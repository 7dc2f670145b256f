"""Reads the document on standard input under limits, and writes what came of it to standard output as JSON."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys

NICENESS = 10  # the service, whose answers must not wait for a document, comes first
OPEN_FILES = 64


def main() -> int:
    """0 when there is an answer, be it that the document cannot be read. Arguments: one JSON object."""
    given = json.loads(sys.argv[1])
    _confine(given["memory_bytes"], given["seconds"])
    from adapters.documents import read_document
    from models import RequestError

    answer: dict[str, str]
    try:
        with open(0, "rb", closefd=False) as file:
            document = read_document(file, given["name"], max_chars=given["max_chars"])
        answer = {"title": document.title, "story_text": document.story_text}
    except RequestError as error:
        answer = {"code": error.code, "message": str(error)}
    except MemoryError:
        return 2
    except Exception as error:
        # Whatever a parser stumbles over, the document is the reason; its words stay out of the message.
        answer = {"code": "broken_document", "message": "", "stumbled": type(error).__name__}
    sys.stdout.buffer.write(json.dumps(answer, ensure_ascii=False).encode("utf-8"))
    return 0


def _confine(memory_bytes: int, seconds: int) -> None:
    """From here on: so much memory, so much time, by the clock and of the processor; then this process is ended."""
    os.nice(NICENESS)
    limits = {
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_NOFILE: OPEN_FILES,
    }
    for limit, most in limits.items():
        try:
            resource.setrlimit(limit, (most, most))
        except (ValueError, OSError):  # macOS knows no limit of address space
            continue
    signal.alarm(seconds + 1)


if __name__ == "__main__":
    sys.exit(main())
