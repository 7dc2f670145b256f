"""Imports point one way, and only `config` reads the environment."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BASE = {"models", "config", "lexicon"}
CORE = {"ai_services", "session_manager"}

# What each room may import of ours; an adapter knows the Protocols and the nouns, and files of its own name's family.
ALLOWED: dict[str, set[str]] = {
    "lexicon": set(),
    "models": set(),
    "config": set(),
    "utils": BASE,
    "ai_services": {"utils", *BASE},
    "session_manager": {"utils", *BASE},
    "business_logic": {*CORE, "utils", *BASE},
    "adapters.wiring": {"business_logic", *CORE, "utils", *BASE, "adapters"},
    "main": {"business_logic", "utils", *BASE, "adapters"},
    "adapters.worker": {"business_logic", "utils", *BASE, "adapters"},
}
ADAPTER = {"business_logic", *CORE, "utils", *BASE}
# The only adapters that use another: the page's files are tagged as every answer is, drafts are drawn by the painter in
# the pool, the journal saves itself, every answer has the same headers, a ZIP and a book have the reading page's words,
# pages and slides the same pictures, the schema's steps lead
# to the projects' table.
FAMILIES = {
    "adapters.export_epub": {"adapters.book_pictures", "adapters.export_html"},
    "adapters.export_zip": {"adapters.export_html"},
    "adapters.draft_images": {"adapters.paper_cut", "adapters.process_pool"},
    "adapters.export_pdf": {"adapters.book_pictures"},
    "adapters.export_pptx": {"adapters.book_pictures"},
    "adapters.middleware": {"adapters.caching"},
    "adapters.h11_problems": {"adapters.middleware"},
    "adapters.sqlite_journal": {"adapters.sqlite_salvage"},
    "adapters.redis_store": {"adapters.redis_link"},
    "adapters.redis_accounts": {"adapters.redis_link"},
    "adapters.redis_flights": {"adapters.redis_link"},
    "adapters.docket_runner": {"adapters.redis_link", "adapters.redis_store"},
    "adapters.migrate": {"adapters.postgres_projects"},
    "adapters.migrations.env": {"adapters.postgres_projects"},
}
ROOMS = {"main", "business_logic", "ai_services", "session_manager", "utils", *BASE}


def modules() -> dict[str, Path]:
    """Every module of the service by its dotted name."""
    rooms = {path.stem: path for path in ROOT.glob("*.py") if path.stem in ROOMS}
    adapters = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in (ROOT / "adapters").rglob("*.py")
    }
    return rooms | adapters


def imported(path: Path) -> set[str]:
    """The dotted names a file imports, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def ours(names: set[str], known: set[str]) -> set[str]:
    return {name for name in names if name in known and name != "adapters"}


@pytest.mark.parametrize("module", sorted(modules()))
def test_imports_point_only_to_the_right(module: str) -> None:
    known = set(modules())
    allowed = ALLOWED.get(module, ADAPTER)

    for name in ours(imported(modules()[module]), known):
        package = name.split(".")[0]
        own_family = package == "adapters" and name.split(".")[1] == module.split(".")[-1 if "." not in module else 1]
        assert package in allowed or own_family or name_in(name, FAMILIES.get(module, set())), f"{module} → {name}"


def name_in(name: str, families: set[str]) -> bool:
    return any(name == family or name.startswith(f"{family}.") for family in families)


def test_only_wiring_and_main_choose_adapters() -> None:
    for module, path in modules().items():
        others = {n for n in ours(imported(path), set(modules())) if n.startswith("adapters.")}
        family = {n for n in others if n.split(".")[1] == module.split(".")[-1 if "." not in module else 1]}
        if module not in ("main", "adapters.wiring", "adapters.worker"):
            assert not {n for n in others - family if not name_in(n, FAMILIES.get(module, set()))}, module


@pytest.mark.parametrize("module", sorted(set(modules()) - {"config"}))
def test_only_config_reads_the_environment(module: str) -> None:
    text = modules()[module].read_text("utf-8")

    for word in ("os.environ", "os.getenv", "getenv(", "load_dotenv", "BaseSettings"):
        assert word not in text, f"{module} reads the environment: {word}"


def test_the_core_knows_no_web_framework_and_no_database() -> None:
    foreign = {"fastapi", "starlette", "uvicorn", "redis", "prometheus_client"}
    for module in ("business_logic", "session_manager", "utils", "models", "ai_services"):
        packages = {name.split(".")[0] for name in imported(modules()[module])}
        assert not packages & foreign, module
    assert "sqlite3" not in imported(modules()["session_manager"])
    assert "httpx" not in imported(modules()["business_logic"])


def test_routes_do_not_catch() -> None:
    tree = ast.parse((ROOT / "main.py").read_text("utf-8"))
    routes = [node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef) and node.decorator_list]

    assert len(routes) >= 20
    for route in routes:
        assert not [node for node in ast.walk(route) if isinstance(node, ast.Try | ast.For)], route.name
