"""Commands that are quick when nothing was asked for: an option that is not given needs no conversion.

Typer converts every value through Pydantic, whose import costs more than a command's own start, and it does so for
values that are not there, too.
"""

from typing import Any

from typer.core import TyperCommand, TyperGroup, TyperOption


class Option(TyperOption):
    def process_value(self, ctx: Any, value: Any) -> Any:
        if value is not None or self.required or self.multiple:
            return super().process_value(ctx, value)
        return None if self.callback is None else self.callback(ctx, self, None)


class Command(TyperCommand):
    def get_params(self, ctx: Any) -> list[Any]:
        return _relieved(super().get_params(ctx))


class Group(TyperGroup):
    def get_params(self, ctx: Any) -> list[Any]:
        return _relieved(super().get_params(ctx))


def _relieved(params: list[Any]) -> list[Any]:
    """Typer makes its options itself and takes no class for them, so it is changed afterwards."""
    for param in params:
        if type(param) is TyperOption:
            param.__class__ = Option
    return params
