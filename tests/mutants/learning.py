"""The seeded bugs of what is learnt from people's answers, and of shadows."""

from tests.mutants.catalogue import Mutant

LEARNING = (
    Mutant(
        name="what-the-ai-learns-is-decided-twice",
        invariant="I9 decided once",
        path="fte/store/suggestions.sql",
        healthy="on conflict (message_id) do nothing",
        sick="on conflict (message_id) do update set operator_id = excluded.operator_id",
        tests=("tests/store/test_suggestions.py", "-k", "decided"),
    ),
    Mutant(
        name="what-the-ai-learns-names-a-customer",
        invariant="no customer's name in a page",
        path="fte/domain/suggestions.py",
        healthy="    for part in sorted(known, key=len, reverse=True):\n",
        sick="    for part in ():\n",
        tests=("tests/domain/test_suggestions.py", "-k", "customer"),
    ),
    Mutant(
        name="a-shadow-could-write",
        invariant="nothing comes of a shadow",
        path="fte/pg/pool.py",
        healthy='{"default_transaction_read_only": "on"} if read_only',
        sick='{"default_transaction_read_only": "off"} if read_only',
        tests=("tests/store/test_shadow.py", "-k", "could_not_write"),
    ),
    Mutant(
        name="what-nobody-saw-is-decided-on",
        invariant="I9 what was seen is what is decided on",
        path="fte/daemon/suggestions.py",
        healthy='ids(request.query_params.get("also", ""), "also", _ALSO_MAX)',
        sick="[one.id for one in await suggestions.waiting(self.api.pool, datetime.now(UTC))]",
        tests=("tests/daemon/test_overview.py", "-k", "both_as_its_sources"),
    ),
    Mutant(
        name="a-page-that-does-not-answer-hides-the-gap",
        invariant="a question without a good page is collected",
        path="fte/store/reports.sql",
        healthy="        or r.trace -> 'verdicts' ? 'escalated: no_answer_found')\n",
        sick="        )\n",
        tests=("tests/store/test_reports.py", "-k", "did_not_answer"),
    ),
    Mutant(
        name="one-matter-is-two-suggestions",
        invariant="answers about one matter are one page",
        path="fte/domain/subjects.py",
        healthy="near.argmax())] >= ALIKE:",
        sick="near.argmax())] >= 2:",
        tests=("tests/domain/test_suggestions.py", "-k", "one_matter"),
    ),
    Mutant(
        name="suggestions-read-every-message",
        invariant="what is looked for does not grow with what is stored",
        path="fte/store/suggestions.sql",
        healthy="m.direction = 'outbound' and m.role = 'operator' and",
        sick="m.direction || '' = 'outbound' and m.role || '' = 'operator' and",
        tests=("tests/store/test_plans.py", "-k", "use_their_indexes"),
    ),
)
