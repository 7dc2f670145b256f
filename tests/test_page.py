"""The page in a real browser, against the real service: what people do with it, and what must never happen there."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import pytest
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Dialog,
    Locator,
    Page,
    Request,
    Response,
    Route,
    expect,
    sync_playwright,
)

from models import DownloadFormat
from tests.conftest import missing, need_program
from tests.fake_providers import REPOSITORY, FakeProviders
from tests.service import Service
from tests.stories import story

pytestmark = pytest.mark.xdist_group("page")

STATIC = REPOSITORY / "static"
AXE = REPOSITORY / "tests" / "node_modules" / "axe-core" / "axe.min.js"
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1440, "height": 1000}
PATIENCE_MS = 60_000
MOST_BYTES = 120_000  # of what one visit loads, in one language, without pictures
MOST_SHIFT = 0.1
LANGUAGES = ("en", "es", "ar")
PLURALS = {"en": {"one", "other"}, "es": {"one", "many", "other"}, "ar": {"zero", "one", "two", "few", "many", "other"}}
STORY = (
    "Mira found the paper boat at dawn. It was stuck in the reeds by the mill.\n\n* * *\n\n"
    "She carried it through the market, where old Tomas was stacking pears.\n\n* * *\n\n"
    "At night Mira and Tomas set it on the black water together."
)
HOSTILE = '"><img src=x onerror="alert(1)"><script>alert(2)</script>'
NETWORK = "Failed to load resource"  # how the browser's console tells of an answer that says no
OBSERVE = """
  window.shift = 0;
  window.shifted = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) {
      window.shift += entry.value;
      const nodes = entry.sources.map((each) => each.node);
      window.shifted.push([entry.value, nodes.map((node) => node?.id || node?.className || node?.nodeName)]);
    }
  }).observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = need_program("chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def drafts() -> Iterator[Service]:
    """The service as somebody has it who has no keys yet."""
    with Service() as service:
        yield service


@pytest.fixture(scope="module")
def providers() -> Iterator[FakeProviders]:
    with FakeProviders(picture_bytes=8_000) as fake:
        yield fake


@pytest.fixture(scope="module")
def paid(providers: FakeProviders) -> Iterator[Service]:
    """The service with keys for text and pictures."""
    with Service(providers, max_scenes=100, image_concurrency=8) as service:
        yield service


@pytest.fixture
def fake(providers: FakeProviders) -> FakeProviders:
    providers.reset()
    providers.control(clear_faults=True, text_ms=0, image_ms=0)
    return providers


class Visit:
    """One person's tab, and what went wrong in it."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page, self.origin = page, origin
        self.told: list[str] = []
        self.elsewhere: list[str] = []
        self.refused: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.told.append(str(error)))
        page.on("dialog", self._dismiss)
        page.on("request", self._look)
        page.on("response", self._read)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.told.append(message.text)

    def _dismiss(self, dialog: Dialog) -> None:
        self.told.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def _look(self, request: Request) -> None:
        if not request.url.startswith((self.origin, "data:", "blob:")):
            self.elsewhere.append(request.url)

    def _read(self, answer: Response) -> None:
        if answer.status >= 400:
            self.refused.append(f"{answer.status} {answer.url}")

    def open(self, address: str = "") -> None:
        self.page.goto(f"{self.origin}/{address}")
        expect(self.page.locator("html.loading")).to_have_count(0)

    @property
    def session_id(self) -> str:
        found = re.search(r"#/s/([0-9a-f]{32})", self.page.url)
        assert found, self.page.url
        return found[1]

    def write(self, text: str = STORY) -> None:
        self.page.locator("#story").fill(text)

    def draw(self, text: str = STORY) -> str:
        """Write that story and have it drawn to its end."""
        self.write(text)
        self.page.get_by_role("button", name="Draw the story").click()
        self.page.wait_for_url("**/#/s/*")
        self.drawn()
        return self.session_id

    def drawn(self) -> None:
        expect(self.page.locator("#dock:not([hidden]):not(.working) #doing:not(:empty)")).to_be_visible(
            timeout=PATIENCE_MS
        )

    def cards(self) -> Locator:
        return self.page.locator(".card")


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Any]]:
    """Opens a tab at a service; leaving it fails the test for whatever must never happen on the page."""

    @contextmanager
    def opened(service: Service, *, expected: str | None = None, **options: Any) -> Iterator[Visit]:
        origin = f"http://127.0.0.1:{service.port}"
        context = browser.new_context(**({"locale": "en-US", "viewport": DESKTOP, "base_url": origin} | options))
        context.set_default_timeout(20_000)
        context.add_init_script(OBSERVE)
        page = context.new_page()
        tab = Visit(page, origin)
        tab.open()
        yield tab
        page.wait_for_timeout(0)
        assert page.evaluate("window.shift") < MOST_SHIFT, page.evaluate("window.shifted")
        assert [line for line in tab.told if expected is None or expected not in line] == [], tab.refused
        assert tab.elsewhere == []
        context.close()

    yield opened
    for context in browser.contexts:
        context.close()


def both_sizes(test: Any) -> Any:
    return pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])(test)


# --- From the first word to the book ---------------------------------------------------------------------------


@both_sizes
def test_a_story_goes_the_whole_way(drafts: Service, visit: Any, viewport: Any) -> None:
    with visit(drafts, viewport=viewport) as tab:
        page = tab.page
        page.get_by_role("button", name="Use a sample story").click()
        expect(page.locator("#found")).to_contain_text("Tomas")
        expect(page.locator("#cost")).to_have_text("Free of charge")
        expect(page.locator("#write-note")).to_contain_text("offline drafts")
        page.get_by_label("Cartoon").check()
        page.get_by_role("button", name="Draw the story").click()
        page.wait_for_url("**/#/s/*")
        tab.drawn()
        expect(tab.cards()).to_have_count(4)
        expect(page.locator("#story-note")).to_contain_text("drafts")
        state = drafts.status(tab.session_id)
        for i, scene in enumerate(state["scenes"]):
            tab.cards().nth(i).scroll_into_view_if_needed()
            expect(tab.cards().nth(i).locator("img")).to_have_attribute("alt", scene["description"])
        page.get_by_role("button", name="Approve: ").nth(1).click()
        expect(page.get_by_role("button", name="Approve: ").nth(1)).to_have_attribute("aria-pressed", "true")

        page.get_by_role("button", name="Take away (1)").click()
        with page.expect_download() as coming:
            page.get_by_role("button", name="Approve and download").click()
        packed = zipfile.ZipFile(io.BytesIO(Path(coming.value.path()).read_bytes()))

        assert sum(name.endswith((".jpg", ".png", ".webp")) for name in packed.namelist()) == 1
        assert [scene["approved"] for scene in drafts.status(tab.session_id)["scenes"]] == [False, True, False, False]
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Read", exact=True).click()
        expect(page.locator("#reader-count")).to_have_text("Page 1 of 4")
        expect(page.locator("#reader-text")).to_contain_text("her boots were full")
        page.keyboard.press("ArrowRight")
        expect(page.locator("#reader-count")).to_have_text("Page 2 of 4")
        page.keyboard.press("Escape")
        page.get_by_role("link", name="Projects").click()
        expect(page.get_by_role("heading", name="Finished projects")).to_be_focused()
        expect(page.locator("#project-list b").first).to_have_text("The Paper Boat")


def test_everything_can_be_done_by_keyboard(drafts: Service, visit: Any) -> None:
    with visit(drafts) as tab:
        page = tab.page
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        tab_to(page, "#story")
        page.keyboard.insert_text(STORY)
        expect(page.locator("#found")).to_contain_text("Tomas")
        tab_to(page, "#draw")
        page.keyboard.press("Enter")
        page.wait_for_url("**/#/s/*")
        tab.drawn()
        expect(page.get_by_role("heading", level=1)).to_be_focused()

        tab_to(page, ".card:nth-child(1) h2 a")
        page.keyboard.press("Enter")
        expect(page.locator("#scene-heading")).to_be_focused()
        expect(page.locator("#scene-split")).to_be_enabled()
        tab_to(page, "#scene-split")
        page.keyboard.press("Enter")
        expect(page.locator(".cut").first).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#scene-place")).to_have_text("Scene 1 of 4")
        expect(page.locator("#scene-text")).to_have_text("Mira found the paper boat at dawn. ", use_inner_text=False)
        page.keyboard.press("Escape")
        expect(page.locator("#scene")).not_to_be_visible()
        expect(page.locator(".card:nth-child(1) h2 a")).to_be_focused()
        expect(tab.cards()).to_have_count(4)

        tab_to(page, ".card:nth-child(1) .approve")
        page.keyboard.press("Space")
        expect(page.locator(".card:nth-child(1) .approve")).to_have_attribute("aria-pressed", "true")
        tab_to(page, '[data-do="continue"]')
        page.keyboard.press("Enter")
        expect(page.locator('[data-do="continue"]')).to_have_count(0, timeout=PATIENCE_MS)
        tab.drawn()
        expect(page.locator('.card[data-state="ready"]')).to_have_count(4)


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until it is there."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab does not come to {selector}")


def test_a_document_is_read_and_one_that_cannot_be_is_told_in_words(drafts: Service, visit: Any) -> None:
    with visit(drafts, expected=NETWORK) as tab:
        page = tab.page
        name = f"{HOSTILE.replace('/', '')}.txt"
        page.locator("#file").set_input_files({"name": name, "mimeType": "text/plain", "buffer": STORY.encode()})
        expect(page.locator("#story")).to_have_value(STORY)
        expect(page.locator("#found")).to_contain_text("Tomas")

        drop(page, "scan.png", b"\x89PNG\r\n\x1a\n" + bytes(200))

        expect(page.locator("#write-note")).to_contain_text("This kind of file cannot be read")
        expect(page.locator("#story")).to_have_value(STORY)
        assert page.locator("img[src=x]").count() == 0


def drop(page: Page, name: str, content: bytes) -> None:
    page.evaluate(
        """([name, bytes]) => {
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([new Uint8Array(bytes)], name));
          for (const type of ["dragover", "drop"]) {
            const event = new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true });
            document.getElementById("sheet").dispatchEvent(event);
          }
        }""",
        [name, list(content)],
    )


# --- Working on it ---------------------------------------------------------------------------------------------


def test_a_scene_is_edited_drawn_again_and_an_earlier_picture_chosen(
    paid: Service, fake: FakeProviders, visit: Any
) -> None:
    with visit(paid, expected=NETWORK) as tab:
        page = tab.page
        tab.draw(story(51, 3))
        page.locator(".card h2 a").first.click()
        expect(page.locator("#scene-split")).to_be_enabled()
        page.get_by_label("Title", exact=True).last.fill("The mill at dawn")
        page.get_by_role("button", name="Save").click()
        expect(page.locator(".card h2 a").first).to_have_text("The mill at dawn")
        expect(page.locator("#edit-note")).to_have_text("Saved.")

        page.locator("#scene-redraw").click()
        expect(page.locator("#versions label")).to_have_count(2, timeout=PATIENCE_MS)
        expect(page.locator("#scene-redraw")).to_contain_text("$")
        with page.expect_response(lambda answer: answer.request.method == "GET" and "/scenes/0" in answer.url):
            page.locator("#versions input").first.check()
        expect(page.locator("#versions input").first).to_be_checked()
        expect(page.locator("#scene-state")).to_have_text("Ready")

        scene = paid.client.get(f"/sessions/{tab.session_id}/scenes/0").json()
        assert (scene["title"], scene["current_version"], len(scene["versions"])) == ("The mill at dawn", 1, 2)
        paid.client.patch(f"/sessions/{tab.session_id}/scenes/0", json={"title": "Elsewhere"})
        page.get_by_label("What it shows").fill("A mill.")
        page.get_by_role("button", name="Save").click()
        expect(page.locator("#scene .dialog-note")).to_contain_text("changed elsewhere")
        expect(page.get_by_label("What it shows")).to_have_value("A mill.")


def test_people_are_edited_and_what_is_out_of_date_is_drawn_anew_for_its_price(
    paid: Service, fake: FakeProviders, visit: Any
) -> None:
    with visit(paid) as tab:
        page = tab.page
        tab.draw(story(52, 3))
        page.get_by_role("button", name="People and places").click()
        expect(page.locator("#people .portrait img")).not_to_have_count(0)
        page.locator("#people .approve").first.click()
        expect(page.locator("#people .approve").first).to_have_attribute("aria-pressed", "true")
        page.locator("#character-0").fill("an old man in a green coat")
        page.locator("#bible-save").click()
        expect(page.locator("#bible-note")).to_have_text("Saved.")
        page.keyboard.press("Escape")
        expect(page.locator("#open-people")).to_be_focused()
        stale = page.locator('.card[data-state="stale"]')
        expect(stale).not_to_have_count(0)
        expect(stale.first).to_contain_text("$")
        before = paid.status(tab.session_id)["cost_usd"]

        page.get_by_role("button", name="Continue for $").click()

        expect(stale).to_have_count(0, timeout=PATIENCE_MS)
        tab.drawn()
        assert paid.status(tab.session_id)["cost_usd"] > before
        upload = page.locator("#people input[type=file]").first
        page.get_by_role("button", name="People and places").click()
        upload.set_input_files(
            {"name": "me.webp", "mimeType": "image/webp", "buffer": (STATIC / "cartoon.webp").read_bytes()}
        )
        expect(page.locator("#people .portrait").first).to_contain_text("Ready")
        expect(stale).not_to_have_count(0)


def test_scenes_are_joined_and_moved(drafts: Service, visit: Any) -> None:
    with visit(drafts) as tab:
        page = tab.page
        session_id = tab.draw()
        page.locator(".card h2 a").first.click()
        page.get_by_role("button", name="Move later").click()
        expect(page.locator("#scene-place")).to_have_text("Scene 2 of 3")
        expect(page.locator(".card h2 a").nth(1)).to_have_text("Mira found the paper boat at dawn")
        page.get_by_role("button", name="Move earlier").click()
        expect(page.locator("#scene-place")).to_have_text("Scene 1 of 3")

        page.get_by_role("button", name="Join with the next").click()

        expect(page.locator("#scene-place")).to_have_text("Scene 1 of 2")
        expect(page.locator("#scene-text")).to_contain_text("stacking pears")
        assert "".join(text_of(drafts, session_id, i) for i in range(2)) == STORY


def text_of(service: Service, session_id: str, number: int) -> str:
    return str(service.client.get(f"/sessions/{session_id}/scenes/{number}").json()["text"])


def test_drafts_are_drawn_final_before_they_are_handed_over(paid: Service, fake: FakeProviders, visit: Any) -> None:
    with visit(paid, expected=NETWORK) as tab:
        page = tab.page
        page.get_by_label("Draft").check()
        page.get_by_label("Scenes", exact=True).fill("2")
        session_id = tab.draw(story(60, 2))
        drafted = {scene["model"] for scene in paid.status(session_id)["scenes"]}
        page.get_by_role("button", name="Approve all").click()
        page.get_by_role("button", name="Take away (2)").click()
        page.get_by_label("final quality").check()
        with page.expect_download(timeout=PATIENCE_MS) as coming:
            page.get_by_role("button", name="Approve and download").click()

        assert zipfile.is_zipfile(coming.value.path())
        state = paid.status(session_id)
        assert drafted.isdisjoint(scene["model"] for scene in state["scenes"])
        assert all(scene["approved"] for scene in state["scenes"])


def test_past_projects_come_a_page_at_a_time(visit: Any) -> None:
    with Service() as service:
        ids = [service.generate(f"Mira found boat number {i} at dawn.", num_scenes=1) for i in range(14)]
        service.wait_all(ids)
        for session_id in ids:
            service.client.post("/approve", json={"session_id": session_id, "approved_scenes": [0]}).raise_for_status()
        with visit(service) as tab:
            page = tab.page
            page.get_by_role("link", name="Projects").click()
            expect(page.locator("#project-list li")).to_have_count(12)

            page.get_by_role("button", name="Show more").click()

            expect(page.locator("#project-list li")).to_have_count(14)
            expect(page.get_by_role("button", name="Show more")).to_have_count(0)
            page.locator("#project-list a").last.click()
            expect(page.locator("#story-title")).to_contain_text("Mira found boat number 0")
            expect(page.locator(".card .approve")).to_have_attribute("aria-pressed", "true")


# --- When something goes wrong ---------------------------------------------------------------------------------


def test_what_failed_says_why_and_what_can_be_done(paid: Service, fake: FakeProviders, visit: Any) -> None:
    fake.control(faults=[{"on": "draw", "kind": "task_error", "code": "invalidPositivePrompt", "status": 400}])
    with visit(paid) as tab:
        page = tab.page
        page.locator("#references").evaluate("(box) => (box.checked = false)")
        tab.draw(story(53, 3))
        failed = page.locator('.card[data-state="failed"]')
        expect(failed).to_have_count(1)
        expect(failed).to_contain_text("The image service refused the request")
        expect(page.locator("#doing")).to_contain_text("2 of 3 ready, 1 could not be drawn")

        failed.get_by_role("button", name="Draw again").click()

        expect(page.locator('.card[data-state="ready"]')).to_have_count(3, timeout=PATIENCE_MS)


def test_a_budget_that_is_used_up_can_be_raised(paid: Service, fake: FakeProviders, visit: Any) -> None:
    with visit(paid) as tab:
        page = tab.page
        page.locator("#further summary").click()
        page.get_by_label("Spend at most").fill("0.02")
        page.get_by_label("Scenes", exact=True).fill("6")
        tab.draw(story(54, 6))
        expect(page.locator("#doing")).to_contain_text("of $0.02 spent")
        expect(page.locator('.card[data-state="failed"]')).not_to_have_count(0)

        page.get_by_role("button", name="Continue").click()
        page.get_by_role("dialog").get_by_label("Spend at most").fill("5")
        page.get_by_role("dialog").get_by_role("button", name="Continue").click()

        expect(page.locator('.card[data-state="ready"]')).to_have_count(6, timeout=PATIENCE_MS)


def test_every_format_of_the_service_is_offered_and_taken_from_the_page(drafts: Service, visit: Any) -> None:
    with visit(drafts) as tab:
        page = tab.page
        tab.draw()
        page.get_by_role("button", name="Take it away").click()
        expect(page.locator('input[name="format"]')).not_to_have_count(0)  # the dialog is loaded when it is wanted
        offered = [tile.get_attribute("value") for tile in page.locator('input[name="format"]').all()]

        assert set(offered) == set(get_args(DownloadFormat))
        for name, begins in (("pdf", b"%PDF"), ("epub", b"PK"), ("csv", b"\xef\xbb\xbfnumber"), ("webp", b"RIFF")):
            page.locator(f'input[name="format"][value="{name}"]').check(force=True)
            assert page.locator("#pdf").is_visible() is (name == "pdf")
            with page.expect_download() as coming:
                page.locator("#take-it").click()
            assert Path(coming.value.path()).read_bytes().startswith(begins)


def test_a_refusal_that_passes_is_sent_again_and_makes_one_session(drafts: Service, visit: Any) -> None:
    """A double click, an answer that is lost and a service that is full for a moment: one session."""
    with visit(drafts, expected=NETWORK) as tab:
        page = tab.page
        keys: list[str] = []

        def lose(route: Route) -> None:
            keys.append(route.request.headers["idempotency-key"])
            if len(keys) == 1:
                route.fetch()
                route.abort()
            else:
                route.continue_()

        page.route("**/generate", lose)
        before = sessions_of(drafts)
        tab.write()
        page.get_by_role("button", name="Draw the story").dblclick()
        page.wait_for_url("**/#/s/*")
        tab.drawn()

        assert (len(keys), len(set(keys))) == (2, 1)
        assert sessions_of(drafts) - before == {tab.session_id}


def sessions_of(service: Service) -> set[str]:
    return {session["session_id"] for session in service.client.get("/debug/sessions").json()["sessions"]}


def refuse(page: Page, address: str, status: int, code: str, **more: Any) -> None:
    document = {"title": "No", "status": status, "detail": "No.", "code": code, "retryable": False, "request_id": "x"}
    page.route(
        address,
        lambda route: route.fulfill(status=status, json=document | more, content_type="application/problem+json"),
    )


def test_a_broken_stream_is_replaced_by_asking(drafts: Service, visit: Any) -> None:
    with visit(drafts, expected=NETWORK) as tab:
        tab.page.route("**/events/**", lambda route: route.abort())
        tab.draw(STORY.replace("Mira", "Runa"))

        expect(tab.page.locator('.card[data-state="ready"]')).to_have_count(3)


def test_a_lost_connection_is_told_and_found_again(paid: Service, fake: FakeProviders, visit: Any) -> None:
    fake.control(image_ms=1500)
    with visit(paid, expected=NETWORK) as tab:
        page = tab.page
        tab.write(story(55, 3))
        page.get_by_role("button", name="Draw the story").click()
        page.wait_for_url("**/#/s/*")
        expect(tab.cards()).to_have_count(3)
        page.route(re.compile("/(events|status)/"), lambda route: route.abort())
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        page.reload(wait_until="commit")
        expect(page.get_by_role("alert")).to_contain_text("cannot be reached", timeout=PATIENCE_MS)
        page.unroute_all()
        page.reload()

        expect(page.locator('.card[data-state="ready"]')).to_have_count(3, timeout=PATIENCE_MS)


def test_a_reload_loses_nothing(paid: Service, fake: FakeProviders, visit: Any) -> None:
    fake.control(image_ms=1000)
    with visit(paid) as tab:
        page = tab.page
        tab.write(story(56, 3))
        page.get_by_label("Artistic").check()
        page.get_by_label("3:4").check()
        page.reload()
        expect(page.locator("#story")).to_have_value(story(56, 3))
        expect(page.locator('input[value="artistic"]')).to_be_checked()
        expect(page.locator('input[value="3:4"]')).to_be_checked()

        page.get_by_role("button", name="Draw the story").click()
        page.wait_for_url("**/#/s/*")
        with page.expect_request("**/events/*") as stream:
            page.reload()
        assert stream.value.headers["last-event-id"].isdecimal()
        expect(tab.cards()).to_have_count(3)
        assert page.locator(".frame").first.evaluate("(frame) => getComputedStyle(frame).aspectRatio") == "3 / 4"
        expect(page.locator('.card[data-state="ready"]')).to_have_count(3, timeout=PATIENCE_MS)
        page.get_by_role("button", name="Approve: ").first.click()
        page.locator(".card h2 a").nth(1).click()
        expect(page.locator("#scene-place")).to_have_text("Scene 2 of 3")
        page.reload()
        expect(page.locator("#scene-place")).to_have_text("Scene 2 of 3")
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="Approve: ").first).to_have_attribute("aria-pressed", "true")


def test_a_story_is_stopped_and_deleted_only_when_it_is_meant(paid: Service, fake: FakeProviders, visit: Any) -> None:
    fake.control(image_ms=2000)
    with visit(paid, expected=NETWORK) as tab:
        page = tab.page
        tab.write(story(57, 12))
        page.get_by_role("button", name="Draw the story").click()
        page.get_by_role("button", name="Stop").click()
        tab.drawn()
        expect(page.locator("#doing")).to_contain_text("Stopped")
        expect(page.get_by_role("button", name="Continue")).to_be_visible()
        session_id = tab.session_id

        page.get_by_role("button", name="Delete…").click()
        page.get_by_role("button", name="Not now").click()
        expect(page.get_by_role("button", name="Delete…")).to_be_focused()
        assert paid.client.get(f"/status/{session_id}").status_code == 200
        page.get_by_role("button", name="Delete…").click()
        page.get_by_role("button", name="Delete for good").click()

        expect(page.get_by_role("heading", name="Your story, in pictures")).to_be_focused()
        assert paid.client.get(f"/status/{session_id}").status_code == 404


# --- Who may, and what a story may not do ----------------------------------------------------------------------


def test_a_key_is_asked_for_once_and_kept_for_the_tab(visit: Any) -> None:
    key = "a-long-key-of-alice-1234567890"
    with Service(api_keys=f"alice:{key}") as service, visit(service, expected=NETWORK) as tab:
        page = tab.page
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("API key").fill("not this one")
        page.keyboard.press("Enter")
        expect(dialog).to_contain_text("That key is not known here")
        dialog.get_by_label("API key").fill(key)
        page.keyboard.press("Enter")
        expect(dialog).to_have_count(0)
        tab.draw()
        expect(tab.cards().first.locator("img")).to_have_js_property("complete", True)
        page.reload()
        expect(page.locator('.card[data-state="ready"]')).to_have_count(3)

        expect(page.get_by_role("dialog")).to_have_count(0)
        assert key not in page.url
        assert page.evaluate("JSON.stringify(localStorage)").count(key) == 0
        other = page.context.new_page()
        other.goto(page.url)
        expect(other.get_by_role("dialog").get_by_label("API key")).to_be_visible()


def test_whatever_a_story_or_an_answer_says_is_shown_as_text(drafts: Service, visit: Any) -> None:
    with visit(drafts) as tab:
        page = tab.page
        tab.page.get_by_label("Title", exact=True).fill(HOSTILE)
        session_id = tab.draw(f"{STORY} {HOSTILE}")
        drafts.client.patch(f"/sessions/{session_id}/scenes/0", json={"title": HOSTILE, "description": HOSTILE})
        bible = {"characters": [{"name": "<b>Eve</b>", "appearance": HOSTILE}], "style": HOSTILE}
        drafts.client.patch(f"/sessions/{session_id}/bible", json=bible).raise_for_status()

        def worse(route: Route) -> None:
            state = route.fetch().json()
            state["scenes"][1] |= {"image_url": "javascript:alert(3)", "title": HOSTILE}
            state["scenes"][2] |= {"error": {"code": HOSTILE, "message": HOSTILE, "retryable": False}}
            state["error"] = {"code": "made_up", "message": HOSTILE, "retryable": False}
            route.fulfill(json=state)

        page.route("**/status/*", worse)
        page.reload()
        expect(page.locator(".card h2 a").first).to_have_text(HOSTILE)
        expect(page.locator("#story-title")).to_have_text(HOSTILE)
        expect(page.locator(".card .excerpt").nth(2)).to_have_text(HOSTILE)
        for over in ("scene/" + drafts.status(session_id)["scenes"][0]["scene_id"], "people", "read/1", "take"):
            page.evaluate("(hash) => (location.hash = hash)", f"#/s/{session_id}/{over}")
            expect(page.get_by_role("dialog")).to_be_visible()
        assert (
            page.locator("img[src=x], main script, dialog script, [src^=javascript], [href^=javascript]").count() == 0
        )
        assert page.get_by_text("Eve", exact=True).count() == 0


# --- Everybody -------------------------------------------------------------------------------------------------


VIEWS = ("", "#/projects", "#/s/{id}", "#/s/{id}/scene/{scene}", "#/s/{id}/people", "#/s/{id}/take", "#/s/{id}/read/1")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("locale", "viewport"), [("en-US", DESKTOP), ("ar", PHONE)], ids=["ltr desktop", "rtl phone"])
def test_axe_finds_nothing_serious_on_any_view(
    paid: Service, fake: FakeProviders, visit: Any, scheme: str, locale: str, viewport: Any
) -> None:
    if not AXE.exists():
        missing("axe-core is not here: npm ci --prefix tests")
    words = story(58, 3, extra={0: "Then she told it all again, from the beginning. " * 80})  # longer than any screen
    session_id = paid.generate(words, num_scenes=3, consistency="references")
    scene_id = paid.wait(session_id)["scenes"][0]["scene_id"]
    paid.client.post("/approve", json={"session_id": session_id, "approved_scenes": [0]})
    paid.client.patch(f"/sessions/{session_id}/scenes/1", json={"image_prompt": f"Another picture, {scheme} {locale}."})
    with visit(paid, locale=locale, viewport=viewport, color_scheme=scheme, bypass_csp=True) as tab:
        tab.page.locator("#sample").click()
        expect(tab.page.locator("#found h3").first).to_be_visible()
        for address in VIEWS:
            tab.page.evaluate("(hash) => (location.hash = hash)", address.format(id=session_id, scene=scene_id) or "#/")
            settled(tab.page, address)
            tab.page.add_script_tag(path=str(AXE))
            found = tab.page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
            grave = [
                (each["id"], node["html"][:160], node["failureSummary"][:300])
                for each in found["violations"]
                if each["impact"] in ("serious", "critical")
                for node in each["nodes"]
            ]
            assert grave == [], address
            assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
            small = tab.page.evaluate(SMALL_TARGETS)
            assert small == [], address


SMALL_TARGETS = """
  [...(document.querySelector("dialog[open]") || document).querySelectorAll("button, select, summary, nav a, input")]
    .filter((node) => node.checkVisibility({ visibilityProperty: true }) && node.type !== "file")
    .map((node) => [node.outerHTML.slice(0, 90), node.getBoundingClientRect()])
    .filter(([, box]) => box.width < 24 || box.height < 24).map(([name]) => name)
"""


def settled(page: Page, address: str) -> None:
    """What the view shows has come, and nothing fades any more."""
    over = "{id}/" in address
    expect(page.locator("dialog[open]")).to_have_count(1 if over else 0)
    if address == "#/projects":
        expect(page.locator("#project-list li")).not_to_have_count(0)
    if "/scene/" in address:
        expect(page.locator("#scene-split")).to_be_enabled()
    if "/read/" in address:
        expect(page.locator("#reader-text")).not_to_be_empty()
    page.evaluate("Promise.all(document.getAnimations().map((each) => each.finished.catch(() => {})))")


def test_every_language_is_complete(drafts: Service, visit: Any) -> None:
    with visit(drafts) as tab:
        words = {
            code: tab.page.evaluate(f"import('/words/{code}.js').then((all) => all.default)") for code in LANGUAGES
        }
    used = set(re.findall(r'data-(?:t|label|placeholder)="(\w+)"', (STATIC / "index.html").read_text()))
    used |= {key for file in STATIC.glob("*.js") for key in re.findall(r'\bt\("(\w+)"', file.read_text())}

    assert used - words["en"].keys() == set()
    for code, found in words.items():
        assert list(found) == list(words["en"]), code
        for key, value in found.items():
            assert type(value) is type(words["en"][key]), (code, key)
            forms = value if isinstance(value, dict) else {"other": value}
            assert forms["other"].strip(), (code, key)
            if isinstance(value, dict):
                assert {"one", "other"} <= set(forms) <= PLURALS[code], (code, key)
            english = words["en"][key]
            assert holes(forms["other"]) == holes(english["other"] if isinstance(english, dict) else english), (
                code,
                key,
            )


def holes(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


def test_the_language_follows_the_browser_and_can_be_chosen(drafts: Service, visit: Any) -> None:
    with visit(drafts, locale="ar-EG") as tab:
        page = tab.page
        assert page.evaluate("[document.documentElement.lang, document.documentElement.dir]") == ["ar", "rtl"]
        page.locator("#sample").click()
        expect(page.locator("#found h3").first).to_be_visible()
        page.locator("#draw").click()
        page.wait_for_url("**/#/s/*")
        tab.drawn()
        page.locator('[data-do="read"]').click()
        expect(page.locator("#reader")).to_have_attribute("dir", "rtl")
        page.keyboard.press("ArrowLeft")
        expect(page).to_have_url(re.compile("/read/2$"))
        page.keyboard.press("Escape")

        page.locator("#language").select_option("es")

        expect(page.locator("#doing")).to_contain_text("Todas las imágenes están listas")
        expect(page.locator(".card h2 a").first).to_have_css("direction", "rtl")
        assert page.evaluate("[document.documentElement.lang, document.documentElement.dir]") == ["es", "ltr"]
        page.reload()
        expect(page.locator("#open-people")).to_have_text("Personas y lugares")


def test_colours_follow_the_system_until_somebody_chooses(drafts: Service, visit: Any) -> None:
    with visit(drafts, color_scheme="dark") as tab:
        page = tab.page
        toggle = page.get_by_role("button", name="Dark colours")
        expect(toggle).to_have_attribute("aria-pressed", "true")
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        toggle.click()
        page.reload()
        expect(toggle).to_have_attribute("aria-pressed", "false")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark


MOVING = """() => {
  document.querySelector(".card").dataset.state = "drawing";
  return document.getAnimations().filter((each) => each.effect.getComputedTiming().activeDuration > 10).length;
}"""


@pytest.mark.parametrize("wish", ["reduce", "no-preference"])
def test_nothing_moves_for_whoever_wants_it_still(drafts: Service, visit: Any, wish: str) -> None:
    with visit(drafts, reduced_motion=wish) as tab:
        tab.draw()
        expect(tab.cards().first.locator("img")).to_have_js_property("complete", True)

        assert (tab.page.evaluate(MOVING) > 0) is (wish == "no-preference")


# --- Light and quick -------------------------------------------------------------------------------------------


def test_the_page_is_light() -> None:
    common = [file for file in STATIC.iterdir() if file.suffix in (".html", ".css", ".js")]
    weight = sum(file.stat().st_size for file in common)

    for code in LANGUAGES:
        assert weight + (STATIC / "words" / f"{code}.js").stat().st_size < MOST_BYTES, code
    assert sum(file.stat().st_size for file in STATIC.glob("*.webp")) < 60_000


def test_a_hundred_scenes_touch_only_what_changed(paid: Service, fake: FakeProviders, visit: Any) -> None:
    with visit(paid) as tab:
        page = tab.page
        tab.write(story(59, 100))
        page.get_by_label("Scenes", exact=True).fill("100")
        page.locator("#references").evaluate("(box) => (box.checked = false)")
        page.get_by_role("button", name="Draw the story").click()
        page.wait_for_url("**/#/s/*")
        tab.drawn()
        expect(page.locator('.card[data-state="ready"]')).to_have_count(100)
        assert page.locator(".card").first.evaluate("(card) => getComputedStyle(card).contentVisibility") == "auto"
        loaded = page.evaluate("[...document.querySelectorAll('.card img')].filter((img) => img.naturalWidth).length")
        assert loaded < 60
        page.evaluate(
            """() => {
              window.touched = new Set();
              new MutationObserver((changes) => {
                for (const { target } of changes) {
                  const element = target instanceof Element ? target : target.parentElement;
                  window.touched.add(element.closest(".card")?.dataset.scene);
                }
              }).observe(document.getElementById("board"), {
                subtree: true, childList: true, characterData: true, attributes: true });
            }"""
        )

        page.locator(".card:nth-child(3) .approve").click()
        page.locator(".card:nth-child(3) h2 a").click()
        expect(page.locator("#scene-split")).to_be_enabled()
        page.get_by_label("Title", exact=True).last.fill("Another title")
        page.get_by_role("button", name="Save").click()
        expect(page.locator("#edit-note")).to_have_text("Saved.")

        assert page.evaluate("[...window.touched]") == ["2"]
