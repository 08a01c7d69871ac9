"""What Prometheus is told: every metric of ours with its meaning, its labels and the values those may have."""

from dataclasses import dataclass, field
from typing import Final, Literal

from fte.domain.channels import CHANNELS
from fte.domain.escalation import REASONS

Kind = Literal["counter", "gauge", "histogram"]
Teller = Literal["every process", "metrics"]

OTHER: Final = "other"
"""The value of a label for what is not among its known ones."""
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
OUTCOMES: Final = ("answered", "escalated", "handed_over", "suppressed", "dead")
ESCALATIONS: Final = (*REASONS, "delivery_failed", "delivery_unknown", "restored")
SETTLED: Final = ("sent", "delivered", "read", "failed", "unknown", "superseded", "cancelled")
RETAINED: Final = ("conversations", "originals", "files", "traces", "audit", "measurements")
OPEN: Final = ("queued", "sending", "unknown")


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. `labels` maps each label to its values; none where they are as many as there are such things of ours.

    `teller` says who tells it: every process of itself, or those with the role metrics, of the whole system.
    """

    name: str
    kind: Kind
    help: str
    teller: Teller
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)


HTTP_REQUESTS: Final = Metric(
    "http_requests_total",
    "counter",
    "Requests answered.",
    "every process",
    {"method": (*METHODS, OTHER), "route": (), "status": ()},
)
HTTP_SECONDS: Final = Metric(
    "http_request_duration_seconds",
    "histogram",
    "Seconds until an answer began.",
    "every process",
    {"method": (*METHODS, OTHER), "route": ()},
)
DB_ERRORS: Final = Metric(
    "fte_db_connection_errors_total",
    "counter",
    "Times the database was away, or gave no connection in time.",
    "every process",
)
DB_UP: Final = Metric(
    "fte_database_up", "gauge", "1: the database answered this scrape; 0: it did not.", "every process"
)
ROLE: Final = Metric("fte_role", "gauge", "1 for each role the process has.", "every process", {"role": ()})
MODEL_CALL_SECONDS: Final = Metric(
    "fte_model_call_seconds",
    "histogram",
    "Seconds a call of the model took.",
    "every process",
    {"result": ("ok", "error")},
)
REMOVED: Final = Metric(
    "fte_retention_removed_total",
    "counter",
    "What was removed because it was older than it is to be kept.",
    "every process",
    {"what": RETAINED},
)
MESSAGES: Final = Metric(
    "fte_messages_processed_total",
    "counter",
    "Customers' messages dealt with, by what became of them.",
    "metrics",
    {"channel": CHANNELS, "outcome": (*OUTCOMES, OTHER)},
)
TURNS_FINISHED: Final = Metric(
    "fte_turns_finished_total",
    "counter",
    "Turns the agent finished, by outcome.",
    "metrics",
    {"channel": CHANNELS, "outcome": ("answered", "drafted", "escalated", OTHER)},
)
RUNS_WASTED: Final = Metric(
    "fte_runs_wasted_total",
    "counter",
    "Runs of the agent nothing came of: newer messages came, other hand-overs of the customer came first, a person took "
    "over, or the run failed.",
    "metrics",
    {"channel": CHANNELS, "outcome": ("discarded", "failed", OTHER)},
)
ESCALATIONS_RAISED: Final = Metric(
    "fte_escalations_total",
    "counter",
    "Conversations handed to a person, by reason.",
    "metrics",
    {"channel": CHANNELS, "reason": (*ESCALATIONS, OTHER)},
)
DELIVERIES: Final = Metric(
    "fte_deliveries_total",
    "counter",
    "Replies that came to a state, once for each state.",
    "metrics",
    {"channel": CHANNELS, "state": (*SETTLED, OTHER)},
)
LEASES: Final = Metric(
    "fte_lease_expiries_total",
    "counter",
    "Turns put back because their worker vanished, and questions to a provider about a reply that was cut off.",
    "metrics",
    {"channel": CHANNELS, "of": ("turn", "reply", OTHER)},
)
AI_SENDS_AFTER_TAKEOVER: Final = Metric(
    "fte_ai_sends_after_takeover_total",
    "counter",
    "AI replies a provider accepted although a person had taken over before their sending began: must be 0.",
    "metrics",
)
AGENT_SECONDS: Final = Metric(
    "fte_agent_processing_seconds",
    "histogram",
    "Seconds the agent took for a run.",
    "metrics",
    {"channel": CHANNELS},
)
ANSWER_SECONDS: Final = Metric(
    "fte_answer_seconds",
    "histogram",
    "Seconds from the customer's first unanswered message to the answer.",
    "metrics",
    {"channel": CHANNELS},
)
TOKENS: Final = Metric(
    "fte_model_tokens_total",
    "counter",
    "Tokens of the model.",
    "metrics",
    {"channel": CHANNELS, "kind": ("input", "output")},
)
COST: Final = Metric(
    "fte_model_cost_total",
    "counter",
    "What the tokens cost, at the prices of the settings.",
    "metrics",
    {"channel": CHANNELS},
)
BUDGET: Final = Metric(
    "fte_model_budget_used_ratio",
    "gauge",
    "Share of the day's budget for the model that is used, of tokens or money, whichever is more; from 1 on it is used up.",
    "metrics",
)
CHANNEL_HEALTH: Final = Metric(
    "fte_channel_health",
    "gauge",
    "1: the channel works; 0: it does not.",
    "metrics",
    {"channel": CHANNELS},
)
TURNS: Final = Metric(
    "fte_turns",
    "gauge",
    "Turns that wait, or that a worker is on.",
    "metrics",
    {"channel": CHANNELS, "state": ("due", "running")},
)
TURN_AGE: Final = Metric(
    "fte_turn_age_seconds",
    "gauge",
    "For how long the oldest waiting turn has been due.",
    "metrics",
)
REPLIES: Final = Metric(
    "fte_replies",
    "gauge",
    "Replies on their way, or parked for a person.",
    "metrics",
    {"channel": CHANNELS, "state": OPEN},
)
DRAFTS: Final = Metric(
    "fte_drafts", "gauge", "Answers that wait for approval.", "metrics", {"channel": CHANNELS}
)
DRAFT_AGE: Final = Metric(
    "fte_draft_oldest_seconds",
    "gauge",
    "Seconds since the answer was held that waits longest.",
    "metrics",
    {"channel": CHANNELS},
)
DEAD_LETTERS: Final = Metric(
    "fte_dead_letters",
    "gauge",
    "Events a consumer group could not handle, waiting for somebody to look.",
    "metrics",
    {"group": ()},
)
WATCH: Final = Metric(
    "fte_gmail_watch_expires_seconds",
    "gauge",
    "Seconds until Gmail stops announcing new mail, unless the watch is renewed.",
    "metrics",
)
HORIZON: Final = Metric(
    "fte_log_horizon_age_seconds",
    "gauge",
    "Seconds since the oldest open transaction that has written began: the log is not pruned past it.",
    "metrics",
)
RELAY_DELAY: Final = Metric(
    "fte_relay_delay_seconds", "gauge", "Age of the oldest event that Kafka does not have.", "metrics"
)
LAG: Final = Metric(
    "fte_kafka_consumer_lag",
    "gauge",
    "Events a group has not handled.",
    "metrics",
    {"group": (), "topic": ()},
)

METRICS: Final = (
    HTTP_REQUESTS,
    HTTP_SECONDS,
    DB_ERRORS,
    DB_UP,
    ROLE,
    MODEL_CALL_SECONDS,
    REMOVED,
    MESSAGES,
    TURNS_FINISHED,
    RUNS_WASTED,
    ESCALATIONS_RAISED,
    DELIVERIES,
    LEASES,
    AI_SENDS_AFTER_TAKEOVER,
    AGENT_SECONDS,
    ANSWER_SECONDS,
    TOKENS,
    COST,
    BUDGET,
    CHANNEL_HEALTH,
    TURNS,
    TURN_AGE,
    REPLIES,
    DRAFTS,
    DRAFT_AGE,
    DEAD_LETTERS,
    WATCH,
    HORIZON,
    RELAY_DELAY,
    LAG,
)
