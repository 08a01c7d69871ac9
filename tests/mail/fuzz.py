"""Damages mails of the corpus for as long as asked and reads them: `python -m tests.mail.fuzz [SECONDS] [SEED]`.

Uses Atheris (coverage-guided) when it is installed, else mutations only. Ends with status 1, and the mail in
`fuzz-crash.eml`, at the first mail that is not read as it should be.
"""

import random
import sys
import time
from pathlib import Path

from fte.channels import files
from fte.channels.gmail import mime
from fte.channels.gmail.authenticity import authenticated
from fte.channels.gmail.compose import envelope_of
from fte.channels.gmail.machine import bounce, machine
from fte.channels.gmail.mime import Mail, read
from fte.channels.gmail.reference import references_of
from fte.domain.text import one_line, storable

CORPUS = Path(__file__).parent / "corpus"
SLOW = 10.0
"""Seconds of processor time no mutation of a small mail may take."""
_SPLICES = (
    b"\r\n\r\n",
    b"\0",
    b"\xff\xfe",
    b"--b1\r\n",
    b"=?utf-8?b?",
    b"<!--",
    b"<div hidden>",
    b"\r\n> ",
    b"\r\n-- \r\n",
)


def check(raw: bytes) -> Mail:
    """Read a mail, and see that what comes out keeps what `Mail` promises."""
    mail = read(raw)
    for text in (mail.text, mail.own, mail.original, mail.forwarded, mail.returned, mail.delivery_status):
        assert text == storable(text)
    for line in (mail.subject, mail.message_id, mail.in_reply_to, *mail.references, mail.sender.name):
        assert line == one_line(line)
    assert len(mail.text) <= mime.TEXT_MAX and len(mail.own) <= mime.TEXT_MAX
    assert len(mail.original) <= mime.ORIGINAL_MAX
    assert len(mail.attachments) <= files.LISTED_MAX
    assert sum(len(file.content or b"") for file in mail.attachments) <= files.TOTAL_BYTES_MAX
    assert all((file.content is None) == (file.state == "refused") for file in mail.attachments)
    assert all(file.name == one_line(file.name) and "/" not in file.name for file in mail.attachments)
    machine(mail, own={"support@tallywren.example"})
    bounce(mail)
    authenticated(mail)
    assert references_of(mail, b"secret") == []
    envelope_of(mail, "thread")
    return mail


def mutated(raw: bytes, mails: list[bytes], chance: random.Random) -> bytes:
    """A damaged copy: bytes changed, pieces cut, doubled, moved, or taken from another mail."""
    data = bytearray(raw)
    for _ in range(chance.randint(1, 8)):
        at = chance.randint(0, len(data))
        end = min(len(data), at + chance.randint(0, 200))
        match chance.randrange(6):
            case 0:
                data[at:end] = b""
            case 1:
                data[at:at] = data[at:end] * chance.randint(1, 20)
            case 2:
                data[at : at + 1] = bytes([chance.randrange(256)])
            case 3:
                data[at:at] = chance.choice(_SPLICES)
            case 4:
                other = chance.choice(mails)
                start = chance.randint(0, len(other))
                data[at:end] = other[start : start + 300]
            case _:
                data[at:at] = bytes(chance.randrange(256) for _ in range(chance.randint(1, 20)))
    return bytes(data)


def loop(seconds: float, seed: int) -> int:
    """Mutate until the time is over. Returns how many mails were read."""
    mails = [path.read_bytes() for path in sorted(CORPUS.glob("*.eml"))]
    chance = random.Random(seed)
    end = time.monotonic() + seconds
    count = 0
    while time.monotonic() < end:
        raw = mutated(chance.choice(mails), mails, chance)
        began = time.process_time()
        try:
            check(raw)
            assert time.process_time() - began < SLOW, "this took too long"
        except BaseException:
            Path("fuzz-crash.eml").write_bytes(raw)
            raise
        count += 1
    return count


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(2**32)
    try:
        import atheris
    except ImportError:
        print(f"{loop(seconds, seed):,} mails read in {seconds:g} s, seed {seed}")
        return
    atheris.instrument_all()
    atheris.Setup([sys.argv[0], f"-max_total_time={seconds:g}", f"-seed={seed}", str(CORPUS)], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
