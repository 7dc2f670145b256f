"""Project files in an S3 bucket, so that several machines show the same pictures; the disk only holds copies."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NoReturn
from urllib.parse import parse_qsl, urlsplit
from weakref import WeakValueDictionary

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from config import ConfigurationError
from models import ImageNotFound, StorageUnavailable
from utils import ProjectFiles, is_session_id, write_whole

log = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0
REQUEST_SECONDS = 20.0  # one try, from connecting to the last byte
RETRIES = 5  # after 0.2 s, then up to twice the wait before: some six seconds, the restart of a small store
RETRY_SECONDS = 10.0  # no further try begins after so long: a silent store is tried once
REST_SECONDS = 5.0  # after a call that failed, others fail at once: a silent store must not hold every thread
PROBE_SECONDS = 10.0
SWEEP_SECONDS = 3600.0  # each sweep lists the whole bucket
TRANSFERS = 8  # at once, for one caller
IN_USE_SECONDS = 600.0  # what was asked for so lately may still be being sent
NO_ADDRESS = "STORAGE_URL: write file:///folder or s3://bucket/prefix."
SILENT = "The object storage does not answer."

PICTURES, ASKED, CHECK = ".pictures", ".asked", ".check"  # sorted before the sessions, whose names begin with a digit
REMOVING = ".removing"
BEFORE_SESSIONS = ".~"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"(?:[\w=+-][\w.=+-]*(?:/(?!$)|$))*", re.ASCII)
_OPTIONS = {"endpoint": re.compile(r"https?://[A-Za-z0-9.:\[\]-]+/?"), "region": re.compile(r"[a-z0-9-]+")}
_SHOWN = re.compile(r"([0-9a-f]{32})/images/[0-9a-f]{12}-v\d+-([0-9a-f]{8}\.[a-z]+)")


def open_bucket(url: str, *, timeout_seconds: float = REQUEST_SECONDS) -> S3Store:
    """The bucket of `s3://bucket/prefix?endpoint=…&region=…`; the keys, and what it leaves out, from AWS's variables.

    Nothing is sent yet. Raises `ConfigurationError` for an address that cannot be one, and never repeats it.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ConfigurationError(NO_ADDRESS) from None
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    prefix = parts.path.strip("/")
    if "@" in parts.netloc:
        raise ConfigurationError(
            "STORAGE_URL: keys do not belong into the address, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead."
        )
    if not _BUCKET.fullmatch(parts.netloc) or not _PREFIX.fullmatch(prefix) or parts.fragment:
        raise ConfigurationError(NO_ADDRESS)
    for name, value in options.items():
        if name not in _OPTIONS or not _OPTIONS[name].fullmatch(value):
            raise ConfigurationError(
                "STORAGE_URL: after the ? only endpoint=https://host:port and region=eu-central-1 can stand."
            )
    given = {name: value.rstrip("/") for name, value in options.items()}
    return S3Store(
        parts.netloc,
        prefix=prefix or None,
        client_options={
            "allow_http": True,  # whoever writes http:// as the endpoint means it; AWS's own is https://
            "connect_timeout": timedelta(seconds=min(CONNECT_SECONDS, timeout_seconds)),
            "timeout": timedelta(seconds=timeout_seconds),
        },
        retry_config={
            "max_retries": RETRIES,
            "retry_timeout": timedelta(seconds=min(RETRY_SECONDS, timeout_seconds)),
            "backoff": {
                "init_backoff": timedelta(milliseconds=200),
                "max_backoff": timedelta(seconds=3),
                "base": 2,
            },
        },
        **given,  # type: ignore[arg-type]
    )


class ObjectFiles(ProjectFiles):
    """The same files as objects: what the bucket has is true, the folder `root` holds copies of it.

    Everything is written to the bucket first and then to the folder, and read from the folder, else downloaded once.
    Pictures and exports there are removed, those not asked for longest first, when they pass `cache_bytes`; what was
    asked for in the last ten minutes stays, so a download under way is never cut off. A call that cannot be done
    within the retries raises `StorageUnavailable`, and then all do so at once for some seconds. Exports are made on
    each machine: they can be made again.
    """

    remote = True

    def __init__(self, store: S3Store, root: Path, *, cache_bytes: int, sweep_seconds: float = SWEEP_SECONDS) -> None:
        super().__init__(root)
        root.mkdir(parents=True, exist_ok=True)
        self._store = store
        self._cache = _Cache(root, cache_bytes)
        self._sweep_seconds = sweep_seconds
        self._next_sweep = 0.0
        self._rest_until = 0.0
        self._silent = False
        self._guard = threading.Lock()
        self._downloads: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()

    # -- whether it answers

    async def start(self) -> None:
        """See that the bucket is there and takes what is written; raises `ConfigurationError` in one sentence."""
        try:
            await asyncio.to_thread(obstore.put, self._store, CHECK, b"", mode="overwrite", use_multipart=False)
        except (BaseError, FileNotFoundError) as error:
            raise ConfigurationError(f"STORAGE_URL: {_why(error)}.") from error

    async def watch(self) -> None:
        """Ask now and then whether the bucket answers, so that `check` knows without waiting."""
        while True:
            await asyncio.sleep(REST_SECONDS if self._silent else PROBE_SECONDS)
            with contextlib.suppress(StorageUnavailable):
                await asyncio.to_thread(self._probe)  # obstore's own coroutines may outlive the loop, and abort then

    def _probe(self) -> None:
        try:
            self._modified(CHECK)
        except FileNotFoundError:  # somebody tidied up, or there is no bucket any more: only the next answer says which
            self._put(CHECK, b"")

    def check(self) -> None:
        """Raises `StorageUnavailable` when the last call failed; never waits."""
        if self._silent:
            raise StorageUnavailable(SILENT)

    # -- files of a session

    @property
    def local(self) -> ProjectFiles:
        """The copies in the folder: what this machine itself wrote or showed."""
        return ProjectFiles(self.root)

    def write(self, session_id: str, name: str, content: bytes) -> None:
        """Write one file of a session, whole or not at all; raises `StorageUnavailable`."""
        self.folder(session_id)
        self._put(f"{session_id}/{name}", content)
        super().write(session_id, name, content)

    def read(self, session_id: str, name: str) -> bytes:
        """One file of a session as the bucket has it; raises `StorageUnavailable` when it cannot be read."""
        self.folder(session_id)
        try:
            return self._get(f"{session_id}/{name}")
        except FileNotFoundError as error:
            raise StorageUnavailable("The object storage has no such file.") from error

    def unlink(self, session_id: str, name: str) -> None:
        """Remove one file of a session, if it is there; raises `StorageUnavailable`."""
        self.folder(session_id)
        self._delete([f"{session_id}/{name}"])
        super().unlink(session_id, name)

    def finish(self, temporary: Path, path: Path, *, keep: int) -> None:
        super().finish(temporary, path, keep=keep)
        self._cache.add(path)

    def sessions(self, having: str) -> list[str]:
        """The ids of the sessions that have a file of that name: lists the whole bucket, 1,000 objects a request."""
        found = (key.partition("/") for key, _ in self._list(offset=BEFORE_SESSIONS))
        return sorted(name for name, _, rest in found if rest == having and is_session_id(name))

    # -- pictures

    def keep_picture(self, content: bytes, suffix: str) -> str:
        """Store a picture's bytes and return their name, `{sha256}.{suffix}`; raises `StorageUnavailable`."""
        name = self.name_of(content, suffix)
        self._put(self._key(name), content)  # also when it is there: it counts as asked for now
        self._keep_copy(self._kept(name), content)
        return name

    def has_picture(self, kept_name: str) -> bool:
        """Whether a picture stored with `keep_picture` is still there; notes that somebody asked, so that it stays.

        Raises `StorageUnavailable` when that cannot be known: a picture that may be there is not paid for again.
        """
        try:
            self._modified(self._key(kept_name))
        except FileNotFoundError:
            return False
        self._put(f"{ASKED}/{kept_name}", b"")
        return True

    def read_picture(self, kept_name: str) -> bytes:
        """The bytes of a picture stored with `keep_picture`; raises `StorageUnavailable` when it is gone."""
        try:
            return self._copy_of(self._key(kept_name), self._kept(kept_name)).read_bytes()
        except OSError as error:
            raise StorageUnavailable("The object storage has no such picture.") from error

    def link_picture(self, kept_name: str, session_id: str, scene_id: str, version: int) -> str:
        """Show a stored picture in a session: a copy within the bucket, a hard link in the folder."""
        name = self.shown_name(kept_name, scene_id, version)
        target = self.folder(session_id) / "images" / name
        if target.is_file():
            return name
        try:
            with self._asking():
                obstore.copy(self._store, self._key(kept_name), f"{session_id}/images/{name}")
        except FileNotFoundError as error:
            raise StorageUnavailable("The object storage has no such picture.") from error
        if self._kept(kept_name).is_file():
            super().link_picture(kept_name, session_id, scene_id, version)
        return name

    def picture(self, session_id: str, file: str) -> Path:
        """The path of a session's picture, downloaded where need be; raises `ImageNotFound`, `StorageUnavailable`."""
        path = self.picture_path(session_id, file)
        try:
            return self._copy_of(f"{session_id}/images/{file}", path)
        except FileNotFoundError as error:
            raise ImageNotFound from error

    def pictures(self, session_id: str, files: Sequence[str]) -> list[Path]:
        """The same for several, in order; some are downloaded at once."""
        with ThreadPoolExecutor(TRANSFERS, thread_name_prefix="download") as threads:
            return list(threads.map(partial(self.picture, session_id), files))

    # -- removing

    def remove(self, session_id: str) -> None:
        """Remove a session's files; what the bucket does not let go of now, a later sweep removes."""
        super().remove(session_id)
        with contextlib.suppress(StorageUnavailable):
            write_whole(self._note(session_id), b"")
        try:
            self._remove_objects(session_id)
        except StorageUnavailable:
            log.warning("session's objects still there", extra={"session_id": session_id})

    def sweep(self, *, untouched_since: datetime) -> int:
        """Remove stored pictures no session shows any more and nobody asked for since then; returns how many.

        Lists every object under the prefix, 1,000 a request, and so does it once an hour at most. An image's name
        has the first 32 bits of its picture's hash: a picture that shares them with one that is shown stays, too.
        Raises `StorageUnavailable`.
        """
        for note in (self.root / REMOVING).glob("*"):
            if is_session_id(note.name):
                self._remove_objects(note.name)
        self._cache.trim()
        if time.monotonic() < self._next_sweep:
            return 0
        began = time.time()
        unshown: dict[str, list[str]] = {}
        for key, modified in self._list(PICTURES):
            if modified < untouched_since:
                name = key.rpartition("/")[2]
                unshown.setdefault(_mark(name), []).append(name)
        known = set()
        for key, _ in self._list(offset=BEFORE_SESSIONS):
            known.add(key.partition("/")[0])
            if shown := _SHOWN.fullmatch(key):
                unshown.pop(shown[2], None)
        removed = self._sweep_away([name for names in unshown.values() for name in names], untouched_since)
        self._forget_copies(known, before=began)
        self._next_sweep = time.monotonic() + self._sweep_seconds
        return removed

    def _sweep_away(self, names: list[str], untouched_since: datetime) -> int:
        """Remove these pictures, but for those that somebody asked for while the bucket was being listed."""
        with ThreadPoolExecutor(TRANSFERS, thread_name_prefix="sweep") as threads:
            asked = threads.map(self._last_asked, names)
            gone = [name for name, when in zip(names, asked, strict=True) if when and when < untouched_since]
        self._delete([key for name in gone for key in (self._key(name), f"{ASKED}/{name}")])
        for name in gone:
            self._kept(name).unlink(missing_ok=True)
        return len(gone)

    def _last_asked(self, name: str) -> datetime | None:
        """When a picture was last stored or asked for; None when it is gone."""
        try:
            stored = self._modified(self._key(name))
        except FileNotFoundError:
            return None
        with contextlib.suppress(FileNotFoundError):
            return max(stored, self._modified(f"{ASKED}/{name}"))
        return stored

    def _forget_copies(self, known: set[str], *, before: float) -> None:
        """Remove the copies of sessions that another machine has removed."""
        for folder in self.root.iterdir():
            if is_session_id(folder.name) and folder.name not in known:
                with contextlib.suppress(FileNotFoundError):
                    changed = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
                    if changed < before:
                        super().remove(folder.name)

    def _remove_objects(self, session_id: str) -> None:
        self._delete([key for key, _ in self._list(session_id)])
        self._note(session_id).unlink(missing_ok=True)

    def _note(self, session_id: str) -> Path:
        """A file that says that a session's objects are to be removed: it outlives a failure and a crash."""
        return self.root / REMOVING / session_id

    # -- copies in the folder

    def _copy_of(self, key: str, path: Path) -> Path:
        """The path of an object's copy; however many ask, it is downloaded once. Raises FileNotFoundError."""
        if _touch(path):
            return path
        with self._guard:
            downloading = self._downloads.setdefault(key, threading.Lock())
        with downloading:
            if not _touch(path):
                self._keep_copy(path, self._get(key))
        return path

    def _keep_copy(self, path: Path, content: bytes) -> None:
        if not _touch(path):
            write_whole(path, content)
            self._cache.add(path)

    # -- calls to the bucket

    def _put(self, key: str, content: bytes) -> None:
        with self._asking():
            obstore.put(self._store, key, content, mode="overwrite", use_multipart=False)

    def _get(self, key: str) -> bytes:
        with self._asking():
            return obstore.get(self._store, key).bytes().to_bytes()

    def _modified(self, key: str) -> datetime:
        with self._asking():
            return obstore.head(self._store, key)["last_modified"]

    def _delete(self, keys: list[str]) -> None:
        with self._asking():
            obstore.delete(self._store, keys)

    def _list(self, prefix: str | None = None, *, offset: str | None = None) -> Iterator[tuple[str, datetime]]:
        """The keys below a prefix, and when each was last written."""
        with self._asking():
            for chunk in obstore.list(self._store, prefix, offset=offset, chunk_size=1000):
                yield from ((meta["path"], meta["last_modified"]) for meta in chunk)

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        """One call: lets FileNotFoundError through, and raises `StorageUnavailable` for everything else."""
        if time.monotonic() < self._rest_until:
            raise StorageUnavailable(SILENT)
        try:
            yield
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                self._fail(error)
            self._answered()
            raise
        except BaseError as error:
            self._fail(error)
        else:
            self._answered()

    def _fail(self, error: Exception) -> NoReturn:
        self._failed(error)
        raise StorageUnavailable(SILENT) from error

    def _failed(self, error: Exception) -> None:
        self._rest_until = time.monotonic() + REST_SECONDS
        if not self._silent:
            log.error("object storage unavailable", extra={"reason": _why(error)})
        self._silent = True

    def _answered(self) -> None:
        if self._silent:
            log.warning("object storage answers again")
        self._silent, self._rest_until = False, 0.0

    @staticmethod
    def _key(kept_name: str) -> str:
        return f"{PICTURES}/{kept_name[:2]}/{kept_name}"


class _Cache:
    """Keeps pictures and exports below a folder within a number of bytes; access times say when they were asked for.

    Several processes may share the folder: each looks at what is there before it removes anything.
    """

    def __init__(self, root: Path, most_bytes: int) -> None:
        self._root = root
        self._most_bytes = most_bytes
        self._room = 0
        self._guard = threading.Lock()

    def add(self, path: Path) -> None:
        """Count a file that is new there."""
        with self._guard, contextlib.suppress(OSError):
            self._room -= path.stat().st_size
            if self._room < 0:
                self._trim()

    def trim(self) -> None:
        """Remove what was not asked for longest, until the rest fits."""
        with self._guard:
            self._trim()

    def _trim(self) -> None:
        files = self._files()
        size = sum(found[0].size for found in files.values())
        now = time.time()
        for found in sorted(files.values(), key=lambda links: max(link.asked for link in links)):
            if size <= self._most_bytes or max(link.asked for link in found) > now - IN_USE_SECONDS:
                break
            for link in found:
                link.path.unlink(missing_ok=True)
            size -= found[0].size
        self._room = max(self._most_bytes - size, self._most_bytes // 10)  # it looks again after a tenth at least

    def _files(self) -> dict[int, list[_Link]]:
        """The files by inode: a picture may have several names, and its bytes count once."""
        files: dict[int, list[_Link]] = {}
        for pattern in (f"{PICTURES}/*/*", "*/images/*", "*/exports/*"):
            for path in self._root.glob(pattern):
                with contextlib.suppress(FileNotFoundError):
                    stat = path.stat()
                    link = _Link(path, stat.st_size, max(stat.st_atime, stat.st_mtime))
                    files.setdefault(stat.st_ino, []).append(link)
        return files


class _Link:
    __slots__ = ("asked", "path", "size")

    def __init__(self, path: Path, size: int, asked: float) -> None:
        self.path, self.size, self.asked = path, size, asked


def _touch(path: Path) -> bool:
    """Whether a file is there; it counts as asked for now. Its own time, that of its content, stays."""
    try:
        os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
    except FileNotFoundError:
        return False
    return True


def _mark(kept_name: str) -> str:
    """What the names of its images end with."""
    digest, _, suffix = kept_name.partition(".")
    return f"{digest[:8]}.{suffix}"


def _why(error: Exception) -> str:
    """What is wrong, without the store's own words: they hold addresses."""
    words = str(error)
    if "NoSuchBucket" in words:
        return "the bucket does not exist"
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return "the bucket refuses these keys (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"
    if "/latest/" in words:  # without keys it asks the machine's own metadata service for some
        return "there are no keys, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    if "redirect" in words:
        return "the bucket lies in another region, add ?region= to the address"
    return "the object storage does not answer"
