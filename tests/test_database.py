"""The running service with `DATABASE_URL`: approved work outlives its sessions, and PostgreSQL may come and go."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from adapters.migrate import migrate
from tests.conftest import Json
from tests.fake_providers import REPOSITORY, FakeProviders
from tests.postgres_server import PASSWORD, PATIENCE_SECONDS, PostgresServer
from tests.service import Service
from tests.stories import story

ANN = {"X-API-Key": "ann-key"}


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A PostgreSQL that may be killed, with the schema."""
    with PostgresServer(fsync=True) as opened:
        asyncio.run(migrate(opened.url()))
        yield opened


def drawn(service: Service, seed: int, **more: object) -> str:
    """The id of a finished session."""
    session_id = service.generate(story(seed, 2), num_scenes=2, **more)
    assert service.wait(session_id)["status"] == "completed"
    return session_id


def approve(service: Service, session_id: str, **more: object) -> httpx.Response:
    return service.client.post("/approve", json={"session_id": session_id, "approved_scenes": [0, 1]} | more)


def listed(service: Service, **parameters: str | int) -> list[str]:
    """The titles of a list of projects."""
    page: Json = service.client.get("/projects", params=parameters).raise_for_status().json()
    return [project["title"] for project in page["projects"]]


def database(service: Service) -> str:
    health: Json = service.client.get("/health").raise_for_status().json()
    state: str = health["services"]["database"]
    return state


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.05)


def test_approved_work_outlives_its_sessions(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with Service(folder=tmp_path / "one", database_url=database_url) as service:
        made = [drawn(service, n, title=f"Title {n}") for n in range(5)]
        for session_id in made:
            assert approve(service, session_id).status_code == 200
        drawn(service, 9, title="Never approved")
        before = service.client.get(f"/projects/{made[0]}").json()

    with Service(folder=tmp_path / "two", database_url=database_url) as service:  # another machine: nothing is here
        assert database(service) == "available"
        assert listed(service) == [f"Title {n}" for n in reversed(range(5))]
        assert listed(service, q="TITLE 3") == ["Title 3"]
        assert listed(service, q=story(2, 2)[5:40].upper()) == ["Title 2"]
        assert listed(service, q="%") == []
        first = service.client.get("/projects", params={"limit": 2, "q": "title"}).json()
        second = service.client.get("/projects", params={"limit": 9, "q": "title", "after": first["next"]}).json()
        assert [p["title"] for p in first["projects"] + second["projects"]] == listed(service)
        assert second["next"] is None

        after = service.client.get(f"/projects/{made[0]}").json()
        assert {"title", "approved_at", "approved_scenes"} <= after.keys()
        assert [scene["scene_id"] for scene in after["scenes"]] == [scene["scene_id"] for scene in before["scenes"]]
        assert service.client.delete(f"/sessions/{made[4]}").status_code == 204
        assert listed(service, limit=1) == ["Title 3"]
        assert service.client.get(f"/projects/{made[4]}").status_code == 404
        assert service.status(made[1])["status"] == "completed"
        edit = service.client.patch(f"/sessions/{made[1]}/scenes/0", json={"title": "Edited elsewhere"})
        assert edit.status_code == 200, edit.text


def test_other_peoples_projects_stay_theirs(database_url: str, tmp_path: Path) -> None:
    with Service(folder=tmp_path, database_url=database_url, api_keys="ann:ann-key,ben:ben-key") as service:
        service.client.headers.update(ANN)
        session_id = drawn(service, 1, title="Of Ann")
        approve(service, session_id).raise_for_status()
        service.stop()
        (tmp_path / "projects" / "journal.db").unlink()
        (tmp_path / "projects" / session_id / "session.json").unlink()
        service.start()

        service.client.headers["X-API-Key"] = "ben-key"
        assert listed(service) == listed(service, q="ann") == []
        assert service.client.get(f"/projects/{session_id}").status_code == 404
        service.client.headers["X-API-Key"] = "ann-key"
        assert listed(service, q="ann") == ["Of Ann"]
        picture = service.client.get(f"/projects/{session_id}").json()["cover_url"]
        assert service.client.get(picture).status_code == 200  # the pictures are still there


def test_without_postgres_drawing_goes_on_and_approving_waits(server: PostgresServer, tmp_path: Path) -> None:
    with Service(folder=tmp_path, database_url=server.url()) as service:
        first = drawn(service, 1, title="First")
        approve(service, first).raise_for_status()

        server.kill()

        second = drawn(service, 2, title="Second")
        before = service.status(second)
        refused = approve(service, second)
        assert refused.status_code == 503
        assert refused.headers["content-type"] == "application/problem+json"
        assert int(refused.headers["Retry-After"]) >= 1
        assert refused.json()["retryable"] is True and refused.json()["code"] == "storage_unavailable"
        assert service.status(second) == before
        assert service.client.get("/projects").status_code == 503
        assert database(service) == "unavailable"
        assert service.client.get("/health").json()["status"] == "degraded"
        assert service.client.get("/health/ready").status_code == 204
        assert service.status(first)["status"] == "completed"
        edit = service.client.patch(f"/sessions/{first}/scenes/0", json={"title": "Edited in the outage"})
        assert edit.status_code == 200

        server.start()
        assert approve(service, second).status_code == 200
        assert listed(service) == ["Second", "First"]
        saved = "SELECT body FROM approved_projects WHERE title = 'First'"
        until(lambda: "Edited in the outage" in server.ask(saved)[0][0])
        until(lambda: database(service) == "available")

        server.kill()
        server.start()  # with every connection dead, nobody notices
        assert listed(service) == ["Second", "First"]
        assert PASSWORD not in service.log()


def test_a_frozen_postgres_holds_up_no_drawing(server: PostgresServer, tmp_path: Path) -> None:
    with Service(folder=tmp_path, database_url=server.url()) as service:
        approve(service, drawn(service, 1)).raise_for_status()
        server.freeze()

        session_id = drawn(service, 2)
        assert approve(service, session_id).status_code == 503
        assert service.client.get("/health/ready").status_code == 204

        server.thaw()
        until(lambda: approve(service, session_id).status_code == 200)


def test_final_pictures_that_come_after_the_approval_are_saved(server: PostgresServer, tmp_path: Path) -> None:
    """Approved with `upgrade`, then PostgreSQL is gone while the final pictures are drawn."""
    with (
        FakeProviders(image_ms=1500) as fake,
        Service(fake, folder=tmp_path, database_url=server.url()) as service,
    ):
        session_id = drawn(service, 1, quality="draft")
        approve(service, session_id, upgrade=True).raise_for_status()
        server.kill()
        assert service.wait(session_id)["status"] == "completed"
        service.kill()  # whatever it had in mind is gone
        server.start()

        service.start()
        saved = "SELECT body FROM approved_projects"
        until(lambda: server.ask(saved)[0][0].count('"quality":"final"') > 2)

        pictures = service.client.get(f"/projects/{session_id}").json()["scenes"]
        assert [scene["status"] for scene in pictures] == ["ready", "ready"]


def test_the_service_starts_without_postgres_and_finds_it_later(server: PostgresServer, tmp_path: Path) -> None:
    server.stop()
    with Service(folder=tmp_path, database_url=server.url()) as service:
        assert database(service) == "unavailable"
        session_id = drawn(service, 1, title="Early")
        assert approve(service, session_id).status_code == 503

        server.start()

        until(lambda: database(service) == "available")
        assert approve(service, session_id).status_code == 200
        assert listed(service) == ["Early"]


def test_a_database_without_the_schema_is_told_in_a_sentence(postgres: PostgresServer, tmp_path: Path) -> None:
    service = Service(folder=tmp_path, database_url=postgres.new_database())
    with pytest.raises(RuntimeError, match=r"run `python -m adapters\.migrate`"):
        service.start()
    assert "Traceback" not in service.log()
    service.stop()


def test_a_missing_package_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "asyncpg.py").write_text("raise ImportError('not here')\n")
    service = Service(folder=tmp_path, database_url="postgresql://h/stories", pythonpath=str(tmp_path))
    with pytest.raises(RuntimeError, match=r"DATABASE_URL[^\n]+pip install -r requirements-scale\.txt\.\n"):
        service.start()
    assert "Traceback" not in service.log()
    service.stop()


def test_the_plain_service_imports_none_of_it() -> None:
    code = "import sys, main; print(*sorted({'sqlalchemy', 'asyncpg', 'alembic'} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)

    assert ended.stdout == "\n"


def test_what_sqlite_has_moves_when_there_is_a_database(database_url: str, tmp_path: Path) -> None:
    with Service(folder=tmp_path) as service:
        approve(service, drawn(service, 1, title="Of before")).raise_for_status()
        assert database(service) == "not_configured"
        assert listed(service, q="BEFORE") == ["Of before"]
        assert listed(service, q="after") == []
        service.stop()

        service.environment["DATABASE_URL"] = database_url
        service.start()

        until(lambda: listed(service, q="BEFORE") == ["Of before"])


@pytest.mark.parametrize("with_database", [False, True])
def test_a_search_has_a_limit_and_takes_anything(database_url: str, tmp_path: Path, with_database: bool) -> None:
    with Service(folder=tmp_path, database_url=database_url if with_database else "") as service:
        approve(service, drawn(service, 1, title="Ordinary")).raise_for_status()
        too_long = service.client.get("/projects", params={"q": "x" * 201})
        assert too_long.status_code == 422
        assert too_long.json()["errors"][0]["loc"] == "query.q"
        assert "xxx" not in too_long.text
        for words in ("", "   ", "\0", "ORDINARY", " ordinary \n"):
            assert listed(service, q=words) == ["Ordinary"], words
        for words in ("\\", "%", "_", "'", "\ufffd", "x" * 200, "😀", "a\0zq"):
            assert listed(service, q=words) == [], words
