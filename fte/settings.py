"""Settings: read once from the environment, checked, frozen. Secrets never show in their representation."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from fte.domain.budget import Budget
from fte.domain.deadlines import Policy, parse_goals, parse_hours, parse_policy
from fte.domain.drafts import UNDO_MAX
from fte.domain.errors import Rejected
from fte.domain.measurements import Prices

BUDGET_MAX = 1_000_000_000_000
"""Tokens a budget may be."""
MASK = "•••"
"""What is shown in a secret's place."""
DAYS_MAX: Final = 36_500
"""A hundred years: there is no day much longer ago."""
SECRET_MIN: Final = 6
"""Characters from which on a secret is looked for in what is told; a shorter one would be found in any text."""

_ADDRESS: Final = (r"[^@\s]+@[^@\s]+", "support@example.com")
_HOST: Final = re.compile(r"(?:\[[^\]]*\]|[^:\[\]]*)(?::(\d{1,5}))?")
PORT_MAX: Final = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting of the product. The environment variable's name is in each field's metadata."""

    port: int = field(default=8000, metadata={"env": "FTE_PORT", "help": "Port the HTTP server listens on."})
    host: str = field(default="127.0.0.1", metadata={"env": "FTE_HOST", "help": "Address it listens on."})
    data_dir: Path = field(
        default_factory=lambda: _default_data_dir(),
        metadata={"env": "FTE_DATA_DIR", "help": "Folder of the embedded database and of local secrets."},
    )
    database_url: str = field(
        default="",
        repr=False,
        metadata={
            "env": "FTE_DATABASE_URL",
            "help": "PostgreSQL to use; empty: the embedded one.",
            "secret": True,
        },
    )
    database_pool: int = field(
        default=10,
        metadata={
            "env": "FTE_DATABASE_POOL",
            "help": "Connections a process, its worker and its sender may each hold.",
            "min": 4,
        },
    )
    secret_key: str = field(
        default="",
        repr=False,
        metadata={
            "env": "FTE_SECRET_KEY",
            "help": "Key ticket ids are derived from, at least 32 characters; empty: a file in the data folder.",
            "secret": True,
        },
    )
    public_url: str = field(
        default="", metadata={"env": "FTE_PUBLIC_URL", "help": "Address customers reach us at, for links."}
    )
    company: str = field(
        default="our company", metadata={"env": "FTE_COMPANY", "help": "Name the agent answers for."}
    )
    hours: str = field(
        default="",
        metadata={
            "env": "FTE_HOURS",
            "help": "When people answer: Mon-Fri 09:00-12:30 13:30-18:00; Sat 10:00-14:00; closed 12-25; "
            "Europe/Amsterdam. Told to customers, and what deadlines count; empty: always, and no times are told.",
        },
    )
    deadlines: str = field(
        default="",
        metadata={
            "env": "FTE_DEADLINES",
            "help": "Goals in opening hours, by priority: high first 30m next 1h resolution 8h; low resolution off; "
            "warn 25%. What is not named stays as it is by default.",
        },
    )
    operator_lease: int = field(
        default=900,
        metadata={
            "env": "FTE_OPERATOR_LEASE",
            "help": "Seconds without a word from an operator's console after which they lose what they hold.",
            "min": 30,
        },
    )
    company_dir: Path | None = field(
        default=None,
        metadata={
            "env": "FTE_COMPANY_DIR",
            "help": "Folder with profile.md and brand_voice.md, which the agent is given; empty: none.",
        },
    )
    link_hosts: str = field(
        default="",
        metadata={
            "env": "FTE_LINK_HOSTS",
            "help": "Hosts that answers may link to besides FTE_PUBLIC_URL's, separated by spaces; with neither, "
            "wherever the documents link.",
            "like": (r"[A-Za-z0-9-]+([.\s]+[A-Za-z0-9-]+)*", "example.com docs.example.com"),
        },
    )
    trusted_proxies: int = field(
        default=0,
        metadata={
            "env": "FTE_TRUSTED_PROXIES",
            "help": "Proxies in front of us whose X-Forwarded-For is believed.",
        },
    )
    form_rate_per_ip: int = field(
        default=30,
        metadata={"env": "FTE_FORM_RATE_PER_IP", "help": "Form messages a minute from one IP.", "min": 1},
    )
    form_rate_per_address: int = field(
        default=10,
        metadata={
            "env": "FTE_FORM_RATE_PER_ADDRESS",
            "help": "Form messages an hour from one e-mail address.",
            "min": 1,
        },
    )
    embed_origins: str = field(
        default="*",
        metadata={"env": "FTE_EMBED_ORIGINS", "help": "Sites that may embed the form, separated by spaces."},
    )
    worker_concurrency: int = field(
        default=400,
        metadata={"env": "FTE_WORKER_CONCURRENCY", "help": "Turns under way at the same time.", "min": 1},
    )
    model: str = field(
        default="",
        metadata={"env": "FTE_MODEL", "help": "Model to use; empty: the offline model, unless a key is set."},
    )
    model_base_url: str = field(
        default="", metadata={"env": "FTE_MODEL_BASE_URL", "help": "Base URL of an OpenAI-compatible server."}
    )
    model_api: str = field(
        default="",
        metadata={
            "env": "FTE_MODEL_API",
            "help": "How it is spoken to, chat or responses; empty: responses with OpenAI, chat with any other server.",
            "choices": ("chat", "responses"),
        },
    )
    model_stream: str = field(
        default="off",
        metadata={
            "env": "FTE_MODEL_STREAM",
            "help": "Take its answers in pieces, on or off; only for a server that gives them in no other way.",
            "choices": ("on", "off"),
        },
    )
    undo_seconds: float = field(
        default=5.0,
        metadata={
            "env": "FTE_UNDO_SECONDS",
            "help": "Seconds an operator can take back what they sent; 0: it leaves at once.",
            "max": UNDO_MAX,
        },
    )
    openai_api_key: str = field(
        default="",
        repr=False,
        metadata={"env": "OPENAI_API_KEY", "help": "Key of the model's provider.", "secret": True},
    )
    model_timeout: float = field(
        default=20.0,
        metadata={"env": "FTE_MODEL_TIMEOUT", "help": "Seconds one model call may take.", "min": 1},
    )
    model_input_price: float = field(
        default=0.0,
        metadata={
            "env": "FTE_MODEL_INPUT_PRICE",
            "help": "What a million tokens to the model cost; 0: no cost is counted.",
        },
    )
    model_output_price: float = field(
        default=0.0,
        metadata={
            "env": "FTE_MODEL_OUTPUT_PRICE",
            "help": "What a million tokens from the model cost; 0: no cost is counted.",
        },
    )
    budget_run: int = field(
        default=100_000,
        metadata={
            "env": "FTE_BUDGET_RUN",
            "help": "Tokens one answer may take; 0: no limit.",
            "min": 0,
            "max": BUDGET_MAX,
        },
    )
    budget_conversation: int = field(
        default=1_000_000,
        metadata={
            "env": "FTE_BUDGET_CONVERSATION",
            "help": "Tokens one conversation may take; 0: no limit.",
            "min": 0,
            "max": BUDGET_MAX,
        },
    )
    budget_day: int = field(
        default=100_000_000,
        metadata={
            "env": "FTE_BUDGET_DAY",
            "help": "Tokens all answers of a day in UTC may take; 0: no limit.",
            "min": 0,
            "max": BUDGET_MAX,
        },
    )
    budget_day_cost: float = field(
        default=0.0,
        metadata={
            "env": "FTE_BUDGET_DAY_COST",
            "help": "What they may cost, by FTE_MODEL_INPUT_PRICE and FTE_MODEL_OUTPUT_PRICE; 0: no limit.",
        },
    )
    gmail_account: str = field(
        default="",
        metadata={
            "env": "FTE_GMAIL_ACCOUNT",
            "help": "Mailbox customers write to; empty: no email channel.",
            "like": _ADDRESS,
        },
    )
    gmail_client_file: Path | None = field(
        default=None,
        metadata={
            "env": "FTE_GMAIL_CLIENT_FILE",
            "help": "OAuth client of the mailbox, the JSON file Google gives.",
        },
    )
    gmail_token_file: Path | None = field(
        default=None,
        metadata={
            "env": "FTE_GMAIL_TOKEN_FILE",
            "help": "Where `fte gmail auth` keeps the mailbox's token; empty: in the data folder.",
        },
    )
    gmail_topic: str = field(
        default="",
        metadata={
            "env": "FTE_GMAIL_TOPIC",
            "help": "Pub/Sub topic Gmail announces mail on (projects/…/topics/…); empty: only polling.",
            "like": (r"projects/[^/\s]+/topics/[^/\s]+", "projects/my-project/topics/gmail"),
        },
    )
    gmail_push_audience: str = field(
        default="",
        metadata={
            "env": "FTE_GMAIL_PUSH_AUDIENCE",
            "help": "Audience of the push subscription's token; empty: FTE_PUBLIC_URL with /webhooks/gmail.",
        },
    )
    gmail_push_account: str = field(
        default="",
        metadata={
            "env": "FTE_GMAIL_PUSH_ACCOUNT",
            "help": "Service account whose pushes are believed; empty: none are.",
        },
    )
    gmail_poll: float = field(
        default=120.0,
        metadata={
            "env": "FTE_GMAIL_POLL",
            "help": "Seconds after which mail is looked for without a push.",
            "min": 1,
        },
    )
    gmail_api_url: str = field(
        default="https://gmail.googleapis.com",
        metadata={"env": "FTE_GMAIL_API_URL", "help": "Gmail's API; another one only for trials."},
    )
    google_certs_url: str = field(
        default="https://www.googleapis.com/oauth2/v3/certs",
        metadata={"env": "FTE_GOOGLE_CERTS_URL", "help": "Google's signing keys; others only for trials."},
    )
    twilio_account_sid: str = field(
        default="",
        metadata={"env": "TWILIO_ACCOUNT_SID", "help": "Twilio account; empty: no WhatsApp channel."},
    )
    twilio_auth_token: str = field(
        default="",
        repr=False,
        metadata={
            "env": "TWILIO_AUTH_TOKEN",
            "help": "Its token; requests are checked with it.",
            "secret": True,
        },
    )
    twilio_whatsapp_number: str = field(
        default="",
        metadata={
            "env": "TWILIO_WHATSAPP_NUMBER",
            "help": "Our WhatsApp number, as in whatsapp:+14155238886.",
        },
    )
    twilio_signature: str = field(
        default="sha1",
        metadata={
            "env": "FTE_TWILIO_SIGNATURE",
            "help": "How Twilio signs for this account, sha1 or sha256; the other one is refused.",
        },
    )
    twilio_api_url: str = field(
        default="https://api.twilio.com",
        metadata={"env": "FTE_TWILIO_API_URL", "help": "Twilio's API; another one only for trials."},
    )
    whatsapp_template: str = field(
        default="",
        metadata={
            "env": "FTE_WHATSAPP_TEMPLATE",
            "help": "ContentSid of the template sent when the 24-hour window is closed; empty: a person is asked.",
            "like": (r"HX[0-9a-fA-F]{32}", "HX and 32 hexadecimal digits"),
        },
    )
    metrics_token: str = field(
        default="",
        repr=False,
        metadata={
            "env": "FTE_METRICS_TOKEN",
            "help": "Token Prometheus must send as Bearer to read /metrics; empty: anybody may, it holds no names.",
            "secret": True,
        },
    )
    kafka_bootstrap_servers: str = field(
        default="",
        metadata={
            "env": "FTE_KAFKA_BOOTSTRAP_SERVERS",
            "help": "Kafka brokers, as host:port,host:port; empty: events stay in the database.",
        },
    )
    kafka_prefix: str = field(
        default="",
        metadata={
            "env": "FTE_KAFKA_PREFIX",
            "help": "Put before every topic and group, for several installations on one cluster.",
        },
    )
    kafka_partitions: int = field(
        default=12,
        metadata={"env": "FTE_KAFKA_PARTITIONS", "help": "Partitions of a topic we make.", "min": 1},
    )
    kafka_replication: int = field(
        default=1,
        metadata={"env": "FTE_KAFKA_REPLICATION", "help": "Copies of each partition we make.", "min": 1},
    )
    kafka_retention_days: int = field(
        default=7,
        metadata={"env": "FTE_KAFKA_RETENTION_DAYS", "help": "Days Kafka keeps an event.", "min": 1},
    )
    kafka_security: str = field(
        default="plaintext",
        metadata={
            "env": "FTE_KAFKA_SECURITY",
            "help": "How brokers are talked to: plaintext, ssl, sasl_plaintext or sasl_ssl.",
            "choices": ("plaintext", "ssl", "sasl_plaintext", "sasl_ssl"),
        },
    )
    kafka_sasl_mechanism: str = field(
        default="SCRAM-SHA-512",
        metadata={
            "env": "FTE_KAFKA_SASL_MECHANISM",
            "help": "How we sign in with SASL: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.",
            "choices": ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
        },
    )
    kafka_username: str = field(
        default="", metadata={"env": "FTE_KAFKA_USERNAME", "help": "Our name at the brokers, with SASL."}
    )
    kafka_password: str = field(
        default="",
        repr=False,
        metadata={"env": "FTE_KAFKA_PASSWORD", "help": "Our password there.", "secret": True},
    )
    kafka_ca_file: Path | None = field(
        default=None,
        metadata={
            "env": "FTE_KAFKA_CA_FILE",
            "help": "PEM file that vouches for the brokers; empty: what the system trusts.",
        },
    )
    kafka_cert_file: Path | None = field(
        default=None,
        metadata={
            "env": "FTE_KAFKA_CERT_FILE",
            "help": "Certificate we show the brokers; empty: none.",
        },
    )
    kafka_key_file: Path | None = field(
        default=None, metadata={"env": "FTE_KAFKA_KEY_FILE", "help": "Its private key."}
    )
    log_retention_days: int = field(
        default=14,
        metadata={"env": "FTE_LOG_RETENTION_DAYS", "help": "Days events are kept in the log.", "min": 1},
    )
    retention_conversations_days: int = field(
        default=0,
        metadata={
            "env": "FTE_RETENTION_CONVERSATIONS_DAYS",
            "help": "Days a resolved or answered conversation is kept after its last message, with all of it; 0: for ever.",
            "min": 0,
            "max": DAYS_MAX,
        },
    )
    retention_originals_days: int = field(
        default=0,
        metadata={
            "env": "FTE_RETENTION_ORIGINALS_DAYS",
            "help": "Days mails as they came, and files customers sent, are kept; 0: for ever.",
            "min": 0,
            "max": DAYS_MAX,
        },
    )
    retention_traces_days: int = field(
        default=0,
        metadata={
            "env": "FTE_RETENTION_TRACES_DAYS",
            "help": "Days is kept what the AI looked up and did for an answer; 0: for ever.",
            "min": 0,
            "max": DAYS_MAX,
        },
    )
    retention_audit_days: int = field(
        default=0,
        metadata={
            "env": "FTE_RETENTION_AUDIT_DAYS",
            "help": "Days is kept what operators did; 0: for ever.",
            "min": 0,
            "max": DAYS_MAX,
        },
    )
    retention_metrics_days: int = field(
        default=0,
        metadata={
            "env": "FTE_RETENTION_METRICS_DAYS",
            "help": "Days single measurements are kept, which reports read; their totals stay; 0: for ever.",
            "min": 0,
            "max": DAYS_MAX,
        },
    )
    url: str = field(
        default="", metadata={"env": "FTE_URL", "help": "Daemon the console talks to; empty: the local one."}
    )
    token: str = field(
        default="",
        repr=False,
        metadata={"env": "FTE_TOKEN", "help": "Operator token of the console.", "secret": True},
    )
    debug: str = field(
        default="off",
        metadata={
            "env": "FTE_DEBUG",
            "help": "When a command breaks, show the error with its text, which may quote a customer, on or off.",
            "choices": ("on", "off"),
        },
    )

    @classmethod
    def load(cls, environ: Mapping[str, str] = os.environ, **overrides: Any) -> "Settings":
        """The settings of this environment; `overrides` that are not None win.

        Raises Rejected naming every variable that is wrong.
        """
        values: dict[str, Any] = {}
        problems: dict[str, str] = {}
        for setting in fields(cls):
            name = setting.metadata["env"]
            raw = overrides.get(setting.name)
            if raw is None:
                raw = environ.get(name) or None
            if raw is None:
                continue
            try:
                values[setting.name] = _parsed(setting.type, raw, setting.metadata)
            except ValueError as error:
                problems[name] = str(error)
        if not problems:
            settings = cls(**values)
            problems = (
                _model_problems(settings)
                | _kafka_problems(settings)
                | _deadline_problems(settings)
                | _budget_problems(settings)
                | _retention_problems(settings)
            )
        if problems:
            named = "; ".join(f"{name}: {problem}" for name, problem in problems.items())
            raise Rejected(
                f"Wrong settings: {named}.", fields=problems, remedy="Correct them and start again."
            )
        return cls(**values)

    @property
    def policy(self) -> Policy:
        """Opening hours and goals."""
        return parse_policy(self.hours, self.deadlines)

    @property
    def secrets(self) -> frozenset[str]:
        """Every secret of these settings: of a secret address what signs in, too."""
        found = {str(getattr(self, one.name)) for one in fields(self) if one.metadata.get("secret")}
        parts = {urlsplit(text).password or "" for text in found if "://" in text}
        parts |= {unquote(part) for part in parts}
        return frozenset(text for text in found | parts if len(text) >= SECRET_MIN)

    @property
    def budget(self) -> Budget:
        """What the model may cost."""
        prices = Prices(self.model_input_price, self.model_output_price)
        return Budget(
            self.budget_run, self.budget_conversation, self.budget_day, self.budget_day_cost, prices
        )

    @property
    def company_name(self) -> str:
        """The company's name; empty when none was set."""
        unset = next(field.default for field in fields(self) if field.name == "company")
        return "" if self.company == unset else self.company

    @property
    def local_url(self) -> str:
        return self.url or f"http://127.0.0.1:{self.port}"

    @property
    def token_file(self) -> Path:
        """Where the embedded mode leaves the local operator's token for the console of the same user."""
        return self.data_dir / "operator.token"

    @property
    def gmail_token_path(self) -> Path:
        """Where the mailbox's token is kept."""
        return self.gmail_token_file or self.data_dir / "gmail-token.json"

    @property
    def secret_file(self) -> Path:
        return self.data_dir / "secret.key"


def misspelt(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables that look like settings of ours and are none, each with the setting it comes nearest to, or nothing.

    They are told of and not refused: a newer release's settings must not keep an older process from starting.
    """
    from difflib import get_close_matches

    names = [one.metadata["env"] for one in fields(Settings)]
    strange = [name for name in environ if name.startswith("FTE_") and name not in names]
    return {
        name: next(iter(get_close_matches(name, names, 1, 0.8)), "")
        for name in sorted(strange)
        if not name.startswith("FTE_TEST_")
    }


def without_password(address: str) -> str:
    """A URL fit to be shown: without what signs in, and without its query, which may sign in, too."""
    parts = urlsplit(address)
    if not parts.scheme or ("@" not in parts.netloc and not parts.query):
        return address
    _, at, host = parts.netloc.rpartition("@")
    netloc = f"{MASK}@{host}" if at else host
    return parts._replace(netloc=netloc, query=MASK if parts.query else "").geturl()


def _model_problems(settings: Settings) -> dict[str, str]:
    if settings.model_base_url and not settings.model:
        return {"FTE_MODEL": "missing; name one of the models that FTE_MODEL_BASE_URL offers"}
    if settings.model not in ("", "offline") and not (settings.model_base_url or settings.openai_api_key):
        return {"FTE_MODEL": f"{settings.model!r} needs a provider; set OPENAI_API_KEY or FTE_MODEL_BASE_URL"}
    return {}


def _budget_problems(settings: Settings) -> dict[str, str]:
    if settings.budget_day_cost and not (settings.model_input_price or settings.model_output_price):
        return {"FTE_BUDGET_DAY_COST": "needs FTE_MODEL_INPUT_PRICE or FTE_MODEL_OUTPUT_PRICE to count by"}
    return {}


def _retention_problems(settings: Settings) -> dict[str, str]:
    if 0 < settings.retention_metrics_days <= settings.log_retention_days:
        return {
            "FTE_RETENTION_METRICS_DAYS": "must be more than FTE_LOG_RETENTION_DAYS: an event that is read again "
            "would be counted twice"
        }
    return {}


def _deadline_problems(settings: Settings) -> dict[str, str]:
    problems = {}
    try:
        parse_hours(settings.hours)
    except ValueError as error:
        problems["FTE_HOURS"] = str(error)
    try:
        parse_goals(settings.deadlines)
    except ValueError as error:
        problems["FTE_DEADLINES"] = str(error)
    return problems


def _kafka_problems(settings: Settings) -> dict[str, str]:
    if not settings.kafka_bootstrap_servers:
        return {}
    problems = {}
    for server in settings.kafka_bootstrap_servers.split(","):
        host, _, port = server.strip().rpartition(":")
        if not (host and port.isascii() and port.isdigit() and 0 < int(port) <= PORT_MAX):
            problems["FTE_KAFKA_BOOTSTRAP_SERVERS"] = (
                f"{_without_keys(server)!r} is not a broker; they look like kafka-1:9092,kafka-2:9092"
            )
    if settings.kafka_security.startswith("sasl") and not (
        settings.kafka_username and settings.kafka_password
    ):
        problems["FTE_KAFKA_USERNAME"] = "missing, or FTE_KAFKA_PASSWORD is; SASL needs both"
    if (settings.kafka_cert_file is None) != (settings.kafka_key_file is None):
        problems["FTE_KAFKA_KEY_FILE"] = "a certificate and its key go together; one of them is missing"
    if not re.fullmatch(r"[A-Za-z0-9._-]{0,100}", settings.kafka_prefix):
        problems["FTE_KAFKA_PREFIX"] = "only letters, digits, dots, dashes and underscores, at most 100"
    return problems


def _default_data_dir() -> Path:
    from platformdirs import user_data_path

    return user_data_path("fte", appauthor=False)


def _parsed(type_: Any, raw: Any, rules: Mapping[str, Any]) -> Any:
    name = getattr(type_, "__name__", str(type_))
    if "Path" in name:
        return Path(raw).expanduser().resolve()
    if name == "int":
        return _number(int, raw, rules)
    if name == "float":
        return _number(float, raw, rules)
    text = str(raw).strip()
    if rules.get("secret") and text in ("", "CHANGE-ME"):
        raise ValueError("holds no secret; `openssl rand -hex 32` makes one, and empty means none")
    if "choices" in rules and text not in rules["choices"]:
        raise ValueError(f"{text!r} is none of {', '.join(rules['choices'])}")
    if rules["env"].endswith("_URL") and text:
        _check_address(text, rules)
    if "like" in rules and text and not re.fullmatch(rules["like"][0], text):
        raise ValueError(f"{text!r} is wrong; it should look like {rules['like'][1]}")
    if rules["env"] == "FTE_SECRET_KEY" and len(text) < 32:
        raise ValueError("needs at least 32 characters; `openssl rand -hex 32` makes one")
    return text


def _check_address(text: str, rules: Mapping[str, Any]) -> None:
    """Raises ValueError, which quotes nothing of a secret."""
    secret = bool(rules.get("secret"))
    like = "postgresql://user:password@host:5432/fte" if secret else "http://127.0.0.1:8000"
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    hosts = parts.netloc.rpartition("@")[2].split(",")  # PostgreSQL takes several
    known = parts.scheme in (("postgresql", "postgres") if secret else ("http", "https"))
    if not known or not (secret or parts.hostname) or not all(_is_host(host) for host in hosts):
        hint = ", with / # @ : and % of the password as %2F %23 %40 %3A and %25" if secret else ""
        raise ValueError(
            f"{'this' if secret else repr(_without_keys(text))} is not a URL; it should look like {like}{hint}"
        )


def _without_keys(address: str) -> str:
    """What is no address, without what would sign in there; of one that is, see `without_password`."""
    nobodys = re.sub(r"(?s)^(\w+://)?.*@", rf"\1{MASK}@", address)
    return re.sub(r"(?s)\?.*", f"?{MASK}", nobodys)


def _is_host(text: str) -> bool:
    found = _HOST.fullmatch(text)
    return found is not None and int(found[1] or 0) <= PORT_MAX


def _number(kind: Any, raw: Any, rules: Mapping[str, Any]) -> Any:
    try:
        value = kind(raw)
    except (TypeError, ValueError):
        raise ValueError(f"{raw!r} is not a number") from None
    low = rules.get("min", 0)
    high = PORT_MAX if rules["env"] == "FTE_PORT" else rules.get("max", 1_000_000)
    if not low <= value <= high:
        raise ValueError(f"{value} is not between {low} and {high}")
    return value
