"""Several instances and workers over one Redis and one folder of pictures: the service on many machines."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tests.fake_providers import FakeProviders
from tests.redis_server import RedisServer
from tests.service import Service, Worker

LEASE_SECONDS = 2.0  # shorter than anybody would set it: the tests wait for it


class Fleet:
    """Redis, `instances` of the service and `workers`, started in that order, ended together."""

    def __init__(
        self, fake: FakeProviders | None = None, *, instances: int = 2, workers: int = 2, **settings: int | str
    ) -> None:
        self._stack = ExitStack()
        self._fake = fake
        self._sizes = instances, workers
        self._settings = settings
        self.instances: list[Service] = []
        self.workers: list[Worker] = []

    def __enter__(self) -> Self:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="story-fleet-")))
        self.redis = self._stack.enter_context(RedisServer(self.folder / "redis"))
        instances, workers = self._sizes
        for _ in range(instances):
            self.add_instance()
        for _ in range(workers):
            self.add_worker()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def settings(self) -> dict[str, int | str]:
        shared = {"REDIS_URL": self.redis.url, "PROJECTS_DIR": str(self.folder / "projects")}
        return {"JOB_LEASE_SECONDS": str(LEASE_SECONDS), **shared, **self._settings}

    def add_instance(self, **settings: int | str) -> Service:
        service = Service(self._fake, folder=None, **self.settings | settings)
        self.instances.append(self._stack.enter_context(service))
        return service

    def add_worker(self, **settings: int | str) -> Worker:
        worker = Worker(self._fake, **self.settings | settings)
        self.workers.append(self._stack.enter_context(worker))
        return worker
