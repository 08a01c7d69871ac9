"""The language model: asked as the agent asks it, tools and all, because only an answer shows that everything is right."""

import os
from typing import TYPE_CHECKING, Final, cast

from fte.doctor.finding import Finding, failed, ok, warning
from fte.settings import Settings, without_password

if TYPE_CHECKING:
    from fte.agent.models import Api, BoundedModel
    from fte.agent.provider import ModelFailure

TIMEOUT: Final = 10.0
_CHECK: Final = "model"


async def model(settings: Settings) -> list[Finding]:
    if settings.model in ("", "offline") and not (settings.openai_api_key or settings.model_base_url):
        return [ok(_CHECK, "The offline model answers, from passages of the knowledge base only.")]
    from fte.agent.models import OPENAI_URL, build_model, model_name
    from fte.agent.provider import ModelFailure

    asked = build_model(
        model=settings.model,
        base_url=settings.model_base_url,
        api_key=settings.openai_api_key,
        api=cast("Api", settings.model_api),
        stream=settings.model_stream == "on",
        timeout=TIMEOUT,
        retries=0,
    )
    name, where = model_name(asked), without_password(settings.model_base_url or OPENAI_URL)
    try:
        await _ask(asked)
    except ModelFailure as failure:
        return [
            _refused(name, failure) if failure.status else _unheard(name, where, failure),
            *_unused(settings),
        ]
    finally:
        await asked.close()
    return [ok(_CHECK, f"{name} answers."), *_unused(settings)]


async def _ask(asked: "BoundedModel") -> None:
    """Have it say something. Raises ModelFailure."""
    from agents import ModelSettings, ModelTracing

    from fte.agent.agent import TOKENS_MAX
    from fte.agent.tools import all_tools

    await asked.get_response(
        None,
        "Say: ok",
        ModelSettings(store=False, max_tokens=TOKENS_MAX),
        all_tools(),
        None,
        [],
        ModelTracing.DISABLED,
        previous_response_id=None,
        conversation_id=None,
        prompt=None,
    )


def _unused(settings: Settings) -> list[Finding]:
    """The variable of OpenAI's own library that we do not read: a server in it would be believed to be ours."""
    if settings.model_base_url or not os.environ.get("OPENAI_BASE_URL"):
        return []
    said = "OPENAI_BASE_URL is set, and not used: customers' messages go to api.openai.com."
    return [warning(_CHECK, said, "Set FTE_MODEL_BASE_URL to your server, or unset OPENAI_BASE_URL.")]


def _unheard(name: str, where: str, failure: "ModelFailure") -> Finding:
    if "Timeout" in failure.kind:
        return failed(
            _CHECK,
            f"{name} at {where} does not answer within {TIMEOUT:.0f} seconds.",
            "Look at the provider's status page, and at the way there. Customers are handed to people meanwhile.",
        )
    if failure.kind.endswith("TLS"):
        return failed(
            _CHECK,
            f"The certificate of {where} is not one this machine trusts.",
            "Check FTE_MODEL_BASE_URL; name your own authority's certificate in SSL_CERT_FILE.",
        )
    if failure.wait:
        return failed(_CHECK, f"{where} cannot be reached.", "Check FTE_MODEL_BASE_URL, and the way there.")
    said = f"What {where} sends is not an answer of {name}."
    return failed(_CHECK, said, "Check FTE_MODEL_BASE_URL, FTE_MODEL_API and FTE_MODEL_STREAM.")


def _refused(name: str, failure: "ModelFailure") -> Finding:
    status = failure.status
    if status in (401, 403):
        return failed(
            _CHECK, "The provider does not accept the key.", "Set OPENAI_API_KEY to a key that is valid."
        )
    if failure.code in ("insufficient_quota", "billing_hard_limit_reached"):
        return failed(
            _CHECK, "The provider says that the credits are used up.", "Add credits, or use another key."
        )
    if status == 429:
        return failed(
            _CHECK, "The provider says that we ask too much.", "Raise the account's rate limit, or wait."
        )
    if status == 404:
        said = f"The provider has no model {name!r}, or does not speak this way."
        return failed(_CHECK, said, "Set FTE_MODEL to one that it has, and look at FTE_MODEL_API.")
    if status in (400, 422):
        said = f"The provider refuses what we ask of {name!r} (HTTP {status})."
        return failed(_CHECK, said, "Use a model that can call tools, and look at FTE_MODEL_API.")
    return failed(_CHECK, f"The provider answers with HTTP {status}.", "Look at the provider's status page.")
