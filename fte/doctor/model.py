"""The language model: asked for one word, because only an answer shows that key, credits and name are right."""

from typing import Final

from fte.doctor.finding import Finding, failed, ok
from fte.settings import Settings, without_password

TIMEOUT: Final = 10.0


async def model(settings: Settings) -> list[Finding]:
    if settings.model in ("", "offline") and not (settings.openai_api_key or settings.model_base_url):
        return [ok("model", "The offline model answers, from passages of the knowledge base only.")]
    from agents.models.default_models import get_default_model
    from openai import APIConnectionError, APIStatusError, APITimeoutError, AsyncOpenAI

    from fte.agent.models import OPENAI_URL

    name, url = settings.model or get_default_model(), settings.model_base_url or OPENAI_URL
    where = without_password(url)
    client = AsyncOpenAI(
        api_key=settings.openai_api_key or "none", base_url=url, timeout=TIMEOUT, max_retries=0
    )
    try:
        await client.chat.completions.create(model=name, messages=[{"role": "user", "content": "Say: ok"}])
    except APITimeoutError:
        return [
            failed(
                "model",
                f"{name} at {where} does not answer within {TIMEOUT:.0f} seconds.",
                "Look at the provider's status page, and at the way there. Customers are handed to people meanwhile.",
            )
        ]
    except APIConnectionError:
        return [
            failed("model", f"{where} cannot be reached.", "Check FTE_MODEL_BASE_URL, and the way there.")
        ]
    except APIStatusError as error:
        return [_refused(name, error.status_code, error.code)]
    finally:
        await client.close()
    return [ok("model", f"{name} answers.")]


def _refused(name: str, status: int, code: str | None) -> Finding:
    if status in (401, 403):
        return failed(
            "model", "The provider does not accept the key.", "Set OPENAI_API_KEY to a key that is valid."
        )
    if code == "insufficient_quota":
        return failed(
            "model", "The provider says that the credits are used up.", "Add credits, or use another key."
        )
    if status == 429:
        return failed(
            "model", "The provider says that we ask too much.", "Raise the account's rate limit, or wait."
        )
    if status == 404:
        return failed("model", f"The provider has no model {name!r}.", "Set FTE_MODEL to one that it has.")
    return failed("model", f"The provider answers with HTTP {status}.", "Look at the provider's status page.")
