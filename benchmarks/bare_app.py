"""The bare FastAPI app the service is held against: the same bytes from one route, under the same server settings."""

from __future__ import annotations

import os
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Response


def create_app(body: bytes) -> FastAPI:
    """`/health` and one `/status/{session_id}` that answers with `body`."""
    app = FastAPI()

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "healthy"}

    @app.get("/status/{session_id}")
    async def status(session_id: str) -> Response:
        return Response(content=body, media_type="application/json")

    return app


def main() -> None:
    body = Path(os.environ["BARE_BODY"]).read_bytes() if "BARE_BODY" in os.environ else b"{}"
    uvicorn.run(
        create_app(body),
        host=os.environ["HOST"],
        port=int(os.environ["PORT"]),
        # From here on as `main.serve` has it.
        http="h11",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=65,
        timeout_graceful_shutdown=3,
        backlog=2048,
        proxy_headers=False,
    )


if __name__ == "__main__":
    main()
