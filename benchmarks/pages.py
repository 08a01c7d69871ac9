"""A small knowledge base: one page that answers the load's question, among others that do not."""

from pathlib import Path

from benchmarks.stage import folder
from fte.knowledge.documents import import_folder
from fte.knowledge.embed import WordLlamaEmbedder
from fte.pg.pool import Pool

PASSWORD = """# Reset your password

On the sign-in page select **Forgot password?**, enter your email address and select **Send link**.
The link works once and expires after 60 minutes.
"""
TOPICS = (
    "Invoices",
    "Time sheets",
    "Projects",
    "Exports",
    "Roles",
    "Calendars",
    "Webhooks",
    "Reports",
    "Tags",
)
OTHERS = 36


def write(to: Path) -> None:
    """The pages as files."""
    (to / "password.md").write_text(PASSWORD, encoding="utf-8")
    for number in range(OTHERS):
        topic = TOPICS[number % len(TOPICS)]
        text = f"# {topic} {number}\n\nOpen {topic} in the menu to see them. Filter number {number} narrows the list down.\n"
        (to / f"page{number}.md").write_text(text, encoding="utf-8")


async def fill(url: str) -> None:
    """Import the pages into a database."""
    pool = await Pool.open(url, size=2)
    with folder() as files:
        write(files)
        await import_folder(pool, WordLlamaEmbedder(), files)
    await pool.close()
