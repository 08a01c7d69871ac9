"""Pages that people's answers could become, one at a time: read it, mend it in an editor, approve or reject it."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll

from fte.console import keys, overview_words, present
from fte.console.keys import Situation
from fte.console.screens.dialogs import ConfirmScreen
from fte.console.screens.panel import PanelScreen
from fte.console.widgets.plain import Plain
from fte.domain.errors import FteError
from fte.wire import SuggestionView, TeachRequest


class SuggestionsScreen(PanelScreen):
    BINDINGS: ClassVar[list[BindingType]] = [
        *keys.bindings("suggestions"),
        Binding("j", "scroll(1)", show=False),
        Binding("k", "scroll(-1)", show=False),
    ]
    AUTO_FOCUS = "VerticalScroll"
    context = "suggestions"
    name_ = "suggestions"

    def __init__(self) -> None:
        super().__init__()
        self._found: list[SuggestionView] = []
        self._place = 0
        self._pages: dict[object, tuple[str, str]] = {}
        """Titles and texts as they were mended here, by suggestion."""
        self._deciding = False

    def body(self) -> ComposeResult:
        yield Plain("Loading…", id="place", classes="panel")
        with VerticalScroll():
            yield Plain(id="suggestion")

    def situation(self) -> Situation:
        return self.console.situation(suggestions=len(self._found))

    @property
    def chosen(self) -> SuggestionView | None:
        return self._found[self._place] if self._place < len(self._found) else None

    def page(self, one: SuggestionView) -> tuple[str, str]:
        """The title and the text it would be approved with."""
        return self._pages.get(one.id, (one.title, one.body))

    def heard(self) -> None:
        """Events change little here, and looking costs more than elsewhere."""

    async def load(self) -> None:
        here = self.chosen
        self._found = (await (await self.console.connected()).suggestions()).items
        places = {one.id: place for place, one in enumerate(self._found)}
        before = self._place if here is None else places.get(here.id, self._place)
        self._place = max(0, min(before, len(self._found) - 1))
        self._pages = {id_: page for id_, page in self._pages.items() if id_ in places}
        if self.is_mounted:
            self.tell()
            self._show(stay=here is not None and here.id in places)

    def _show(self, *, stay: bool = False) -> None:
        one = self.chosen
        count = f"{self._place + 1} of {len(self._found)}" if one else "Nothing to learn from at the moment."
        self.query_one("#place", Plain).show((count, "$text-muted"))
        parts = [] if one is None else overview_words.suggestion(one, *self.page(one))
        self.query_one("#suggestion", Plain).show(*parts)
        if not stay:
            self.query_one(VerticalScroll).scroll_home(animate=False)
        self.paint_frame()

    def action_scroll(self, by: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)

    def do_suggestion_next(self) -> None:
        self._place = min(self._place + 1, max(0, len(self._found) - 1))
        self._show()

    def do_suggestion_previous(self) -> None:
        self._place = max(0, self._place - 1)
        self._show()

    def do_suggestion_edit(self) -> None:
        self.run_worker(self._edit(), group="editor", exclusive=True, exit_on_error=False)

    async def _edit(self) -> None:
        """Title on the first line, then the text; whatever goes wrong outside, what is here stays."""
        one = self.chosen
        if one is None:
            return
        title, body = self.page(one)
        try:
            text = await self.console.write_outside(f"# {title}\n\n{body}\n")
        except FteError as error:
            self.console.say(f"Nothing has changed: {present.sentence(error)}", "error")
            return
        first, _, rest = text.strip().partition("\n")
        self._pages[one.id] = (first.lstrip("# ").strip(), rest.strip())
        if self.is_mounted and self.chosen is one:
            self._show(stay=True)

    def do_suggestion_approve(self) -> None:
        one = self.chosen
        if one is not None:
            title, body = self.page(one)
            self._decide(one, TeachRequest(title=title, body=body))

    def do_suggestion_reject(self) -> None:
        one = self.chosen
        if one is None:
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._decide(one, None)

        facts = "It is not suggested again, to nobody. The conversation stays as it is."
        self.console.push_screen(ConfirmScreen("Reject this page?", facts, "Reject"), answered)

    def _decide(self, one: SuggestionView, page: TeachRequest | None) -> None:
        if self._deciding:
            self.console.say("Wait: a page is being decided on.", "warning")
            return
        self._deciding = True
        # It belongs to the application: leaving the screen must not cancel what is on its way.
        self.console.run_worker(self._carry_out(one, page), group="actions", exit_on_error=False)

    async def _carry_out(self, one: SuggestionView, page: TeachRequest | None) -> None:
        try:
            client = await self.console.connected()
            if page is None:
                await client.reject_suggestion(one)
                self.console.say("Rejected.")
            else:
                taught = await client.approve_suggestion(one, page)
                self.console.say(f"Learned: {taught.source}. The AI answers from it from now on.")
        except FteError as error:
            self.console.say(present.sentence(error), "error")
        finally:
            self._deciding = False
            self.stale()

    def do_suggestions_back(self) -> None:
        self.dismiss()
