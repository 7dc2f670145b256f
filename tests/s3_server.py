"""An S3 server for tests: moto's, in a process of its own, with one bucket; what it holds ends with it."""

from __future__ import annotations

import subprocess
import sys
import time
from types import TracebackType
from typing import Self
from urllib.parse import urlencode
from xml.etree import ElementTree

import httpx

from tests.conftest import missing
from tests.service import free_port

BUCKET = "stories"
KEYS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "zqx-storage-secret", "AWS_REGION": "us-east-1"}
START_SECONDS = 60.0  # a safety net
SIGNED = "AWS4-HMAC-SHA256 Credential=tests/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"


class S3Server:
    """Serves S3 on loopback for as long as the `with` block lasts; skips the test aloud where moto is not installed."""

    def __init__(self) -> None:
        self.port = free_port()
        headers = {"Authorization": SIGNED}  # moto looks whether there is a signature, not whether it is right
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}", headers=headers, trust_env=False, timeout=30
        )
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.client.close()

    def start(self) -> None:
        """Start it, empty but for the bucket."""
        try:
            import moto.server  # noqa: F401
        except ImportError:
            missing("moto is not installed: requirements-dev.txt has it")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + START_SECONDS
        while not self._made_bucket():
            assert self._process.poll() is None and time.monotonic() < until, "moto did not start"
            time.sleep(0.05)

    def stop(self) -> None:
        """SIGTERM, and wait."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def kill(self) -> None:
        """SIGKILL, and wait."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def url(self, prefix: str = "", *, bucket: str = BUCKET, port: int | None = None) -> str:
        """What STORAGE_URL would be, straight or through a link at another port."""
        query = urlencode({"endpoint": f"http://127.0.0.1:{port or self.port}"})
        return f"s3://{bucket}/{prefix}?{query}"

    def keys(self, prefix: str = "") -> list[str]:
        """The keys of all objects below a prefix, as S3 itself lists them."""
        found: list[str] = []
        query = {"list-type": "2", "prefix": prefix}
        while True:
            page = ElementTree.fromstring(self.client.get(f"/{BUCKET}", params=query).raise_for_status().text)
            found += [each.text or "" for each in page.iterfind("{*}Contents/{*}Key")]
            token = page.findtext("{*}NextContinuationToken")
            if token is None:
                return found
            query["continuation-token"] = token

    def get(self, key: str) -> bytes:
        return self.client.get(f"/{BUCKET}/{key}").raise_for_status().content

    def put(self, key: str, content: bytes) -> None:
        self.client.put(f"/{BUCKET}/{key}", content=content).raise_for_status()

    def delete(self, key: str) -> None:
        self.client.delete(f"/{BUCKET}/{key}").raise_for_status()

    def _made_bucket(self) -> bool:
        try:
            return self.client.put(f"/{BUCKET}").status_code == 200
        except httpx.TransportError:
            return False
