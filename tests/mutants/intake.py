"""The seeded bugs of taking messages in, and of telling who wrote them."""

from tests.mutants.catalogue import Mutant

SCHEMA = "migrations/versions/0006_deadlines.sql"

INTAKE = (
    Mutant(
        name="files-do-not-make-another-message",
        invariant="I1 nothing is lost",
        path="fte/channels/web_form/parse.py",
        healthy='"\\0".join((key, *content, *sums))',
        sick='"\\0".join((key, *content))',
        tests=("tests/webform/test_files.py", "-k", "provider_id or sent_again"),
    ),
    Mutant(
        name="any-number-of-large-bodies-is-in-memory",
        invariant="every queue has a limit",
        path="fte/daemon/bodies.py",
        healthy="asyncio.Semaphore(UPLOADS_MAX)",
        sick="asyncio.Semaphore(10_000)",
        tests=("tests/webform/test_files.py", "-k", "large_bodies"),
    ),
    Mutant(
        name="a-place-for-files-is-never-given-back",
        invariant="every queue has a limit",
        path="fte/daemon/bodies.py",
        healthy="            self._places.release()\n",
        sick="            pass\n",
        tests=("tests/webform/test_files.py", "-k", "large_bodies"),
    ),
    Mutant(
        name="a-refused-body-is-kept-whole",
        invariant="every queue has a limit",
        path="fte/daemon/bodies.py",
        healthy='message.get("body", b"")[: BODY_MAX - len(self._kept)]',
        sick='message.get("body", b"")',
        tests=("tests/webform/test_files.py", "-k", "refused_body"),
    ),
    Mutant(
        name="a-refused-body-is-heard-for-ever",
        invariant="everything that waits has a deadline",
        path="fte/daemon/bodies.py",
        healthy="                while self._more:\n                    await self.receive()",
        sick="                pass\n            while self._more:\n                await self.receive()",
        tests=("tests/webform/test_files.py", "-k", "refused_body"),
    ),
    Mutant(
        name="a-second-delivery-is-a-second-message",
        invariant="I2 duplicates collapse",
        path=SCHEMA,
        healthy="    on conflict do nothing;\n    if not found then",
        sick="    on conflict (channel, account, provider_id) do update set message_id = excluded.message_id;\n    if not found then",
        tests=("tests/store/test_intake.py", "-k", "collapse"),
    ),
    Mutant(
        name="a-claim-joins-what-was-proven",
        invariant="a claim opens nothing",
        path=SCHEMA,
        healthy="        if p_verified then\n            select c.id, t.id into",
        sick="        if true then\n            select c.id, t.id into",
        tests=("tests/identity/test_claims.py",),
    ),
    Mutant(
        name="a-proof-joins-what-was-claimed",
        invariant="a claim opens nothing",
        path=SCHEMA,
        healthy="where c.customer_id = v_customer and c.verified and c.last_message_at",
        sick="where c.customer_id = v_customer and c.last_message_at",
        tests=("tests/identity/test_claims.py",),
    ),
    Mutant(
        name="any-code-is-right",
        invariant="no merge without proof",
        path="fte/store/identity.py",
        healthy="if hmac.compare_digest(_hashed(code.id, candidate), code.code_hash):",
        sick="if candidate:",
        tests=("tests/identity/test_links.py",),
    ),
    Mutant(
        name="undoing-a-merge-forgets-the-tickets",
        invariant="un-merge restores what moved",
        path="fte/store/merges.sql",
        healthy="update tickets set customer_id = $2 where id = any ($5) and customer_id = $1 returning id",
        sick="update tickets set customer_id = $2 where false and id = any ($5) and customer_id = $1 returning id",
        tests=("tests/identity/test_merges.py",),
    ),
)
