"""The seeded bugs of erasure and restoring: what is left, what is sent, what comes back."""

from tests.mutants.catalogue import Mutant

ERASURE = "tests/store/test_erasure.py"
GONE = "erased is gone"
PRIVACY = (
    Mutant(
        name="erased-mails-that-were-set-aside-stay",
        invariant=GONE,
        path="fte/store/erasure.py",
        healthy="    await connection.execute(_sql.set_aside, addresses)\n",
        sick="",
        tests=(ERASURE, "-k", "nothing_of_the_person"),
    ),
    Mutant(
        name="the-audit-keeps-what-was-written",
        invariant=GONE,
        path="fte/store/erasure.sql",
        healthy="update audit set details = '{}', result = null,",
        sick="update audit set result = null,",
        tests=(ERASURE, "-k", "nothing_of_the_person"),
    ),
    Mutant(
        name="tags-stay-in-the-log",
        invariant=GONE,
        path="fte/store/erasure.py",
        healthy="    await connection.execute(_sql.bare_events, ids)\n",
        sick="",
        tests=(ERASURE, "-k", "nothing_of_the_person"),
    ),
    Mutant(
        name="addresses-can-be-guessed-from-notices",
        invariant=GONE,
        path="fte/store/erasure.py",
        healthy="    await connection.execute(_sql.notices, customers)\n",
        sick="",
        tests=(ERASURE, "-k", "nothing_of_the_person"),
    ),
    Mutant(
        name="an-erasure-takes-a-reply-out-of-its-senders-hands",
        invariant="I7 the fence",
        path="fte/store/erasure.py",
        healthy='for row in replies if row["in_flight"]',
        sick="for row in replies if False",
        tests=(ERASURE, "-k", "waits_to_be_sent"),
    ),
    Mutant(
        name="what-is-queued-leaves-while-an-erasure-waits",
        invariant="I7 the fence",
        path="fte/store/erasure.sql",
        healthy="update replies set state = 'cancelled', updated_at = now() where",
        sick="update replies set updated_at = now() where",
        tests=(ERASURE, "-k", "waits_to_be_sent"),
    ),
    Mutant(
        name="an-answer-comes-true-while-an-erasure-waits",
        invariant="I7 the fence",
        path="fte/store/erasure.py",
        healthy="            await connection.execute(_sql.withdraw, talks)\n",
        sick="",
        tests=(ERASURE, "-k", "waits_to_be_sent"),
    ),
    Mutant(
        name="what-was-erased-is-delivered-again",
        invariant=GONE,
        path="fte/store/erasure.py",
        healthy="    await connection.execute(_sql.remember, talks)\n",
        sick="",
        tests=(ERASURE, "-k", "delivered_again"),
    ),
    Mutant(
        name="our-erased-answers-come-back-from-the-providers-list",
        invariant=GONE,
        path="fte/store/erasure.sql",
        healthy="(select account from mailboxes union select account from whatsapp_numbers) ours",
        sick="(select account from mailboxes) ours",
        tests=(ERASURE, "-k", "providers_list"),
    ),
    Mutant(
        name="reports-of-erased-replies-are-kept",
        invariant=GONE,
        path="fte/store/erasure.sql",
        healthy="select erasure_hash('reply', '', r.id::text) from replies r where",
        sick="select erasure_hash('reply', '', r.id::text) from replies r where false and",
        tests=(ERASURE, "-k", "report"),
    ),
    Mutant(
        name="a-message-is-lost-to-an-erasure",
        invariant="I1 nothing is lost",
        path="fte/store/intake.py",
        healthy="        except _ERASED as error:",
        sick="        except ZeroDivisionError as error:",
        tests=(ERASURE, "-k", "meanwhile"),
    ),
    Mutant(
        name="an-export-shows-others",
        invariant="I19 nobody else's rows",
        path="fte/store/exports.py",
        healthy='        ("identifiers", _sql.identifiers, export.parts),',
        sick='        ("identifiers", _sql.identifiers.split("where")[0] + "where $1::uuid[] is not null", export.parts),',
        tests=(ERASURE, "-k", "export"),
    ),
)
