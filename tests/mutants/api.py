"""Seeded bugs of the HTTP API and of what it says of itself."""

from tests.mutants.catalogue import Mutant

API = (
    Mutant(
        name="any-key-answers-for-dead-letters",
        invariant="an idempotency key is one request's",
        path="fte/bus/dead_letters.py",
        healthy='if before["request_hash"] != _fingerprint(request):',
        sick="if False:",
        tests=("tests/daemon/test_overview.py", "-k", "another_decision"),
    ),
    Mutant(
        name="the-late-one-of-a-key-fails",
        invariant="an idempotency key is one request's",
        path="fte/pg/pool.py",
        healthy="        except asyncpg.UniqueViolationError as error:",
        sick="        except asyncpg.CheckViolationError as error:",
        tests=("tests/daemon/test_operator_api.py", "-k", "simultaneous"),
    ),
    Mutant(
        name="numbers-without-an-end",
        invariant="bad input is named",
        path="fte/wire.py",
        healthy="msgspec.Meta(ge=0, le=2**31 - 1)",
        sick="msgspec.Meta(ge=0)",
        tests=("tests/daemon/test_operator_api.py", "-k", "none_of_ours"),
    ),
    Mutant(
        name="a-page-calls-home",
        invariant="the pages of the API ask nobody else",
        path="fte/daemon/reference.py",
        healthy=".replace(_LOGO, _NO_LOGO)",
        sick="",
        tests=("tests/api/test_pages.py", "-k", "redoc"),
    ),
    Mutant(
        name="a-page-lets-scripts-in",
        invariant="the pages of the API ask nobody else",
        path="fte/daemon/reference.py",
        healthy="script-src 'self';",
        sick="script-src 'self' 'unsafe-inline';",
        tests=("tests/api/test_document.py", "-k", "own_files"),
    ),
    Mutant(
        name="a-route-is-left-out",
        invariant="every route is described",
        path="fte/daemon/openapi.py",
        healthy="            found[path, method] = operation\n",
        sick='            found[path, method] = operation\n    found.pop(("/operator/modes", "POST"), None)\n',
        tests=("tests/api/test_document.py", "-k", "no_other"),
    ),
    Mutant(
        name="a-route-for-everybody",
        invariant="roles",
        path="fte/daemon/operator_api.py",
        healthy='await self.operator(request, "configure")',
        sick='await self.operator(request, "read")',
        tests=("tests/api/test_errors.py", "-k", "who_may_do_what or 403"),
    ),
)
