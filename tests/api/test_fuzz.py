"""schemathesis against the whole HTTP side: whatever it sends, the answer is one that the description names.

Each operation is sent what the description allows and what it does not, at addresses that lead somewhere and at
others. `FTE_TEST_API_EXAMPLES` asks for more requests of each, and then for those of its coverage phase, too.
"""

import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import positive_data_acceptance

from fte.daemon.openapi import Operation, operations
from tests.api.support import House, house_beside, routes

EXAMPLES = int(os.environ.get("FTE_TEST_API_EXAMPLES", "6"))
LONG = "FTE_TEST_API_EXAMPLES" in os.environ
ENDLESS = "/operator/stream"
"""It has tests of its own: tests/daemon/test_stream.py."""

SAID: dict[tuple[str, str], Operation] = operations(routes())
REFUSES = {400, 422}
"""What may be said to a request that breaks a rule which only words could tell."""


@pytest.fixture(scope="module")
def furnished(server: str) -> Iterator[House]:
    with house_beside(server) as running:
        yield running


@pytest.fixture(scope="module")
def described(furnished: House) -> Any:
    document = httpx.get(f"{furnished.url}/openapi.json").json()
    del document["paths"][ENDLESS]
    for path, methods in document["paths"].items():
        known = furnished.known.get(path.partition("/{")[0].removeprefix("/"))
        for operation in methods.values():
            if not known or "404" not in operation["responses"]:
                continue
            for parameter in operation["parameters"]:
                if parameter["in"] == "path":
                    parameter["schema"] = {"enum": known}
    config = SchemathesisConfig()
    config.projects.default.base_url = furnished.url
    config.projects.default.phases.coverage.enabled = LONG
    refusing = config.projects.default.checks.negative_data_rejection
    refusing.expected_statuses = [*refusing.expected_statuses, "413"]
    config.projects.default.generation.with_security_parameters = False  # each request has a token
    return schemathesis.openapi.from_dict(document, config=config)


schema = schemathesis.pytest.from_fixture("described")


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@pytest.mark.timeout(3600)
def test_every_answer_is_one_that_is_described(case: Case, furnished: House) -> None:
    headers = {"Authorization": f"Bearer {furnished.tokens['admin']}"}
    case.body = _with_integers(case.body)
    response = case.call(headers=headers, allow_redirects=False)
    said = SAID[case.operation.path, case.operation.method.upper()]
    in_words = [positive_data_acceptance] if said.rule and response.status_code in REFUSES else []
    case.validate_response(response, excluded_checks=in_words)


def _with_integers(body: Any) -> Any:
    """The same with 3 for 3.0: JSON Schema takes both for integers, and programs write the one they mean."""
    if isinstance(body, dict):
        return {name: _with_integers(value) for name, value in body.items()}
    if isinstance(body, list):
        return [_with_integers(value) for value in body]
    return int(body) if isinstance(body, float) and body.is_integer() else body
