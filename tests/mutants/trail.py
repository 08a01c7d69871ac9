"""Bugs in what the log says, and in what it must not say."""

from tests.mutants.catalogue import Mutant

_LOGS = ("tests/acceptance/test_logs.py", "-k", "kind_and_way")
_CANARIES = ("tests/acceptance/test_canaries.py",)

TRAIL = (
    Mutant(
        name="a-client-names-its-request",
        invariant="one id from webhook to delivery",
        path="fte/daemon/trail.py",
        healthy="start_with(request=str(new_id()))",
        sick='start_with(request=dict(scope["headers"]).get(b"x-request-id", str(new_id()).encode()).decode())',
        tests=("tests/daemon/test_trail.py", "-k", "not_believed"),
    ),
    Mutant(
        name="what-comes-again-has-another-id",
        invariant="one id from webhook to delivery",
        path="fte/daemon/trail.py",
        healthy='known.get("message") or known["request"]',
        sick='known["request"]',
        tests=("tests/daemon/test_trail.py", "-k", "comes_again"),
    ),
    Mutant(
        name="an-answer-names-every-message-there-was",
        invariant="one id from webhook to delivery",
        path="fte/store/replies.sql",
        healthy="i.seq > m.answered_before and i.seq < m.seq\n                and i.direction = 'inbound' order by i.seq desc "
        "limit 20) as answers\n  from replies r\n  join messages m",
        sick="i.seq < m.seq\n                and i.direction = 'inbound' order by i.seq desc limit 20) as answers\n"
        "  from replies r\n  join messages m",
        tests=("tests/daemon/test_trail.py", "-k", "burst"),
    ),
    Mutant(
        name="the-next-mail-has-the-ids-of-the-last",
        invariant="one id from webhook to delivery",
        path="fte/daemon/trail.py",
        healthy="    finally:\n        clear_contextvars()\n",
        sick="    finally:\n        pass\n",
        tests=("tests/daemon/test_trail.py", "-k", "next"),
    ),
    Mutant(
        name="an-error-is-told-with-its-text",
        invariant="no secret and nothing of a customer's in the log",
        path="fte/cli/_logs.py",
        healthy='{type(error).__qualname__}", *facts])',
        sick='{type(error).__qualname__}: {error}", *facts])',
        tests=_LOGS,
    ),
    Mutant(
        name="a-librarys-line-is-told-whole",
        invariant="no secret and nothing of a customer's in the log",
        path="fte/cli/_logs.py",
        healthy='    elif record.name.split(".")[0] in _PLAIN:\n',
        sick="    elif True:\n",
        tests=_LOGS,
    ),
    Mutant(
        name="a-callback-is-told-with-its-arguments",
        invariant="no secret and nothing of a customer's in the log",
        path="fte/cli/_logs.py",
        healthy='_SHOWN_WHOLE.sub("", first).rstrip()',
        sick="first",
        tests=_LOGS,
    ),
    Mutant(
        name="what-nobody-handled-is-a-traceback",
        invariant="no secret and nothing of a customer's in the log",
        path="fte/cli/_logs.py",
        healthy="    sys.excepthook = _on_break\n",
        sick="",
        tests=_CANARIES,
    ),
    Mutant(
        name="others-words-are-not-covered",
        invariant="no secret and nothing of a customer's in the log",
        path="fte/cli/_logs.py",
        healthy="            line[name] = _covered(line[name])\n",
        sick="            pass\n",
        tests=_LOGS,
    ),
    Mutant(
        name="secrets-are-not-covered",
        invariant="no secret and nothing of a customer's in the log",
        path="fte/cli/_logs.py",
        healthy="self._pattern.sub(MASK, line) if self._pattern else line",
        sick="line",
        tests=_LOGS,
    ),
    Mutant(
        name="a-wrong-secret-is-quoted",
        invariant="no secret and nothing of a customer's in the log",
        path="fte/settings.py",
        healthy="'this' if secret else repr(text)",
        sick="repr(text)",
        tests=("tests/acceptance/test_logs.py", "-k", "wrong_secret"),
    ),
    Mutant(
        name="a-route-is-left-open",
        invariant="every route is closed unless it must be open",
        path="fte/daemon/operator_api.py",
        healthy='        await self.operator(request, "read")\n        email, phone',
        sick="        email, phone",
        tests=("tests/daemon/test_closed.py",),
    ),
    Mutant(
        name="a-dead-letter-keeps-the-errors-text",
        invariant="no secret and nothing of a customer's in a dead letter",
        path="fte/bus/dead_letters.py",
        healthy="        type(error).__name__,\n",
        sick="        str(error),\n",
        tests=_CANARIES,
    ),
    Mutant(
        name="an-event-holds-what-was-asked",
        invariant="events are ids and facts",
        path="fte/store/turns.py",
        healthy='            "urgency": escalation.urgency,\n            "number"',
        sick='            "urgency": escalation.urgency,\n            "asked": escalation.asked,\n            "number"',
        tests=_CANARIES,
    ),
    Mutant(
        name="a-metric-is-named-by-a-customer",
        invariant="no secret and nothing of a customer's in a metric",
        path="fte/daemon/instruments.py",
        healthy='route = getattr(scope.get("route"), "path", OTHER)',
        sick='route = scope["path"] + "?" + scope["query_string"].decode()',
        tests=_CANARIES,
    ),
    Mutant(
        name="a-trace-keeps-what-the-model-server-said",
        invariant="no secret in a trace",
        path="fte/agent/provider.py",
        healthy="    kind = type(error).__name__\n",
        sick="    kind = str(error)\n",
        tests=_CANARIES,
    ),
)
