"""A bare Textual application with one empty table."""

from textual.app import App, ComposeResult
from textual.widgets import DataTable


class Bare(App[None]):
    def compose(self) -> ComposeResult:
        yield DataTable()

    def on_mount(self) -> None:
        self.query_one(DataTable).add_columns("Customer", "Channel", "Subject", "Status")


if __name__ == "__main__":
    Bare().run()
