from tests.support_browser import browser  # noqa: F401
