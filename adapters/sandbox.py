"""Reads documents in a process of their own, which has limits and can be killed: whoever made one may mean harm."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP
from typing import BinaryIO

from models import (
    BrokenDocument,
    Document,
    DocumentTooLarge,
    DocumentUnreadable,
    RequestError,
    ServiceFull,
    StorageUnavailable,
    UnsupportedDocument,
)

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parent.parent
READER = ("-m", "adapters.documents")
CONCURRENCY = 2  # documents read at once
MAX_WAITING = 20  # and as many more may wait for their turn
SECONDS = 20
MEMORY_BYTES = 768 * 1024 * 1024
MAX_NAME_CHARS = 255
BYTES_A_CHAR = 6  # a character takes at most four bytes, or six when JSON escapes it
ANSWER_BYTES = 65_536  # what else an answer holds
ENDED = 1  # our own word for a reader that we ended
CRASHES = frozenset(-number for number in (SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP))
ENVIRONMENT = {"LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "1"}  # nothing of ours: it holds keys


class Sandbox:
    """A `DocumentReader` that starts one Python process a document and reads its answer from a pipe.

    The process gets the file as its standard input, no environment, and ends itself at its limits of memory and time;
    it is killed when it does not. `reader` are the arguments Python is started with.
    """

    def __init__(
        self,
        *,
        max_chars: int,
        reader: Sequence[str] = READER,
        seconds: int = SECONDS,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self._max_chars = max_chars
        self._reader = tuple(reader)
        self._seconds = seconds
        self._memory_bytes = memory_bytes
        self._turns = asyncio.Semaphore(CONCURRENCY)
        self._waiting = 0

    async def read(self, file: BinaryIO, name: str) -> Document:
        """The story in the document; raises the document errors of `models`, and `ServiceFull`."""
        with self._place_in_line():
            async with self._turns:
                status, answer = await self._run(file, name[-MAX_NAME_CHARS:])
        if status:
            log.warning("document reader ended", extra={"status": status})
            if status in CRASHES:
                raise BrokenDocument
            raise DocumentTooLarge(f"The document could not be read within {self._seconds} seconds and its memory.")
        return _document(answer)

    @contextmanager
    def _place_in_line(self) -> Iterator[None]:
        if self._waiting >= CONCURRENCY + MAX_WAITING:
            raise ServiceFull("Many documents are being read; try again soon.")
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    async def _run(self, file: BinaryIO, name: str) -> tuple[int, bytes]:
        """The exit status (not 0 when it was ended, or said too much) and what it wrote."""
        given = {
            "name": name,
            "max_chars": self._max_chars,
            "seconds": self._seconds,
            "memory_bytes": self._memory_bytes,
        }
        descriptor = await asyncio.to_thread(_descriptor, file)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *self._reader,
            json.dumps(given),
            stdin=descriptor,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=ROOT,
            env=ENVIRONMENT,
        )
        try:
            async with asyncio.timeout(self._seconds):
                return await self._answer(process)
        except TimeoutError:
            return ENDED, b""
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await asyncio.shield(process.wait())

    async def _answer(self, process: asyncio.subprocess.Process) -> tuple[int, bytes]:
        assert process.stdout is not None  # noqa: S101 (it was asked for)
        answer = bytearray()
        while chunk := await process.stdout.read(ANSWER_BYTES):
            answer += chunk
            if len(answer) > self._most_bytes():
                return ENDED, b""
        return await process.wait(), bytes(answer)

    def _most_bytes(self) -> int:
        return self._max_chars * BYTES_A_CHAR + ANSWER_BYTES


def _descriptor(file: BinaryIO) -> int:
    """A descriptor at the beginning of the file, which goes to disk for it if it has been small enough for memory."""
    try:
        file.seek(0)  # what is buffered is written
        return file.fileno()
    except OSError as error:
        raise StorageUnavailable("The service cannot keep the file while it reads it.") from error


def _document(answer: bytes) -> Document:
    """What the reader found, or what it raised."""
    try:
        found = json.loads(answer)
    except ValueError as error:
        raise BrokenDocument from error
    if "code" not in found:
        return Document(title=str(found["title"]), story_text=str(found["story_text"]))
    if "stumbled" in found:
        log.warning("document reader stumbled", extra={"reason": found["stumbled"]})
    raise _errors().get(found["code"], BrokenDocument)(found["message"])


def _errors() -> dict[str, type[RequestError]]:
    """The document errors by their code."""
    kinds: list[type[RequestError]] = [UnsupportedDocument, DocumentTooLarge, *DocumentUnreadable.__subclasses__()]
    return {kind.code: kind for kind in kinds}
