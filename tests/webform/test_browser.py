"""The pages in a real browser: with and without JavaScript, by keyboard, in a frame, in both themes."""

import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, FilePayload, Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from fte.daemon.bodies import UPLOAD_MAX
from fte.pg.pool import Pool
from fte.settings import Settings
from tests.support_webform import answer, application, served, valid

pytestmark = pytest.mark.browser

SCREENSHOT: FilePayload = {
    "name": "error.png",
    "mimeType": "image/png",
    "buffer": b"\x89PNG\r\n\x1a\n what was seen",
}
INVOICE: FilePayload = {
    "name": "invoice.pdf",
    "mimeType": "application/pdf",
    "buffer": b"%PDF-1.7 an invoice",
}
TICKET = re.compile(r"/support/ticket/[a-z2-7]{32}")


@dataclass
class Site:
    url: str
    pool: Pool
    browser: Browser
    problems: list[str]

    async def page(self, **options: Any) -> Page:
        context: BrowserContext = await self.browser.new_context(**options)
        context.set_default_timeout(15_000)
        page = await context.new_page()
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", self._note)
        return page

    def _note(self, message: Any) -> None:
        # A 4xx answer to a form post is meant, and autofocus is only there for pages without JavaScript.
        meant = ("Failed to load resource", "Autofocus processing")
        if message.type in ("error", "warning") and not message.text.startswith(meant):
            self.problems.append(message.text)


@pytest.fixture
async def site(pool: Pool, browser: Browser) -> AsyncIterator[Site]:
    settings = Settings(form_rate_per_ip=100_000, form_rate_per_address=100_000, company="Acme")
    async with served(application(pool, settings, lambda: None, time.monotonic_ns)) as url:
        made = Site(url, pool, browser, [])
        yield made
        for context in browser.contexts:
            await context.close()
    assert made.problems == []


async def fill(page: Any, **changes: Any) -> None:
    form = valid(**changes)
    for label, name in (("Your name", "name"), ("E-mail address", "email"), ("Subject", "subject")):
        await page.get_by_label(label, exact=True).fill(form[name])
    await page.get_by_label("What is it about?").select_option(form["category"])
    await page.get_by_label("Message", exact=True).fill(form["message"])


async def submitted(site: Site, page: Page, **changes: Any) -> str:
    await page.goto(f"{site.url}/support")
    await fill(page, **changes)
    await page.get_by_role("button", name="Send message").click()
    await page.wait_for_url(TICKET)
    return page.url.partition("#")[0].rpartition("/")[2]


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
async def test_a_message_becomes_a_ticket_page(site: Site, script: bool) -> None:
    page = await site.page(java_script_enabled=script)
    await submitted(site, page, subject="Größe <b>& Co</b>")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Größe <b>& Co</b>")
    await expect(page.locator("#thread > li")).to_have_count(1)
    await expect(page.locator("#thread > li .text")).to_have_text(valid()["message"])
    await expect(page.locator(".badge")).to_have_text("Received")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
async def test_errors_keep_the_text_and_lead_to_the_fields(site: Site, script: bool) -> None:
    page = await site.page(java_script_enabled=script)
    await page.goto(f"{site.url}/support")
    await fill(page, email="nope", message="short")
    await page.get_by_role("button", name="Send message").click()
    problems = page.get_by_role("alert")
    await expect(problems).to_be_focused()
    await expect(page.get_by_label("Your name")).to_have_value("Ann Example")
    await expect(page.get_by_label("E-mail address")).to_have_value("nope")
    await expect(page.get_by_label("Message", exact=True)).to_have_value("short")
    await expect(page.get_by_label("What is it about?")).to_have_value("billing")
    email = page.get_by_label("E-mail address")
    await expect(email).to_have_attribute("aria-invalid", "true")
    await expect(email).to_have_accessible_description(re.compile("check your e-mail address"))
    await problems.get_by_role("link", name=re.compile("e-mail")).click()
    await expect(email).to_be_focused()
    await fill(page)
    await page.get_by_role("button", name="Send message").click()
    await page.wait_for_url(TICKET)
    assert await site.pool.fetchval("select count(*) from messages") == 1


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
async def test_files_go_along_with_a_message_and_a_further_one(site: Site, script: bool) -> None:
    page = await site.page(java_script_enabled=script)
    await page.goto(f"{site.url}/support")
    await fill(page)
    await page.get_by_label("Files (optional)").set_input_files([SCREENSHOT, INVOICE])
    await page.get_by_role("button", name="Send message").click()
    await page.wait_for_url(TICKET)
    text = page.locator("#thread > li .text")
    await expect(text).to_contain_text("[attachment: error.png]\n[attachment: invoice.pdf]")
    if not script:
        await page.get_by_role("link", name="Write a message").click()
    await page.get_by_label("Write a message").fill("And one more.")
    await page.get_by_label("Files (optional)").set_input_files([SCREENSHOT])
    await page.get_by_role("button", name="Send", exact=True).click()
    await expect(text).to_have_count(2)
    rows = await site.pool.fetch("select content from attachments order by name, id")
    assert [row[0] for row in rows] == [SCREENSHOT["buffer"], SCREENSHOT["buffer"], INVOICE["buffer"]]


@pytest.mark.parametrize(
    ("count", "size", "said"),
    [
        (1, 5 * 1024 * 1024 + 200_000, "photo-0.png has 5.2 MB; 5 MB is the most."),
        (2, 4 * 1024 * 1024, "Together they have 8 MB; 7 MB is the most."),
        (6, 10, "These are 6 files; at most 5 can be sent."),
    ],
)
async def test_too_many_or_too_large_files_are_told_before_they_are_sent(
    site: Site, count: int, size: int, said: str
) -> None:
    page = await site.page()
    await page.goto(f"{site.url}/support")
    await fill(page)
    files = page.get_by_label("Files (optional)")
    large: list[FilePayload] = [
        {"name": f"photo-{n}.png", "mimeType": "image/png", "buffer": b"x" * size} for n in range(count)
    ]
    await files.set_input_files(large)
    await expect(files).to_have_accessible_description(re.compile(re.escape(said)))
    await page.get_by_role("button", name="Send message").click()
    await expect(files).to_be_focused()
    await files.set_input_files([SCREENSHOT])
    await page.get_by_role("button", name="Send message").click()
    await page.wait_for_url(TICKET)


async def test_without_script_nothing_typed_is_lost_when_the_files_are_too_large(site: Site) -> None:
    page = await site.page(java_script_enabled=False)
    await page.goto(f"{site.url}/support")
    await fill(page, message='It broke & "so" <b>\nAnd again.')
    await page.get_by_label("How urgent is it?").select_option("high")
    files = page.get_by_label("Files (optional)")
    film: FilePayload = {"name": "film.mp4", "mimeType": "video/mp4", "buffer": b"x" * UPLOAD_MAX}
    await files.set_input_files([film])
    await page.get_by_role("button", name="Send message").click()
    await expect(page.get_by_role("alert")).to_contain_text("everything together may have 10 MB")
    await expect(files).to_have_accessible_description(re.compile("Please choose your files again"))
    for label, value in (
        ("Your name", "Ann Example"),
        ("E-mail address", "ann@example.com"),
        ("Subject", "Wrong invoice"),
        ("What is it about?", "billing"),
        ("How urgent is it?", "high"),
    ):
        await expect(page.get_by_label(label, exact=True)).to_have_value(value)
    typed = page.get_by_label("Message", exact=True)
    assert (await typed.input_value()).replace("\r\n", "\n") == 'It broke & "so" <b>\nAnd again.'
    await files.set_input_files([SCREENSHOT])
    await page.get_by_role("button", name="Send message").click()
    await page.wait_for_url(TICKET)
    assert await site.pool.fetchval("select count(*) from attachments") == 1


async def test_the_counter_counts_as_the_server_does(site: Site) -> None:
    page = await site.page()
    await page.goto(f"{site.url}/support")
    counter = page.locator("#message-count")
    await expect(counter).to_have_text("0 of 5,000 characters")
    box = page.get_by_label("Message", exact=True)
    await box.fill("  ä😀\nb  ")
    await expect(counter).to_have_text("4 of 5,000 characters")
    await box.fill("x" * 5_002)
    await expect(counter).to_have_text("2 characters too many")
    await expect(page.locator("#message-spoken")).to_have_text("2 characters too many")
    await expect(box).to_have_value("x" * 5_002)


async def test_the_answer_appears_by_itself_and_nothing_typed_is_lost(site: Site) -> None:
    page = await site.page()
    ticket = await submitted(site, page)
    box = page.get_by_label("Write a message")
    await box.fill("I was just typing")
    await answer(site.pool, ticket, "Here is <b>your</b> answer.")
    log = page.get_by_role("log", name="Conversation")
    await expect(log.locator("li")).to_have_count(2, timeout=15_000)
    await expect(log.locator("li.agent .text")).to_have_text("Here is <b>your</b> answer.")
    await expect(log.locator("li.agent")).to_contain_text("AI assistant")
    await expect(page.locator(".badge")).to_have_text("Answered")
    await expect(box).to_have_value("I was just typing")
    await expect(box).to_be_focused()
    await page.get_by_role("button", name="Send", exact=True).click()
    await expect(page.locator("#thread > li")).to_have_count(3)
    await expect(page.locator("#thread > li.customer").last).to_contain_text("I was just typing")
    assert await site.pool.fetchval("select count(*) from conversations") == 1


@pytest.mark.parametrize(
    ("mode", "lead", "next_", "asks"),
    [
        ("draft", "reads it before you get it", "a member of our team reads it", 1),
        ("off", "A member of our team answers you.", "A member of our team will read your message.", 0),
    ],
)
async def test_the_pages_say_who_answers(site: Site, mode: str, lead: str, next_: str, asks: int) -> None:
    await site.pool.execute(
        "update channel_configs set config = $1 where channel = 'web_form'", {"modes": {"*": {"mode": mode}}}
    )
    page = await site.page()
    await page.goto(f"{site.url}/support")
    await expect(page.locator(".lead")).to_contain_text(lead)
    await expect(page.locator("body")).not_to_contain_text("answers first")
    await submitted(site, page)
    await expect(page.locator("#state-words")).to_contain_text(next_)
    await expect(page.locator("body")).not_to_contain_text("answers first")
    await expect(page.get_by_role("button", name="Ask for a person")).to_have_count(asks)


async def test_a_person_can_be_asked_for(site: Site) -> None:
    page = await site.page()
    await submitted(site, page)
    await page.get_by_role("button", name="Ask for a person").click()
    await expect(page.locator("#thread > li").last).to_contain_text("talk to a person")


async def test_without_script_the_waiting_page_reloads_but_never_while_writing(site: Site) -> None:
    page = await site.page(java_script_enabled=False)
    await submitted(site, page)
    await expect(page.get_by_label("Write a message")).to_be_hidden()
    await page.get_by_role("link", name="Write a message").click()
    assert await page.locator("meta[http-equiv]").count() == 0
    await page.get_by_label("Write a message").fill("More about it")
    await page.get_by_role("button", name="Send", exact=True).click()
    await expect(page.locator("#thread > li")).to_have_count(2)


async def test_the_status_box_leads_to_the_ticket(site: Site) -> None:
    page = await site.page()
    ticket = await submitted(site, page)
    await page.goto(f"{site.url}/support")
    await page.get_by_label("Ticket number").fill(ticket)
    await page.get_by_role("button", name="Check its status").click()
    await page.wait_for_url(TICKET)
    await expect(page.locator("code")).to_have_text(ticket)
    await page.goto(f"{site.url}/support/ticket/unknown")
    await expect(page.get_by_role("heading", level=1)).to_have_text("There is no such ticket")


async def test_the_keyboard_is_enough(site: Site) -> None:
    page = await site.page()
    await page.goto(f"{site.url}/support")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await page.keyboard.press("Enter")
    for typed in ("Ann Example", "ann@example.com", "Wrong invoice", "B", "H", "It is wrong in October."):
        await page.keyboard.press("Tab")
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert await page.evaluate(outline) == "solid"
        await page.keyboard.type(typed)
    await page.keyboard.press("Tab")
    await expect(page.get_by_label("Files (optional)")).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Send message")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.wait_for_url(TICKET)
    row = await site.pool.fetchrow("select category, priority from tickets")
    assert row is not None
    assert tuple(row) == ("billing", "high")


@pytest.mark.parametrize("how", ["script", "iframe"])
async def test_the_form_works_in_a_frame_of_another_site(site: Site, how: str) -> None:
    inserted = {
        "script": f'<script src="{site.url}/support/embed.js" data-title="Talk to us"></script>',
        "iframe": f'<iframe src="{site.url}/support" title="Talk to us" width="600" height="900"></iframe>',
    }[how]

    async def shop(_: Request) -> HTMLResponse:
        return HTMLResponse(f"<!doctype html><title>A shop</title><p>Welcome</p>{inserted}")

    async with served(Starlette(routes=[Route("/", shop)])) as other:
        page = await site.page()
        await page.goto(other)
        frame = page.frame_locator('iframe[title="Talk to us"]')
        await fill(frame)
        if how == "script":
            form_height = await frame.locator("body").evaluate(
                "body => Math.ceil(body.getBoundingClientRect().height)"
            )
            await expect(page.locator("iframe")).to_have_css("height", f"{form_height}px")
        await frame.get_by_role("button", name="Send message").click()
        await expect(frame.locator("#thread > li")).to_have_count(1)
        await page.context.close()


async def test_a_site_that_is_not_listed_cannot_frame_the_form(pool: Pool, browser: Browser) -> None:
    settings = Settings(embed_origins="https://www.example.com")
    async with served(application(pool, settings, lambda: None, time.monotonic_ns)) as url:

        async def shop(_: Request) -> HTMLResponse:
            return HTMLResponse(f'<!doctype html><title>A shop</title><iframe src="{url}/support"></iframe>')

        async with served(Starlette(routes=[Route("/", shop)])) as other:
            context = await browser.new_context()
            page = await context.new_page()
            async with page.expect_console_message(lambda message: "frame-ancestors" in message.text):
                await page.goto(other)
            assert await page.frame_locator("iframe").locator("form").count() == 0
            await context.close()


CONTRAST = """
() => {
  const channel = c => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ratio = (a, b) => {
    const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05);
  };
  const solid = color => color.length < 4 || color[3] === 1;
  const behind = element => {
    for (let e = element; e; e = e.parentElement) {
      const color = parse(getComputedStyle(e).backgroundColor);
      if (solid(color)) return color;
    }
    return [255, 255, 255];
  };
  const wrong = [];
  for (const element of document.querySelectorAll("body *")) {
    const style = getComputedStyle(element);
    const shown = element.checkVisibility() && !element.closest(".unseen, .trap, .skip");
    if (!shown) continue;
    const text = [...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    const field = element.matches("input, select, textarea");
    if (text || field) {
      const found = ratio(parse(style.color), behind(element));
      if (found < 4.5) wrong.push(`${element.tagName} ${element.className}: text ${found.toFixed(2)}`);
    }
    if (field || element.matches("button")) {
      const found = ratio(parse(style.borderTopColor), behind(element.parentElement));
      if (found < 3) wrong.push(`${element.tagName}: border ${found.toFixed(2)}`);
      const box = element.getBoundingClientRect();
      if (box.height < 44) wrong.push(`${element.tagName}: only ${box.height} px high`);
    }
  }
  return wrong;
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1000])
async def test_every_page_can_be_read(site: Site, scheme: Any, width: int) -> None:
    page = await site.page(color_scheme=scheme, viewport={"width": width, "height": 700})

    async def check() -> None:
        assert await page.evaluate(CONTRAST) == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        assert await page.title()

    await page.goto(f"{site.url}/support")
    await check()
    await page.get_by_role("button", name="Send message").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    await check()
    ticket = await submitted(site, page, subject="W" * 200, message="unbroken" * 400)
    await answer(site.pool, ticket, "An answer.")
    await page.reload()
    await check()
    await page.goto(f"{site.url}/support/ticket/unknown")
    await check()


async def test_what_assistive_technology_sees(site: Site) -> None:
    page = await site.page()
    await page.goto(f"{site.url}/support")
    await expect(page.locator("body")).to_match_aria_snapshot("""
      - link "Skip to the content"
      - banner:
        - paragraph:
          - link "Acme support"
      - main:
        - heading "How can we help?" [level=1]
        - paragraph
        - text: Your name
        - textbox "Your name"
        - text: E-mail address
        - textbox "E-mail address"
        - text: Subject
        - textbox "Subject"
        - text: What is it about?
        - combobox "What is it about?"
        - text: How urgent is it?
        - combobox "How urgent is it?"
        - text: Message
        - paragraph
        - textbox "Message"
        - button "Send message"
        - region "Already wrote to us?":
          - heading "Already wrote to us?" [level=2]
          - textbox "Ticket number"
          - button "Check its status"
      - contentinfo
    """)
    assert await page.get_by_label("Leave this field empty").evaluate("field => field.tabIndex") == -1
