"""/docs and /redoc in a real browser: they show the routes, complain of nothing, and ask nobody else."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, expect

from fte.pg.pool import Pool
from fte.store import operators
from tests.api.support import application
from tests.support_webform import served

pytestmark = pytest.mark.browser

LOADING = 30_000
"""Milliseconds a page of this size may take on a busy machine."""


@pytest.fixture
async def url(pool: Pool, database_url: str) -> AsyncIterator[str]:
    async with served(application(pool, database_url)) as address:
        yield address


@pytest.fixture
async def page(browser: Browser, url: str) -> AsyncIterator[Page]:
    """A page that may neither complain nor ask another address."""
    context = await browser.new_context()
    context.set_default_timeout(LOADING)
    opened, problems = await context.new_page(), list[str]()
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("console", lambda message: problems.append(message.text))
    opened.on(
        "request", lambda request: request.url.startswith((url, "data:")) or problems.append(request.url)
    )
    yield opened
    await context.close()
    assert problems == []


async def test_swagger_ui_shows_a_route_and_tries_it(page: Page, url: str, pool: Pool) -> None:
    token = await operators.add(pool, "Sam", "agent")
    await page.goto(f"{url}/docs")
    await page.get_by_role("button", name="Authorize").first.click()
    await page.get_by_label("auth-bearer-value").first.fill(token)
    await page.get_by_role("button", name="Apply credentials").first.click()
    await page.get_by_role("button", name="Close").first.click()
    await page.locator('[data-path="/operator/me"]').click()
    await page.get_by_role("button", name="Try it out").click()
    await page.get_by_role("button", name="Execute").click()
    await expect(page.locator(".live-responses-table .response-col_status").last).to_contain_text(
        "200", timeout=LOADING
    )
    await expect(page.locator(".live-responses-table")).to_contain_text('"name": "Sam"')


async def test_redoc_shows_every_route(page: Page, url: str) -> None:
    await page.goto(f"{url}/redoc")
    await expect(page.get_by_role("heading", name="Customer Success FTE")).to_be_visible(timeout=LOADING)
    await page.get_by_role("menuitem", name="Operators: conversations").click()
    await page.get_by_role("menuitem", name="Answer the customer").click()
    operation = page.locator('[id$="post_operator_conversations_id_reply"]').first
    await expect(operation).to_contain_text("For the roles agent, lead, admin.", timeout=LOADING)
