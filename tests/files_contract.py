"""What project files promise wherever they are kept; a storage's tests inherit from it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from models import ImageNotFound, SessionNotFound, StorageUnavailable
from utils import ProjectFiles, new_session_id, utc_now

JPEG = b"\xff\xd8\xff a picture"
SCENE, OTHER_SCENE = "aaaaaaaaaaaa", "bbbbbbbbbbbb"
HOUR = timedelta(hours=1)


class FilesContract:
    """Inherit, and give a fixture `files`: empty, for this test alone."""

    def test_what_was_written_is_read(self, files: ProjectFiles) -> None:
        session_id = new_session_id()

        files.write(session_id, "story.txt", b"one")
        files.write(session_id, "story.txt", b"two")

        assert files.read(session_id, "story.txt") == b"two"

    def test_what_is_not_there_cannot_be_read(self, files: ProjectFiles) -> None:
        with pytest.raises(StorageUnavailable):
            files.read(new_session_id(), "story.txt")
        with pytest.raises(StorageUnavailable):
            files.read_picture(f"{64 * '0'}.jpg")

    @pytest.mark.parametrize("trick", ["../etc", "..", "", f"{32 * 'A'}", f"{32 * 'a'}\n", "a/b"])
    def test_what_cannot_be_a_session_has_no_files(self, files: ProjectFiles, trick: str) -> None:
        for ask in (
            lambda: files.folder(trick),
            lambda: files.write(trick, "story.txt", b"one"),
            lambda: files.read(trick, "story.txt"),
            lambda: files.unlink(trick, "story.txt"),
            lambda: files.remove(trick),
        ):
            with pytest.raises(SessionNotFound):
                ask()

    def test_a_removed_file_is_gone_and_may_be_removed_again(self, files: ProjectFiles) -> None:
        session_id = new_session_id()
        files.write(session_id, "session.json", b"{}")

        files.unlink(session_id, "session.json")
        files.unlink(session_id, "session.json")

        with pytest.raises(StorageUnavailable):
            files.read(session_id, "session.json")

    def test_sessions_are_those_that_have_the_file(self, files: ProjectFiles) -> None:
        first, second, without = sorted(new_session_id() for _ in range(3))
        for session_id in (second, first):
            files.write(session_id, "session.json", b"{}")
        files.write(without, "story.txt", b"one")

        assert files.sessions("session.json") == [first, second]
        assert files.sessions("nothing") == []

    def test_a_picture_is_stored_once_by_its_content(self, files: ProjectFiles) -> None:
        kept = files.keep_picture(JPEG, "jpg")

        assert files.keep_picture(JPEG, "jpg") == kept
        assert files.keep_picture(b"another", "jpg") != kept
        assert files.read_picture(kept) == JPEG
        assert files.has_picture(kept)
        assert not files.has_picture(f"{64 * '0'}.jpg")

    def test_a_picture_that_is_shown_has_a_path(self, files: ProjectFiles) -> None:
        session_id, kept = new_session_id(), files.keep_picture(JPEG, "jpg")

        name = files.link_picture(kept, session_id, SCENE, 3)

        assert name == f"{SCENE}-v3-{kept[:8]}.jpg"
        assert files.link_picture(kept, session_id, SCENE, 3) == name
        path = files.picture(session_id, name)
        assert (path.name, path.read_bytes()) == (name, JPEG)

    def test_a_picture_that_was_never_stored_cannot_be_shown(self, files: ProjectFiles) -> None:
        session_id = new_session_id()

        with pytest.raises(StorageUnavailable):
            files.link_picture(f"{64 * '0'}.jpg", session_id, SCENE, 1)
        with pytest.raises(ImageNotFound):
            files.picture(session_id, f"{SCENE}-v1-00000000.jpg")

    def test_several_pictures_come_in_the_order_they_were_asked_for(self, files: ProjectFiles) -> None:
        session_id = new_session_id()
        kept = [files.keep_picture(b"%d" % n, "png") for n in range(20)]
        names = [files.link_picture(each, session_id, SCENE, n) for n, each in enumerate(kept)]

        paths = files.pictures(session_id, names)

        assert [path.read_bytes() for path in paths] == [b"%d" % n for n in range(20)]
        assert files.pictures(session_id, []) == []
        with pytest.raises(ImageNotFound):
            files.pictures(session_id, [*names, f"{SCENE}-v99-00000000.png"])

    def test_removing_a_session_never_takes_a_picture_from_another(self, files: ProjectFiles) -> None:
        one, other = new_session_id(), new_session_id()
        kept = files.keep_picture(JPEG, "jpg")
        first, second = files.link_picture(kept, one, SCENE, 1), files.link_picture(kept, other, OTHER_SCENE, 2)
        files.write(one, "session.json", b"{}")

        files.remove(one)
        files.remove(one)

        assert files.picture(other, second).read_bytes() == JPEG
        assert not files.folder(one).exists()
        assert files.sessions("session.json") == []
        for name in (first, "../../etc/passwd", "x.jpg", second + "\n"):
            with pytest.raises(ImageNotFound):
                files.picture(one, name)

    def test_pictures_nobody_shows_are_swept(self, files: ProjectFiles) -> None:
        shown, unshown = files.keep_picture(b"shown", "png"), files.keep_picture(b"unshown", "png")
        session_id = new_session_id()
        name = files.link_picture(shown, session_id, SCENE, 1)

        assert files.sweep(untouched_since=utc_now() - HOUR) == 0
        assert files.sweep(untouched_since=utc_now() + HOUR) == 1
        assert files.has_picture(shown)
        assert not files.has_picture(unshown)
        assert files.picture(session_id, name).read_bytes() == b"shown"

        files.remove(session_id)

        assert files.sweep(untouched_since=utc_now() + HOUR) == 1
        assert not files.has_picture(shown)

    def test_an_export_is_there_when_it_is_whole_and_only_the_newest_stay(self, files: ProjectFiles) -> None:
        folder = files.folder(new_session_id()) / "exports"
        for number in range(3):
            path = folder / f"{number}.pdf"
            temporary = files.begin(path)
            assert not path.exists()
            temporary.write_bytes(b"%d" % number)
            files.finish(temporary, path, keep=2)

        assert sorted(path.name for path in folder.iterdir()) == ["1.pdf", "2.pdf"]

    def test_many_at_once_do_not_disturb_each_other(self, files: ProjectFiles) -> None:
        sessions = [new_session_id() for _ in range(8)]

        def show(number: int) -> Path:
            kept = files.keep_picture(JPEG, "jpg")
            session_id = sessions[number % len(sessions)]
            return files.picture(session_id, files.link_picture(kept, session_id, SCENE, 1))

        with ThreadPoolExecutor(8) as threads:
            paths = list(threads.map(show, range(32)))

        assert {path.read_bytes() for path in paths} == {JPEG}

    def test_files_that_answer_say_so(self, files: ProjectFiles) -> None:
        files.check()
