"""Pictures in a bucket: the same promises as on a disk, shared by machines, whole when the bucket fails."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from PIL import Image

from adapters.object_files import IN_USE_SECONDS, ObjectFiles, open_bucket
from adapters.wiring import _files
from models import StorageUnavailable
from tests.checks import PATIENCE_SECONDS, drawings_under_way, open_charges, pictures_in, until, zip_of
from tests.conftest import plain_settings
from tests.fake_providers import REPOSITORY, FakeProviders
from tests.files_contract import HOUR, JPEG, SCENE, FilesContract
from tests.s3_server import KEYS, S3Server
from tests.service import Json, Service, free_port, ready
from tests.stories import story
from tests.tcp_link import TcpLink
from utils import ProjectFiles, new_session_id, utc_now


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def prefix() -> str:
    """A place of this test's own in the bucket."""
    return f"tests/{new_session_id()}"


def opened(url: str, folder: Path, *, cache_bytes: int = 10**9, timeout_seconds: float = 20.0) -> ObjectFiles:
    store = open_bucket(url, timeout_seconds=timeout_seconds)
    return ObjectFiles(store, folder, cache_bytes=cache_bytes, sweep_seconds=0)


# --- The same promises everywhere ------------------------------------------------------------------------------


class TestProjectFiles(FilesContract):
    @pytest.fixture
    def files(self, tmp_path: Path) -> ProjectFiles:
        return ProjectFiles(tmp_path / "projects")


class TestFilesInAFolder(FilesContract):
    @pytest.fixture
    async def files(self, tmp_path: Path) -> ProjectFiles:
        settings = plain_settings(tmp_path / "projects", storage_url=f"file://{tmp_path}/some%20where")
        async with AsyncExitStack() as stack:
            files = await _files(settings, stack)
        assert files.root == tmp_path / "some where"
        return files


class TestObjectFiles(FilesContract):
    @pytest.fixture
    def files(self, s3: S3Server, prefix: str, tmp_path: Path) -> ProjectFiles:
        return opened(s3.url(prefix), tmp_path / "cache")


class TestObjectFilesWithoutAFolder(FilesContract):
    """As another machine sees it: whatever is asked for has no copy yet."""

    @pytest.fixture
    def files(self, s3: S3Server, prefix: str, tmp_path: Path) -> ProjectFiles:
        return Elsewhere(s3.url(prefix), tmp_path)


class Elsewhere(ObjectFiles):
    """Shows a picture with the eyes of a machine that has just been started."""

    def __init__(self, url: str, folder: Path) -> None:
        super().__init__(open_bucket(url), folder / "own", cache_bytes=10**9, sweep_seconds=0)
        self.url, self.others = url, folder

    def picture(self, session_id: str, file: str) -> Path:
        return opened(self.url, self.others / new_session_id()).picture(session_id, file)

    def read_picture(self, kept_name: str) -> bytes:
        return opened(self.url, self.others / new_session_id()).read_picture(kept_name)


# --- The bucket and the copies ---------------------------------------------------------------------------------


def test_what_one_machine_keeps_another_shows(s3: S3Server, prefix: str, tmp_path: Path) -> None:
    one, other = opened(s3.url(prefix), tmp_path / "one"), opened(s3.url(prefix), tmp_path / "other")
    session_id = new_session_id()
    kept = one.keep_picture(JPEG, "jpg")
    name = other.link_picture(kept, session_id, SCENE, 1)
    other.write(session_id, "session.json", b"{}")

    assert one.picture(session_id, name).read_bytes() == JPEG
    assert one.read(session_id, "session.json") == b"{}"
    assert one.sessions("session.json") == [session_id]
    assert sorted(s3.keys(f"{prefix}/{session_id}")) == [
        f"{prefix}/{session_id}/images/{name}",
        f"{prefix}/{session_id}/session.json",
    ]

    one.remove(session_id)

    assert s3.keys(f"{prefix}/{session_id}") == []


def test_a_copy_is_downloaded_once_however_many_ask(s3: S3Server, prefix: str, tmp_path: Path) -> None:
    session_id = new_session_id()
    maker = opened(s3.url(prefix), tmp_path / "one")
    content = os.urandom(3_000_000)
    name = maker.link_picture(maker.keep_picture(content, "jpg"), session_id, SCENE, 1)
    with TcpLink(s3.port) as link:
        reader = opened(s3.url(prefix, port=link.port), tmp_path / "other")
        with ThreadPoolExecutor(16) as threads:
            paths = list(threads.map(lambda _: reader.picture(session_id, name), range(16)))
        asked = bytes(link.asked)

    assert {path.read_bytes() == content for path in paths} == {True}
    assert asked.count(b"GET /") == 1
    assert [path.name for path in paths[0].parent.iterdir()] == [name]


def test_several_pictures_are_downloaded_at_once(s3: S3Server, prefix: str, tmp_path: Path) -> None:
    session_id = new_session_id()
    maker = opened(s3.url(prefix), tmp_path / "one")
    names = [maker.link_picture(maker.keep_picture(b"%d" % n, "jpg"), session_id, SCENE, n) for n in range(16)]
    with TcpLink(s3.port) as link:
        opened(s3.url(prefix, port=link.port), tmp_path / "other").pictures(session_id, names)

        assert link.connections > 1


def test_the_plain_service_does_not_load_it() -> None:
    code = "import sys, main; sys.exit('obstore' in sys.modules or 'adapters.object_files' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0


def test_a_picture_that_is_here_is_shown_while_the_bucket_is_away(s3: S3Server, prefix: str, tmp_path: Path) -> None:
    session_id = new_session_id()
    with TcpLink(s3.port) as link:
        files = opened(s3.url(prefix, port=link.port), tmp_path)
        kept = files.keep_picture(JPEG, "jpg")
        name = files.link_picture(kept, session_id, SCENE, 1)
        link.cut()

        assert files.picture(session_id, name).read_bytes() == JPEG
        assert files.read_picture(kept) == JPEG


def test_every_call_says_that_the_bucket_is_away_and_nothing_is_half_there(
    s3: S3Server, prefix: str, tmp_path: Path
) -> None:
    session_id = new_session_id()
    with TcpLink(s3.port) as link:
        files = opened(s3.url(prefix, port=link.port), tmp_path)
        kept = files.keep_picture(JPEG, "jpg")
        link.cut()
        for ask in (
            lambda: files.keep_picture(b"another", "jpg"),
            lambda: files.has_picture(kept),
            lambda: files.link_picture(kept, session_id, SCENE, 1),
            lambda: files.picture(session_id, f"{SCENE}-v1-00000000.jpg"),
            lambda: files.write(session_id, "story.txt", b"one"),
            lambda: files.read(session_id, "story.txt"),
            lambda: files.unlink(session_id, "story.txt"),
            lambda: files.sessions("story.txt"),
            lambda: files.sweep(untouched_since=utc_now()),
            lambda: files.check(),
        ):
            with pytest.raises(StorageUnavailable):
                ask()

    assert not (tmp_path / session_id).exists()
    assert [path.name for path in (tmp_path / ".pictures").glob("*/*")] == [kept]


def test_a_bucket_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as silent:
        url = f"s3://stories?endpoint=http://127.0.0.1:{silent.getsockname()[1]}"
        files = opened(url, tmp_path, timeout_seconds=0.3)

        with pytest.raises(StorageUnavailable):
            files.keep_picture(JPEG, "jpg")


def test_a_session_removed_while_the_bucket_is_away_goes_with_the_next_sweep(
    s3: S3Server, prefix: str, tmp_path: Path
) -> None:
    session_id = new_session_id()
    with TcpLink(s3.port) as link:
        files = opened(s3.url(prefix, port=link.port), tmp_path, timeout_seconds=2)
        files.write(session_id, "story.txt", b"one")
        link.cut()
        files.remove(session_id)
        link.heal()
    assert s3.keys(f"{prefix}/{session_id}") != []

    opened(s3.url(prefix), tmp_path).sweep(untouched_since=utc_now() - HOUR)  # after a restart, say

    assert s3.keys(f"{prefix}/{session_id}") == []
    assert list((tmp_path / ".removing").iterdir()) == []


def aged(folder: Path, *, seconds: float) -> None:
    for path in folder.rglob("*.jpg"):
        stat = path.stat()
        os.utime(path, (stat.st_atime - seconds, stat.st_mtime - seconds))


def test_copies_keep_within_their_bytes_and_the_least_asked_for_go(s3: S3Server, prefix: str, tmp_path: Path) -> None:
    session_id = new_session_id()
    files = opened(s3.url(prefix), tmp_path, cache_bytes=10_000)
    names = []
    for number in range(10):
        kept = files.keep_picture(bytes([number]) * 1000, "jpg")
        names.append(files.link_picture(kept, session_id, SCENE, number))
        aged(tmp_path, seconds=2 * IN_USE_SECONDS)
    files.picture(session_id, names[0])  # the oldest, and now asked for
    files.keep_picture(b"\xff" * 1000, "jpg")

    here = {path.name for path in (tmp_path / session_id / "images").iterdir()}
    inodes = {path.stat().st_ino: path.stat().st_size for path in tmp_path.rglob("*.jpg")}
    assert names[0] in here
    assert names[1] not in here
    assert names[9] in here
    assert sum(inodes.values()) <= 10_000
    assert [path.read_bytes()[0] for path in files.pictures(session_id, names)] == list(range(10))


def test_what_was_asked_for_lately_stays_over_the_bytes(s3: S3Server, prefix: str, tmp_path: Path) -> None:
    files = opened(s3.url(prefix), tmp_path, cache_bytes=10_000)
    kept = [files.keep_picture(bytes([number]) * 1000, "jpg") for number in range(20)]

    assert sorted(path.name for path in tmp_path.glob(".pictures/*/*")) == sorted(kept)


def test_a_sweep_keeps_what_somebody_asks_for_or_stores_again(s3: S3Server, prefix: str, tmp_path: Path) -> None:
    files = opened(s3.url(prefix), tmp_path)
    asked, stored, left = (files.keep_picture(word, "png") for word in (b"asked", b"stored", b"left"))
    began = utc_now()
    until(lambda: utc_now() - began > timedelta(seconds=2))  # the bucket's clock counts seconds
    since = utc_now() - timedelta(seconds=1)
    assert files.has_picture(asked)
    files.keep_picture(b"stored", "png")

    assert files.sweep(untouched_since=since) == 1
    assert [files.has_picture(name) for name in (asked, stored, left)] == [True, True, False]
    assert sorted(key.rpartition("/")[2] for key in s3.keys(f"{prefix}/.pictures")) == sorted([asked, stored])


def test_a_sweep_forgets_what_another_machine_has_removed(s3: S3Server, prefix: str, tmp_path: Path) -> None:
    one, other = opened(s3.url(prefix), tmp_path / "one"), opened(s3.url(prefix), tmp_path / "other")
    gone, there = new_session_id(), new_session_id()
    kept = one.keep_picture(JPEG, "jpg")
    names = [one.link_picture(kept, session_id, SCENE, 1) for session_id in (gone, there)]
    other.remove(gone)
    assert one.picture(gone, names[0]).is_file()

    one.sweep(untouched_since=utc_now() - HOUR)

    assert not one.folder(gone).exists()
    assert one.folder(there).is_dir()


def test_a_sweep_lists_the_bucket_once_an_hour(s3: S3Server, prefix: str, tmp_path: Path) -> None:
    with TcpLink(s3.port) as link:
        store = open_bucket(s3.url(prefix, port=link.port))
        files = ObjectFiles(store, tmp_path, cache_bytes=10**9)
        for _ in range(3):
            files.sweep(untouched_since=utc_now() - HOUR)
        listings = bytes(link.asked).count(b"list-type=2")

    assert listings == 2  # the stored pictures, and what shows them


# --- What STORAGE_URL may say ----------------------------------------------------------------------------------

REFUSED = {
    "another scheme": ("ftp://zqx-host/folder", {}, "write file:///folder or s3://bucket/prefix"),
    "a relative folder": ("file://zqx-folder", {}, "write file:///folder or s3://bucket/prefix"),
    "no bucket": ("s3:///zqx-prefix", {}, "write file:///folder or s3://bucket/prefix"),
    "a prefix that climbs": ("s3://stories/zqx/../b", {}, "write file:///folder or s3://bucket/prefix"),
    "brackets": ("s3://[zqx", {}, "write file:///folder or s3://bucket/prefix"),
    "keys in it": ("s3://id:zqx-secret@stories/a", {}, "set AWS_ACCESS_KEY_ID"),
    "an unknown option": ("s3://stories/a?zqx-secret=1", {}, "only endpoint="),
    "a bad endpoint": ("s3://stories/a?endpoint=zqx", {}, "only endpoint="),
    "a folder that cannot be": ("file:///proc/zqx", {}, "cannot be written to"),
    "nobody there": ("s3://stories?endpoint=http://127.0.0.1:1", KEYS, "the object storage does not answer"),
}


def refusal(folder: Path, url: str, **environment: str) -> str:
    """What a start with that address says on standard error."""
    service = Service(folder=folder, storage_url=url)
    ended = subprocess.run(
        [sys.executable, str(REPOSITORY / "main.py")],
        cwd=folder,
        env=service.environment | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stdout == ""
    return ended.stderr


@pytest.mark.parametrize("case", REFUSED)
def test_an_address_that_is_of_no_use_stops_the_start_in_one_sentence(case: str, tmp_path: Path) -> None:
    url, environment, sentence = REFUSED[case]

    said = refusal(tmp_path, url, **environment)

    assert said.startswith("STORAGE_URL: ") and sentence in said, said
    assert len(said.strip().splitlines()) == 1, said
    assert "zqx-secret" not in said


def test_a_bucket_that_is_missing_stops_the_start_in_one_sentence(s3: S3Server, tmp_path: Path) -> None:
    assert refusal(tmp_path, s3.url(bucket="elsewhere"), **KEYS) == "STORAGE_URL: the bucket does not exist.\n"


class Refusing(BaseHTTPRequestHandler):
    def do_PUT(self) -> None:
        self.send_error(403)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def test_keys_that_are_refused_stop_the_start_in_one_sentence(tmp_path: Path) -> None:
    with HTTPServer(("127.0.0.1", free_port()), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        said = refusal(tmp_path, f"s3://stories?endpoint=http://127.0.0.1:{server.server_port}", **KEYS)
        server.shutdown()

    assert said.startswith("STORAGE_URL: the bucket refuses these keys")
    assert len(said.splitlines()) == 1


def test_missing_keys_stop_the_start_in_one_sentence(tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"  # where it would ask the machine for its role's keys

    said = refusal(tmp_path, "s3://stories?endpoint=http://127.0.0.1:1", AWS_METADATA_ENDPOINT=nobody)

    assert said == "STORAGE_URL: there are no keys, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.\n"


def test_a_missing_package_is_named_with_what_installs_it(tmp_path: Path) -> None:
    (tmp_path / "obstore.py").write_text("raise ModuleNotFoundError('No module', name='obstore')")

    said = refusal(tmp_path, "s3://stories", PYTHONPATH=str(tmp_path))

    assert said == "STORAGE_URL needs packages that are not installed: pip install -r requirements-scale.txt.\n"


def test_a_folder_has_one_process(tmp_path: Path) -> None:
    shared, (one, two) = tmp_path / "shared", (tmp_path / "one", tmp_path / "two")
    one.mkdir()
    two.mkdir()
    with Service(folder=one, storage_url=f"file://{shared}") as service:
        state = service.wait(service.generate(story(910, 2), num_scenes=2))

        assert "another process owns" in refusal(two, f"file://{shared}")
        assert (shared / state["scenes"][0]["image_path"]).is_file()


# --- The running service ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def providers() -> Iterator[FakeProviders]:
    with FakeProviders(picture_bytes=20_000) as fake:
        yield fake


@pytest.fixture
def fake(providers: FakeProviders) -> FakeProviders:
    providers.reset()
    providers.control(text_ms=20, image_ms=100)
    return providers


def service_on(url: str, fake: FakeProviders | None = None, *, folder: Path, **settings: int) -> Service:
    service = Service(fake, folder=folder, storage_url=url, **settings)
    service.environment |= KEYS
    return service


def storage_of(service: Service) -> Json:
    health: Json = service.client.get("/health").json()
    return health


def check_shown(service: Service, state: Json) -> None:
    """Every picture opens whole, by its address and in the ZIP."""
    for scene in state["scenes"]:
        with Image.open(io.BytesIO(service.client.get(scene["image_url"]).raise_for_status().content)) as image:
            image.load()
            assert image.size == (scene["width"], scene["height"])
    assert len(pictures_in(zip_of(service, state["session_id"]))) == len(state["scenes"])


def test_drafts_are_drawn_shown_downloaded_and_deleted_in_a_bucket(s3: S3Server, prefix: str, tmp_path: Path) -> None:
    with service_on(s3.url(prefix), folder=tmp_path) as service:
        state = service.wait(service.generate(story(900, 3), num_scenes=3))
        session_id = state["session_id"]
        check_shown(service, state)
        stored = {f"{prefix}/{scene['image_path']}" for scene in state["scenes"]}
        names = {f"{prefix}/{session_id}/{name}" for name in ("story.txt", "scenes.json", "session.json")}

        assert (state["status"], ready(state)) == ("completed", 3)
        assert (stored | names) <= set(s3.keys(f"{prefix}/{session_id}"))
        assert s3.get(f"{prefix}/{session_id}/story.txt").decode() == story(900, 3)
        assert storage_of(service)["services"]["storage"] == "available"
        assert not (tmp_path / "projects" / session_id).exists()

        service.client.delete(f"/sessions/{session_id}").raise_for_status()

        assert s3.keys(f"{prefix}/{session_id}") == []
        assert service.client.get(state["scenes"][0]["image_url"]).status_code == 404
        assert KEYS["AWS_SECRET_ACCESS_KEY"] not in service.log()


def test_after_a_restart_with_an_empty_cache_every_picture_is_there(s3: S3Server, prefix: str, tmp_path: Path) -> None:
    with service_on(s3.url(prefix), folder=tmp_path) as service:
        state = service.wait(service.generate(story(901, 4), num_scenes=4))
        service.stop()
        cache = tmp_path / "projects" / ".cache"
        assert list(cache.rglob("*.jpg")) or list(cache.rglob("*.png")) or list(cache.rglob("*.webp"))
        subprocess.run(["rm", "-r", str(cache)], check=True)
        service.start()
        body = {"session_id": state["session_id"], "format": "pdf"}

        check_shown(service, service.status(state["session_id"]))
        assert service.client.post("/download", json=body).raise_for_status().content.startswith(b"%PDF")


def test_a_lost_journal_is_made_again_of_the_copies(s3: S3Server, prefix: str, tmp_path: Path) -> None:
    with service_on(s3.url(prefix), folder=tmp_path) as service:
        state = service.wait(service.generate(story(902, 2), num_scenes=2))
        copy = tmp_path / "projects" / ".cache" / state["session_id"] / "session.json"
        until(copy.is_file)  # it is written once the session has ended
        service.kill()
        for path in (tmp_path / "projects").glob("journal.db*"):
            path.unlink()
        service.start()

        check_shown(service, service.status(state["session_id"]))


def test_a_bucket_lost_while_drawing_is_told_and_nothing_is_paid_twice(
    s3: S3Server, prefix: str, fake: FakeProviders, tmp_path: Path
) -> None:
    fake.control(image_ms=1500)
    with (
        TcpLink(s3.port) as link,
        service_on(s3.url(prefix, port=link.port), fake, folder=tmp_path, image_concurrency=1) as service,
    ):
        session_id = service.generate(story(903, 12), num_scenes=12)
        drawings_under_way(fake, 1)
        link.cut()
        state = service.wait(session_id, patience=PATIENCE_SECONDS)
        health, paid = storage_of(service), fake.counts()["pictures_paid"]

        assert (state["status"], ready(state)) == ("failed", 0)
        assert {scene["error"]["code"] for scene in state["scenes"]} == {"storage_unavailable"}
        assert all(scene["error"]["retryable"] for scene in state["scenes"])
        assert (health["status"], health["services"]["storage"]) == ("degraded", "unavailable")
        assert health["details"]["storage"] == "The object storage does not answer."
        assert service.client.get("/health/ready").is_success
        assert 0 < paid < 12  # once it is known, nothing more is paid for

        fake.control(image_ms=50)
        link.heal()
        until(lambda: bool(storage_of(service)["services"]["storage"] == "available"))
        service.client.post("/continue", json={"session_id": session_id}).raise_for_status()
        state = service.wait(session_id, patience=PATIENCE_SECONDS)

        assert (state["status"], ready(state)) == ("completed", 12)
        assert (fake.counts()["pictures_paid"], fake.counts()["pictures_paid_twice"]) == (12, 0)
        assert fake.counts()["violations"] == []
        assert state["cost_usd"] == pytest.approx(sum(fake.counts()["usd"].values()))
        assert open_charges(service) == 0
        check_shown(service, state)
        assert service.log().count("object storage unavailable") == 1


def test_a_short_cut_is_ridden_out(s3: S3Server, prefix: str, fake: FakeProviders, tmp_path: Path) -> None:
    fake.control(image_ms=300)
    with TcpLink(s3.port) as link, service_on(s3.url(prefix, port=link.port), fake, folder=tmp_path) as service:
        session_id = service.generate(story(904, 4), num_scenes=4)
        drawings_under_way(fake, 1)
        link.cut()
        until(lambda: bool(fake.counts()["pictures_paid"]))
        link.heal()
        state = service.wait(session_id, patience=PATIENCE_SECONDS)

        assert (state["status"], ready(state)) == ("completed", 4)
        assert (fake.counts()["pictures_paid"], fake.counts()["pictures_paid_twice"]) == (4, 0)


def test_a_repeated_story_is_not_paid_for_again_when_the_bucket_cannot_be_asked(
    s3: S3Server, prefix: str, fake: FakeProviders, tmp_path: Path
) -> None:
    with TcpLink(s3.port) as link, service_on(s3.url(prefix, port=link.port), fake, folder=tmp_path) as service:
        service.wait(service.generate(story(905, 2), num_scenes=2))
        link.cut()
        state = service.wait(service.generate(story(905, 2), num_scenes=2), patience=PATIENCE_SECONDS)

        assert {scene["error"]["code"] for scene in state["scenes"]} == {"storage_unavailable"}
        assert fake.counts()["pictures_paid"] == 2


def test_a_zip_is_whole_though_its_pictures_pass_the_cache(s3: S3Server, prefix: str, tmp_path: Path) -> None:
    with service_on(s3.url(prefix), folder=tmp_path, storage_cache_bytes=1_000_000) as service:
        state = service.wait(service.generate(story(906, 20), num_scenes=20), patience=PATIENCE_SECONDS)
        archive: zipfile.ZipFile = zip_of(service, state["session_id"])

        assert len(pictures_in(archive)) == 20
