"""`fte eval` as its user meets it: results, exit codes, plain errors."""

import json
import socket
from collections.abc import AsyncIterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from typer.testing import CliRunner

from fte.agent.agent import SupportAgent
from fte.agent.offline import OfflineModel
from fte.cli import app
from fte.evals.case import load, shipped
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from tests.daemon.support import Backend, backend
from tests.daemon.test_desk_cli import shell
from tests.daemon.test_worker import working
from tests.support import receive, until
from tests.support_agent import COMPANY, Library

SUITE = """
version = 1
about = "Mine"
knowledge = "own"

[[case]]
name = "person"
channel = "whatsapp"
message = "human please"
escalate = ["human_request"]

[[case]]
name = "nothing-known"
message = "How do I tame a \\u001B[31mdragon?"
escalate = ["no_answer_found"]
"""
WRONG = '\n[[case]]\nname = "thanks"\nmessage = "Hello"\nescalate = ["legal"]\n'


@pytest.fixture
def mine(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("FTE_DATABASE_URL", database_url)
    monkeypatch.setenv("FTE_DATA_DIR", str(tmp_path / "data"))
    path = tmp_path / "mine.toml"
    path.write_text(SUITE)
    return path


def run(*words: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["eval", *map(str, words)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    assert "Traceback" not in result.output and "\x1b" not in result.stdout
    return result.exit_code, result.output


def test_a_result_is_told_written_and_compared(mine: Path, tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    code, out = run(mine, "--json", result)
    assert code == 0, out
    assert "all                     2 1.0 (.34-1.0)" in out and "escalation recall: 1.000" in out
    found = json.loads(result.read_bytes())
    assert (found["model"], found["repeat"], len(found["cases"])) == ("offline", 4, 2)
    assert run(mine, "--baseline", result, "--repeat", "1")[0] == 0

    code, out = run("--model", "worst-case", mine)
    assert code == 1 and "None of these cases says what an attacker wants" in out


def test_what_turned_is_named_and_a_regression_ends_with_four(mine: Path, tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    mine.write_text(SUITE + WRONG)
    code, out = run("run", mine, "--json", result, "--repeat", "1")
    assert code == 3 and "LOW escalation recall" in out and "mine/thanks: passed 0 of 1" in out
    found = json.loads(result.read_bytes())
    for case in found["cases"]:
        case["passes"] = 1  # as if the run before had passed it
    result.write_text(json.dumps(found))
    code, out = run(mine, "--baseline", result, "--repeat", "1")
    assert code == 4
    assert "REGRESSION mine/thanks: passed 1 of 1 times, now 0 of 1" in out and "worse: mine/thanks" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "answerabel"), "There is no suite 'answerabel'"),
        (("--baseline", "missing.json"), "There is no file missing.json"),
        (("--baseline", "{mine}"), "is not a result"),
        (("run", "{mine}", "--model", "gpt-x"), "needs a provider"),
        (("run", "{mine}", "--json", "/nowhere/x.json", "--repeat", "1"), "cannot be written"),
    ],
)
def test_errors_are_plain(mine: Path, words: tuple[str, ...], said: str) -> None:
    code, out = run(*(word.format(mine=mine) for word in words))
    assert code == 1 and said in out


class Provider(BaseHTTPRequestHandler):
    """A server that speaks the chat completions protocol; its model hands everything over."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        arguments = json.dumps({"reason": "no_answer_found", "urgency": "normal"})
        function = {"name": "escalate_to_human", "arguments": arguments}
        call = {"id": "c1", "type": "function", "function": function}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        answer = {
            "id": "x",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}],
            "usage": {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010},
        }
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...


def test_a_model_is_asked_over_http_and_its_tokens_cost(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FTE_MODEL_INPUT_PRICE", "2")
    monkeypatch.setenv("FTE_MODEL_OUTPUT_PRICE", "10")
    with ThreadingHTTPServer(("127.0.0.1", 0), Provider) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/v1"
        code, out = run(mine, "--model", "m", "--base-url", address, "--repeat", "2")
        server.shutdown()
    # Two runs ask the model; the rules decide the others.
    assert code == 0 and "Model m," in out and "Tokens 2,000 in, 20 out; cost 0.0042." in out


def test_a_model_that_is_away_is_no_result(mine: Path) -> None:
    with socket.socket() as nobody:  # bound, and not listening: refused
        nobody.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}/v1"
        code, out = run(mine, "--model", "m", "--base-url", address, "--repeat", "1")
    assert code == 1 and "not judged: APIConnectionError" in out and "Too many runs" in out


def test_the_suites_are_listed(mine: Path) -> None:
    code, out = run("list")
    assert code == 0 and all(name in out for name in shipped())


@pytest.fixture
async def daemon(pool: Pool, hints: Hints) -> AsyncIterator[Backend]:
    async with backend(pool, hints) as running:
        yield running


async def test_a_case_keeps_why_a_real_conversation_was_handed_over(
    daemon: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FTE_LINK_HOSTS", "docs.example")
    words = (
        "I was charged twice, please refund me. I read https://docs.example/pay and https://ada.example/me"
    )
    await receive(daemon.pool, words, subject="Charged twice")
    agent = SupportAgent(OfflineModel(), Library(), COMPANY)
    async with working(daemon.pool, daemon.hints, agent):  # type: ignore[arg-type]
        await until(lambda: daemon.pool.fetchval("select true from messages where role = 'agent'"))
    sam = await shell(daemon, tmp_path)
    await sam.does("eval", "add", "1")
    [case] = load(str(tmp_path / "case-1.toml")).cases
    assert case.escalate == ("refund_request",) and not case.stay
    assert "https://docs.example/pay" in case.messages[0] and "ada.example" not in case.messages[0]
    await daemon.pool.execute("update runs set trace = jsonb_set(trace, '{verdicts}', '[]')")
    await sam.does("eval", "add", "1", "--out", "b.toml")
    assert load(str(tmp_path / "b.toml")).cases[0].escalate == ("refund_request",)


async def test_a_case_of_a_real_conversation(
    daemon: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    await receive(daemon.pool, "Where is invoice 2025-4711? Write to ada@corp.example", subject="Invoice")
    sam = await shell(daemon, tmp_path)
    assert "Nothing came of this message yet" in await sam.refuses("eval", "add", "1")
    await sam.does("conversations", "take", "1")
    await sam.does("conversations", "reply", "1", "Dear Ada, here it is.")
    assert "case-1.toml holds the case" in await sam.does("eval", "add", "1")
    text = (tmp_path / "case-1.toml").read_text()
    assert 'escalate = ["any"]' in text and "4711" not in text and "corp.example" not in text
    assert "exists already" in await sam.refuses("eval", "add", "1")
    assert "no such message" in await sam.refuses("eval", "add", "1", "--message", "9", "--out", "b.toml")
