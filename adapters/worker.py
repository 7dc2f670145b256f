"""A worker: takes jobs from Redis and draws, `python -m adapters.worker`; tells how it is at WORKER_PORT."""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import uvicorn
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from adapters.local_runner import report_nobody
from adapters.logs import logged_to, set_up_logs
from adapters.metrics import CONTENT_TYPE, Metrics
from adapters.wiring import check_start, open_error_tracker, open_telemetry, open_work
from business_logic import Studio
from config import VERSION, ConfigurationError, Settings, load_settings
from models import StorageUnavailable

log = logging.getLogger(__name__)

STOP_SECONDS = 1  # for requests to this small server, before the worker itself stops


def create_worker(settings: Settings) -> FastAPI:
    """The worker as an application: it works from its start to its end."""
    counted = Metrics()
    counted.tell_about(version=VERSION, environment=settings.environment, queue="redis")
    tracker = open_error_tracker(settings)
    telemetry = open_telemetry(settings, [])
    if telemetry is not None:
        counted.pass_on_to(telemetry.observe)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if tracker is not None:
                stack.push_async_callback(tracker.aclose)
            if telemetry is not None:
                stack.push_async_callback(telemetry.aclose)
                stack.enter_context(logged_to(telemetry.log_handler))
            report = tracker.report if tracker is not None else report_nobody
            app.state.studio = await stack.enter_async_context(open_work(settings, counted, report))
            log.info("worker ready", extra={"environment": settings.environment, "version": VERSION})
            yield
        log.info("worker stopped")

    async def metrics(_: Request) -> Response:
        return Response(counted.render(), headers={"Content-Type": CONTENT_TYPE})

    routes: list[BaseRoute] = [
        Route("/metrics", metrics),
        Route("/health/live", _live),
        Route("/health/ready", _ready),
    ]
    return FastAPI(  # for its OpenTelemetry
        routes=routes,
        lifespan=lifespan,
        telemetry=telemetry.config if telemetry else {"auto_configure": False},
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )


async def _live(_: Request) -> Response:
    return JSONResponse({"status": "alive"})


async def _ready(request: Request) -> Response:
    """503 while it takes no jobs: it is being stopped, or Redis does not answer."""
    studio: Studio = request.app.state.studio
    try:
        await studio.check_ready()
    except StorageUnavailable as error:
        return JSONResponse({"status": "not ready", "reason": str(error)}, status_code=503)
    return JSONResponse({"status": "ready"})


def main() -> int:
    """Work; returns the exit status."""
    try:
        settings = load_settings()
        if settings.redis_url is None:
            raise ConfigurationError("REDIS_URL: a worker needs it; one process alone is `python main.py`.")
        set_up_logs(level=settings.log_level, json_lines=settings.environment != "development")
        check_start(settings)
    except ConfigurationError as error:
        print(error, file=sys.stderr)  # noqa: T201 (in one sentence, however the log is written)
        return 1
    uvicorn.run(
        create_worker(settings),
        host=settings.worker_host,
        port=settings.worker_port,
        http="h11",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
