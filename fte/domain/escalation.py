"""When a person must take over: rules that run before and after the model, so that no model can skip them.

`before` reads the customer's words; `after` reads what a run did. Both match text without accents, in lower
case. Ordinary questions that merely contain such words (a human resources module, an agent's API key, a
refund to the customer's own client) are taken out first. When in doubt the rules hand over.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Final, Literal, get_args

from fte.domain.channels import Channel
from fte.domain.turns import Urgency

ReasonToAsk = Literal[
    "legal",
    "security_incident",
    "chargeback",
    "privacy_request",
    "refund_request",
    "cancellation_threat",
    "profanity",
    "human_request",
    "pricing_inquiry",
    "negative_sentiment",
    "no_answer_found",
]
"""The reasons a model may give; the others are ours to find."""

Reason = Literal[ReasonToAsk, "policy_violation", "agent_failure"]
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)
"""Every reason; of several that apply, the first in this order is the reason given."""

URGENCIES: Final[dict[Reason, Urgency]] = {
    "legal": "high",
    "security_incident": "high",
    "chargeback": "high",
    "privacy_request": "high",
    "refund_request": "high",
    "cancellation_threat": "high",
    "profanity": "high",
    "human_request": "normal",
    "pricing_inquiry": "normal",
    "negative_sentiment": "high",
    "no_answer_found": "normal",
    "policy_violation": "normal",
    "agent_failure": "normal",
}
MOOD_FLOOR: Final = 0.3
"""A message whose sentiment is below this goes to a person."""
SEARCHES_MAX: Final = 2
"""Searches without a hit after which a person is asked."""
_TEXT_MAX: Final = 20_000

_INVISIBLE: Final = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_QUOTED: Final = re.compile(r"(?m)^\s*>.*$")
_SENTENCES: Final = re.compile(r"[.!?;\n]+(?=\s|$)")


def before(text: str, channel: Channel, mood: float) -> Reason | None:
    """Why this message must go to a person without asking the model; None when the agent may answer.

    `text` is all the customer wrote for this answer, subject included; `mood` its lowest sentiment, 0 to 1.
    """
    found = reasons(text, channel, mood)
    return found[0] if found else None


def reasons(text: str, channel: Channel, mood: float) -> tuple[Reason, ...]:
    """All reasons that apply, the most pressing first."""
    original = _visible(text)
    plain = _folded(original)
    masked = _LOOKALIKES.sub(" _ ", plain)
    sentences = [part for part in _SENTENCES.split(masked) if part.strip()]
    tests: tuple[tuple[Reason, Callable[[], bool]], ...] = (
        ("legal", lambda: bool(_LEGAL.search(masked)) or _threatens_to_sue(original)),
        ("security_incident", lambda: bool(_SECURITY.search(masked))),
        ("chargeback", lambda: _about_us(sentences, _CHARGEBACK)),
        ("privacy_request", lambda: bool(_PRIVACY.search(masked))),
        ("refund_request", lambda: _about_us(sentences, _REFUND)),
        ("cancellation_threat", lambda: bool(_CANCELLATION.search(masked))),
        (
            "profanity",
            lambda: bool(_PROFANITY.search(masked) or _PROFANITY_ACCENTED.search(original.lower())),
        ),
        ("human_request", lambda: _asks_for_person(masked, channel)),
        ("pricing_inquiry", lambda: _about_us(sentences, _PRICING)),
        ("negative_sentiment", lambda: mood < MOOD_FLOOR),
    )
    return tuple(reason for reason, applies in tests if applies())


def after(
    *, requested: Reason | None, searches: int, hits: int, answered: bool, violations: tuple[str, ...] = ()
) -> Reason | None:
    """Why a finished run must end with a person; None when its answer may go out.

    `requested` is what the model itself asked for, `hits` the passages found by all `searches` together,
    `answered` whether a reply stands, `violations` the rules the last reply broke.
    """
    if requested is not None:
        return requested
    if violations:
        return "policy_violation"
    if searches >= SEARCHES_MAX and hits == 0:
        return "no_answer_found"
    return None if answered else "agent_failure"


def mood_word(mood: float) -> str:
    """The mood in a word, for a brief."""
    steps = ((0.15, "furious"), (MOOD_FLOOR, "angry"), (0.45, "unhappy"), (0.6, "neutral"), (0.8, "friendly"))
    return next((word for limit, word in steps if mood < limit), "delighted")


def _visible(text: str) -> str:
    """The customer's own words: nothing invisible, no quoted mail (it may hold our own offer of a person)."""
    text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text[:_TEXT_MAX]))
    return _OUR_FOOTERS.sub(" ", _QUOTED.sub("", text.replace("’", "'").replace("‘", "'").replace("`", "'")))


def _folded(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return re.sub(r"[^\S\n]+", " ", "".join(c for c in decomposed if not unicodedata.combining(c)))


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))


_OUR_FOOTERS: Final = re.compile(
    r"(?i)to reach a person,? reply with the word \W?person\W?|type \W?human\W? (?:for|to reach) a person"
)

_LOOKALIKES: Final = _any(
    r"\bhuman[- ]resources?\b|\bhuman[- ]?readable\b|\bhuman[- ]errors?\b|\bhumanit\w+",
    r"\b(?:sync|user|api|build|mail|transfer|import|backup|monitoring|estate|travel|remote|desktop"
    r"|background) agents?\b",
    r"\bagents?(?:'s)? (?:\w+ )?(?:api|keys?|tokens?|software|logs?|versions?|services?|installers?"
    r"|config\w*|settings?|toml|ids?"
    r"|roles?|is (?:offline|online|down)|shows|goes|going|go offline|offline|status|page|process|binary)\b"
    r"|\bagent\.\w+",
    r"\b(?:the )?representatives? (?:fields?|columns?|names?|of (?:a|the|my|our) clients?)"
    r"|\bfields? \W?representative\W?"
    r"|\b(?:sales|client) representatives?(?: field| column)\b",
    r"\bcontact persons?\b|\bpersons? (?:fields?|columns?|days?|hours?|months?)\b|\bper person\b"
    r"|\bin person\b",
    r"\blegal[- ](?:entit(?:y|ies)|names?|forms?|holidays?|address(?:es)?|representative|notices? page"
    r"|footers?|size|status)\b"
    r"|\blegal (?:person|guardian)\b|\b(?:a |the )?(?:paralegal|law firm)s?\b",
    r"\b(?:tennis|food|basketball|squash|padel) courts?\b|\bcourt (?:street|road|reporting|translat\w+"
    r"|interpret\w+)\b",
    r"\bcredit[- ]notes?\b|\bcredit cards?\b|\bcallback (?:url|address|uri|function|endpoint)s?\b"
    r"|\bcallbacks\b",
    r"\bpric(?:e|ing) (?:columns?|fields?|lists? of (?:my|our) \w+|per (?:hour|unit|item|piece))\b"
    r"|\bpurchase orders?\b",
    r"\bunit prices?\b|\b(?:project|budget|labou?r|expense|internal|staff) costs?\b|\bcost (?:rates?"
    r"|centers?|centres?)\b",
    r"\bin ?quotes?\b|\bquot(?:ed|es?|ation) (?:marks?|text|mail|message|field|character)s?\b",
    r"\bhackathons?\b|\bhack (?:day|week)s?\b|\bgrowth hack\w*\b|\blife hacks?\b",
    r"\b(?:vulnerability|security|penetration) (?:scan report template|settings|page|tab|menu|section)\b",
    r"\bscunthorpe\b|\bshiitake\b|\bshitake\b|\bpenistone\b",
    r"\brefund (?:button|client button|window|field|menu|column|report)\b|\brefund clients?\b"
    r"|\bnon-?refundable\b",
    r"\bpolic(?:y|ies) (?:says|requires?)\b|\bpolice (?:report field|station)\b|\bclaims? (?:report"
    r"|form field|adjuster)\b",
    r"\bexpense claims?\b|\blawyer (?:role|template|field)\b",
)

_LEGAL: Final = _any(
    r"\b(?:law ?suits?|lawyers?|attorneys?|solicitors?|barristers?|litigat\w+|subpoena\w*|ombudsman"
    r"|prosecut\w+)\b",
    r"\b(?:legal|legally|illegal|illegally|unlawful(?:ly)?)\b|\bcease and desist\b|\bsmall claims\b"
    r"|\bclass action\b",
    r"\b(?:in|to|into|before|at) (?:the )?court\b|\bcourt (?:order|case|date|proceedings|action)\b"
    r"|\bthe courts\b",
    r"\bpress(?:ing)? charges\b|\bclaims? for damages\b|\btrading standards\b|\bbreach of contract\b"
    r"|\barbitration\b",
    r"\b(?:report|reporting|go|going|went|call|calling) (?:you |this |it )?to the police\b"
    r"|\bcall(?:ing)? the police\b",
    r"\b(?:rechts)?anw[a]lt(?:e|in|s|es)?\b|\banwaltlich\w*|\brechtliche schritte\b|\bverklage\w*"
    r"|\bvor gericht\b"
    r"|\brechtsabteilung\b|\bklage (?:ein|erheb)\w*|\banzeige erstatten\b|\brechtsanw\w+|\bgerichtlich\w*",
    r"\b(?:mon|notre|un|une|l'|d'|nos|mes)? ?avocat(?:e|s)?\b|\btribuna(?:l|ux)\b|\ben justice\b"
    r"|\bporter? plainte\b"
    r"|\bmise en demeure\b|\b(?:juridique|judiciaire)s?\b|\bpoursuites\b",
    r"\babogad[oa]s?\b|\bdemandar(?:e|los|les|emos|te)?\b|\bacciones? legal(?:es)?\b|\btribunales\b"
    r"|\bdenunciar\w*"
    r"|\blegales\b|\bjudicial(?:es)?\b",
    r"\bavvocat[oaie]\b|\bvie legali\b|\bazion[ei] legal[ei]\b|\bquerela\w*|\btribunale\b|\bdenuncer\w+",
    r"\badvogad[oa]s?\b|\bprocessar (?:voces|a empresa)\b|\bvou processar\b|\bacao judicial\b|\bprocon\b"
    r"|\bjustica\b",
    r"\badvocaat\b|\badvocaten\b|\bjuridisch\w*|\brechtszaak\b|\bnaar de rechter\b|\baanklagen\b"
    r"|\bdagvaard\w+",
)
_SUE: Final = _any(
    r"(?i:\b(?:i|we|they|he|she|client|customer)(?:'ll| will| shall| can| could| might| may| should| must|'d)"
    r"(?: (?:also|just|definitely|probably|have to|need to))? )sue\b(?!')",
    r"(?i:\b(?:going|gonna|want|wants|have|need|ready|prepared|threaten\w*|right|decided|forced|intend\w*"
    r"|plan\w*|able|like|about"
    r"|reason)(?: to)? )sue\b(?!')",
    r"(?i:\bsue)(?i: (?:you|u|y'all|tallywren|them all|your (?:company|firm|business|ass))\b)",
    r"(?i:\bsue for (?:damages|compensation|breach|negligence|fraud|\W?\d))",
    r"(?i:\b(?:suing|sued)\b)(?i:(?! (?:reports?|et)\b))",
)
_SUE_LOUD: Final = re.compile(r"\bSUE\b")


def _threatens_to_sue(original: str) -> bool:
    """To sue is a verb: Sue, with a capital, is a colleague unless the whole message is in capitals."""
    if original.isupper():
        return bool(_SUE_LOUD.search(original))
    return bool(_SUE.search(original))


_SECURITY: Final = _any(
    r"\bhack(?:ed|er|ers|ing)\b|\bbeen hacked\b|\bcompromised\b|\bphish\w+|\bransomware\b|\bmalware\b"
    r"|\bspyware\b",
    r"\b(?:data|security|privacy) (?:breach\w*|leak\w*|incident\w*|hole\w*|flaw\w*|vulnerabilit\w+"
    r"|weakness\w*|emergency)\b",
    r"\bleak(?:ed|ing)\b.{0,60}\b(?:data|password|token|key|file|customer|client|document|online"
    r"|internet)\w*",
    r"\b(?:data|password|token|key|file|document|credential)s? (?:\w+ ){0,4}leak(?:ed|s|ing)?\b",
    r"\bun-?authori[sz]ed (?:access|log-?ins?|sign-?ins?|use|user|person|people|change|transaction"
    r"|activity|party)\w*",
    r"\bvulnerabilit(?:y|ies)\b|\b(?:xss|csrf|ssrf|sql injection|zero[- ]day|remote code execution"
    r"|exploit(?:ed|able)?)\b",
    r"\b(?:account|workspace|e-?mail|profile|login) (?:\w+ ){0,3}(?:taken over|hijacked|stolen|breached)\b"
    r"|\baccount takeover\b",
    r"\b(?:some(?:one|body)|a stranger|strangers|they|he|she|intruder)(?: else)?(?: \w+){0,4} (?:in|into"
    r"|inside|access(?:ed)? to?|using|accessed"
    r"|accessing) (?:my|our) (?:account|workspace|login|profile|data)\b",
    r"\bsome(?:one|body)(?: else)? (?:has |had |is )?(?:logged|signed|logging|signing|broke|breaking|got"
    r"|stole|changed my password)\b"
    r"(?! (?:in |up )?(?:as|with) (?:the )?(?:sso|guest))(?=.{0,60}\b(?:my|our)\b)",
    r"\b(?:stolen|stole)\b.{0,40}\b(?:account|token|key|password|credential|laptop|phone|device|data"
    r"|identity)\w*",
    r"\b(?:account|token|key|password|credential|laptop|phone|device|data"
    r"|identity)s? (?:\w+ ){0,4}(?:stolen|misused|abused)\b",
    r"\b(?:suspicious|strange|unknown|unrecogni[sz]ed) (?:log-?in|sign-?in|activity|access|device)\w*",
    r"\b(?:log-?in|sign-?in|access)s?\b.{0,40}\b(?:wasn't|was not|not) (?:me|us|by us|by me)\b"
    r"|\bnone of us (?:did|is|was)\b",
    r"\b(?:can|could|able to) see (?:other|another|someone else'?s?) (?:customer|compan|workspace|account"
    r"|people|user)\w*",
    r"\bgehackt\b|\bgehacked\b|\bhackerangriff\b|\bdatenleck\b|\bsicherheitslucke\w*|\bpirate(?:e"
    r"|s)?\b.{0,20}\bcompte\b"
    r"|\bcompte\b.{0,20}\bpirat\w+|\bhackead[oa]s?\b|\bcuenta robada\b|\bhackerat[oa]\b"
    r"|\bviolat[oa]\b.{0,20}\baccount\b"
    r"|\bhackead[oa]|\binvadi(?:da|ram)\b.{0,20}\bconta\b|\bfuite de donnees\b|\bdatalek\b",
)

_CHARGEBACK: Final = _any(
    r"\bcharge-? ?backs?\b|\bdisput(?:e|ed|ing)\b.{0,50}\b(?:charges?|payments?|transactions?|bank|card"
    r"|paypal|credit card company|debit)\b",
    r"\b(?:bank|card (?:company|issuer|provider)|paypal|credit card company)\b.{0,40}\b(?:disput\w+"
    r"|revers\w+|block (?:the|this|your)|"
    r"claim(?:ed)? (?:it|the money|this) back)",
    r"\brevers(?:e|ed|ing) (?:the|this|your|that) (?:charge|payment|transaction|debit)s?\b",
    r"\bruckbuchung\b|\bzuruckbuchen\b|\blastschrift (?:zuruck|wider)\w*|\bretrofacturation\b"
    r"|\bopposition (?:a|au|sur) .{0,20}"
    r"(?:paiement|prelevement|debit)|\bcontracargo\b|\bestorno bancario\b|\bstorneren\b|\bcontestar (?:o"
    r"|el) (?:cargo|cobro|pagamento)\b",
)
_PRIVACY: Final = _any(
    r"\b(?:gdpr|dsgvo|rgpd|ccpa|lgpd|cpra|dsar|hipaa)\b|\bdata protection (?:law|act|officer|authorit\w+"
    r"|regulation|request|commission\w*)\b",
    r"\bright to (?:be forgotten|erasure|access|object|portability)\b|\b(?:subject|data) access request\b"
    r"|\bprivacy (?:request|complaint|law)\b",
    r"\b(?:delete|deletion of|erase|erasure of|remove|wipe|destroy|forget) (?:all "
    r"|any )?(?:of )?(?:the )?(?:my|our|me)?(?: own)?"
    r" ?(?:personal|private) (?:data|information|details|records)\b",
    r"\b(?:delete|erase|wipe|remove|forget) (?:all |everything |any |the )*(?:data|information|details"
    r"|records)? ?(?:that )?you"
    r" (?:have|hold|store|keep|know|saved|stored|collected)?.{0,12}\b(?:about|on|of) (?:me|us)\b",
    r"\berase (?:all )?(?:of )?(?:my|our) (?:data|information|details)\b|\bdelete all (?:of )?my (?:data"
    r"|information|details)\b",
    r"\bdelete (?:me|my (?:data|information|details)) from (?:your|all)\b|\b(?:remove|delete) my (?:data"
    r"|information|details)[ .!]*(?:please|$|\n|now\b)",
    r"\b(?:what|which|any|all|copy of).{0,24}\b(?:data|information)\b.{0,16}\b(?:you"
    r"|do you)\b.{0,16}\b(?:have|hold|store|keep|process|collect\w*)"
    r" (?:about|on|of|concerning) (?:me|us)\b",
    r"\b(?:copy|export|disclosure) of (?:all )?(?:of )?(?:my|the) personal data\b",
    r"\bpersonenbezogen\w* daten\b|\bmeine daten (?:\w+ )?(?:loschen|geloscht)|\bdatenauskunft\b"
    r"|\bloschung meiner\b|\bdatenschutz(?:grund|behorde|gesetz)\w*",
    r"\b(?:supprim\w+|effac\w+) (?:toutes )?mes (?:donnees|informations)\b|\bdonnees personnelles\b"
    r"|\bdroit a l'oubli\b|\bcnil\b",
    r"\b(?:borr\w+|elimin\w+|suprim\w+) (?:todos )?mis datos\b|\bdatos personales\b|\b(?:cancell\w+"
    r"|elimin\w+) (?:tutti )?i miei dati\b|\bdati personali\b",
    r"\b(?:apag\w+|exclu\w+|elimin\w+) (?:todos )?(?:os )?(?:meus dados)\b|\bdados pessoais\b"
    r"|\bpersoonsgegevens\b|\bmijn gegevens (?:\w+ )?verwijder\w*",
)
_REFUND: Final = _any(
    r"\brefund\w*\b|\breimburs\w+|\bmoney[- ]back\b|\b(?:get|want|need|give|return|send|have|like) (?:me "
    r"|us )?(?:all )?(?:my|our|the) money\b",
    r"\b(?:give|pay|send) (?:me|us|it|that|the money|my money)(?: all)? back\b|\bcredit (?:my"
    r"|our) (?:account|card)\b",
    r"\bcharged (?:me |us |my card |our card )?(?:twice|double|again|wrongly|too much|for (?:nothing"
    r"|a year|something)|by mistake|in error|incorrectly)\b",
    r"\b(?:double|duplicate|wrong|incorrect|unexpected) (?:charge|charged|charges|billing|debit)\b"
    r"|\bover-?charged\b|\bbilled (?:me |us )?(?:twice|double)\b",
    r"\bgeld zuruck\b|\bruckerstatt\w*|\berstatt(?:en|ung)\b|\bzuruckerstatt\w*|\bdoppelt (?:abgebucht"
    r"|berechnet|belastet)\b",
    r"\brembours\w+|\bdebite(?:e|s)? deux fois\b|\breembols\w+|\bdevoluci?on(?: de(?:l| mi) dinero)?\b"
    r"|\bdevuel\w+ (?:mi |el )?dinero\b|\bcobraron dos veces\b",
    r"\brimbors\w+|\bindietro i (?:miei )?soldi\b|\bsoldi indietro\b|\bdinheiro de volta\b|\bterugbetal\w+"
    r"|\bgeld terug\b",
)
_CANCELLATION: Final = _any(
    r"\bcancel(?:l?ing|led|lation of)? (?:\w+ ){0,3}?(?:account|subscription|membership|contract|service"
    r"|licen[cs]es?|workspace|our plan|my plan"
    r"|the plan|your plan)\b",
    r"\b(?:i|we)(?:'ll| will| shall|'m going to|'re going to| am going to| are going to|'m gonna|'re gonna"
    r"| want to|'d like to| have to|'m| am|'re"
    r"| are| must) (?:just |now |all |also )?cancel(?:l?ing)?(?= *(?:$|[.,!?;\n]|it all|everything|today"
    r"|now|immediately|if|unless|and|or|with you|tallywren))",
    r"\b(?:leave|leaving|quit|quitting|ditch\w*|dump\w*|drop(?:ping)?|abandon\w*) (?:you\b|tallywren"
    r"|your (?:service|product|company|platform|app|software|tool))",
    r"\b(?:switch|switching|move|moving|migrate|migrating|go|going|change|changing|went"
    r"|defect\w*) (?:\w+ ){0,3}?(?:to|over to) (?:a |an |another |your |one of your |the |some "
    r"|a different )*"
    r"(?:competit\w+|competing \w+|other (?:tool|product|provider|vendor|service|supplier|company"
    r"|software)|(?:different |another )?"
    r"(?:provider|vendor|supplier)|another (?:tool|product|service|company|software|solution|app)"
    r"|different (?:tool|product|service|company|software|solution|app))\b",
    r"\b(?:take|taking) (?:my|our) (?:business|money) elsewhere\b|\b(?:go|going|look|looking) elsewhere\b"
    r"|\bor (?:else )?(?:i|we)(?:'m| am|'re| are|'ll| will)"
    r" (?:leave|leaving|out|gone|off)\b",
    r"\b(?:i|we)(?:'m| am|'re| are)(?: \w+)? (?:about|ready|going) to leave\b|\blast (?:chance"
    r"|warning) (?:before|or) (?:i|we)\b|\bi'm out of here\b",
    r"\b(?:terminate|terminating|end|ending) (?:my|our|the|this) (?:contract|subscription|agreement"
    r"|account|membership)\b|\bnot (?:going to )?renew(?:ing)?\b.{0,20}"
    r"\b(?:subscription|contract|with you|plan)\b|\b(?:won't|will not|not be) renew(?:ing)?\b",
    r"\bkundig(?:e|en|ung)\b|\bgekundigt\b|\b(?:zur|zu einer) konkurrenz\b|\bresilier?\w*"
    r"|\bdarme de baja\b|\bdar de baja\b"
    r"|\bcancelar (?:mi|la|nuestra|minha|a) (?:suscripcion|cuenta|assinatura|conta)\b|\bdisdire\b"
    r"|\bdisdetta\b|\babonnement op ?zeg\w*|\bopzeggen\b|\bannuler? (?:mon|notre) abonnement\b",
)
_PROFANITY: Final = _any(
    r"\b(?:mother)?f+u+c+k+\w*|\bf[*@#u]+c?[*@#]+k?(?:ing|ed|er)?(?!\w)|\bfck(?:ing|ed)?\b|\bwtf\b"
    r"|\bstfu\b|\bffs\b",
    r"\bsh[i1*!]t(?:ty|s|e|show|head)?\b|\bbull-?sh[i*]t\b|\bbs\b(?= (?:answer|repl|excuse))|\bhorseshit\b",
    r"\ba(?:ss|rse|\*\*)-?holes?\b|\bbastards?\b|\bbitch(?:es|y)?\b|\bb[*]+ch\b|\bcunts?\b|\bdickheads?\b"
    r"|\bwank(?:er|ers)\b|\bprick(?:s)?\b|\btwats?\b|\bbollocks\b",
    r"\bcrap(?:py)?\b|\bpiss(?:ed)? off\b|\bscrew you\b|\bgo to hell\b|\bwhat the hell\b|\bhell are you\b"
    r"|\bgoddam\w*|\bjackass\w*|\bdumbass\w*|\bdouche\w*|\bretard(?:s|ed)\b|\bshut up\b",
    r"\bidiots?\b|\bmorons?\b|\bimbeciles?\b|\bscumbags?\b",
    r"\b(?:you|u|y'all)(?: \w+)? (?:are|r|'re) (?:all |so |just |such |a |an |absolute(?:ly)? "
    r"|complete(?:ly)? |total(?:ly)? |bunch of |fucking |the most |really )*"
    r"(?:useless|stupid|clowns?|jokes?|pathetic|thieves|thief|crooks?|scammers?|liars?|incompetent|dumb"
    r"|garbage|losers?)\b",
    r"\byou're (?:all |so |just |such |a |an |absolutely |completely |totally |bunch of )*(?:useless"
    r"|stupid|clowns?|pathetic|thieves|thief|crooks?|scammers?|liars?|incompetent|dumb)\b",
    r"\b(?:stupid|dumb|useless|damn(?:ed)?|idiotic) (?:bot|robot|machine|chatbot|ai|people|company|app"
    r"|piece)\b",
    r"\bscheiss\w*|\bbeschissen\w*|\barschl\w+|\bfick(?:en|t)?(?: dich| euch)\b|\bgefickt\b|\bwichser\w*"
    r"|\bvollidiot\w*|\bidioten\b|\bhurensohn\w*|\bverarsch\w*|\bkackladen\b",
    r"\bmerde\w*|\bputains?\b|\bconn(?:ard|asse|ards|erie)s?\b|\bsalauds?\b|\bencule\w*|\bva te faire\b"
    r"|\bfoutre\b|\bfoutez?\b|\bbordel\b",
    r"\bmierdas?\b|\bput[oa]s?\b|\bcabron(?:es)?\b|\bgilipollas\b|\bjoder\b|\bpendejos?\b|\bcarajo\b"
    r"|\bhij[oa]s? de\b",
    r"\bmerd[ae]\b|\bcazzo\b|\bvaffanculo\b|\bstronz[oaie]\b|\bcoglion[ei]\b|\bputtan\w+|\bminchia\b"
    r"|\bporra\b|\bcaralho\b|\bfod(?:a-se|er|ase)\b|\bfilhos? da put\w*",
    r"\bkut\w{0,6}\b|\bklootza\w+|\bgodverdomme\b|\bklote\b|\blul(?:len)?\b",
)
_PROFANITY_ACCENTED: Final = re.compile(r"\bcoño\b")

_PEOPLE: Final = (
    r"(?:humans?|persons?|people|agents?|representatives?|reps?|operators?|managers?|supervisors?"
    r"|advis[eo]rs?|specialists?|technicians?"
    r"|colleagues?|employees?|staff(?: members?)?|team members?|some ?one|somebody|any ?one|anybody"
    r"|support(?: team| staff)?|customer (?:service|support|care)|team|boss)"
)
_WHICH: Final = (
    r"(?:(?:a|an|the|your|some|any|one of your|another|one|with|real|live|actual|human|living|senior|other"
    r"|support|sales|service|customer|billing|technical|competent|different) )*"
)
_HUMAN: Final = _any(
    # A noun that can mean nothing else.
    r"\b(?:real|actual|live|living|breathing|human|flesh and blood) (?:human|person|people|agent|being"
    r"|operator|representative|rep|support|assistance|help|employee"
    r"|advis[eo]r|interaction|contact|touch|colleague|reply|answer|response)s?\b(?!-)",
    r"\b(?:a|any|some|the|no|one) humans?\b(?! (?:can read|could read|resource|rights|sized))"
    r"|\bhumans? (?:please|pls|now|here|instead)\b|\bhuman support\b",
    r"\bcustomer (?:service|support|care) (?:rep\w*|agent|person|number|phone|line)\b|\bsupport (?:rep\w*"
    r"|agent|person|phone|hotline)\b|\bhotline\b",
    r"\b(?:member|person|somebody|some ?one|any ?one|anybody|human|people) (?:\w+ )?(?:from|of|on|at"
    r"|in) (?:your|the support|the billing|the sales|the customer) ?(?:\w+ )?(?:team|staff|side|support"
    r"|company|end|office|department|service|people|experts|colleagues|employees|agents)\b",
    r"\bone of your (?:colleagues|people|staff|team|agents|employees|experts|specialists|guys)\b"
    r"|\byour (?:manager|supervisor|boss|superior)s?\b|\b(?:person|someone|somebody) in charge\b",
    # Talking to somebody.
    rf"\b(?:speak|talk|chat|speaking|talking|chatting|discuss (?:this|it|that)|escalated?|connected"
    rf"|get through|get in touch|in contact|deal) (?:directly |live |again )?"
    rf"(?:to|with) {_WHICH}{_PEOPLE}\b(?! (?:in|on|of|from) (?:my|our)\b)(?! resource)(?! about (?:his|her"
    rf"|their) (?:hours|timesheet))",
    r"\b(?:speak|talk) to (?:one|you|u)(?= (?:guys|people|directly|on)|[ .!?]*$)|\blet me (?:speak|talk)\b"
    r"|\b(?:talk|speak) (?:in person|on the phone|by phone|by voice)\b",
    rf"\b(?:connect|transfer|put|pass|hand|forward|switch|redirect|refer|route|escalate|send) (?:me|us"
    rf"|this(?: \w+)?|my (?:case|ticket|question|issue|request|problem|message)|it)"
    rf" (?:over |through |on |back |directly |up )*(?:to|with) {_WHICH}{_PEOPLE}\b",
    rf"\b(?:get|give|find|bring|send) (?:me|us) {_WHICH}{_PEOPLE}\b(?! (?:api|key|access|role|list))"
    rf"|\bput me through\b|\bhand me over\b|\bescalate (?:this|it|my|the (?:case|ticket|issue|matter))\b",
    r"\b(?:want|need|like|prefer|require|demand|request|requesting|ask(?:ing|ed)? for|looking for"
    r"|rather have)(?: to (?:have|see|get|reach|contact|use))?"
    r" (?:a|an|some|any|your|another|the) (?:\w+ )?(?:human|person|representative|rep|agent|operator"
    r"|supervisor|advis[eo]r|manager)"
    r"(?= *(?:$|[.!?,;\n]|please|pls|now|right|asap|instead|here|not|to (?:talk|speak|help|call|look"
    r"|answer|contact|assist|reply|respond|read|handle|sort|fix|explain|check my|deal)"
    r"|who (?:can|understands|knows|actually)|on the (?:phone|line)|and not|rather|for this|immediately))",
    r"\b(?:reach|contact|get hold of|find) (?:a|an|any|some|your|the|one of your) (?:\w+ )?(?:human"
    r"|representative|rep|operator|supervisor|support team|support staff|person (?:at|in|from|who))\b",
    r"\bis (?:there )?(?:a |an |any |some )?(?:human|person|representative|anyone|anybody|somebody"
    r"|someone|any one|agent)(?: \w+)?"
    r"(?: (?:there|here|alive|home|available|around|real|who|i can|reading|behind|on the other)\b)"
    r"|\bany(?:one|body)(?: \w+)? (?:there|home|alive|awake|reading (?:this|these|my))\b",
    r"\bhow (?:do|can) i (?:reach|contact|call|phone|speak to|talk to) (?:you|your|support|customer"
    r"|tallywren|a person|some ?one|some ?body|any ?one)\b",
    # Being called.
    r"\b(?:call|phone|ring|telephone) me\b|\bcall(?:-| )?back\b(?! (?:url|address|function|end))"
    r"|\bgive (?:me|us) a (?:call|ring)\b|\b(?:some ?one|somebody|any ?one|you) (?:please )?"
    r"(?:call|phone|ring) (?:me|us)\b|\b(?:can|could|may) (?:some ?one|somebody|any ?one"
    r"|anybody) (?:\w+ ){0,3}(?:call|phone|ring|contact|write to|reply to"
    r"|answer) (?:or \w+ )?(?:to )?(?:me|us)\b",
    r"\b(?:phone|telephone|support|contact) number\b.{0,30}\b(?:call|support|you|reach)\b|\b(?:number"
    r"|line) (?:i|we) can (?:call|ring|phone)\b|\bcan i (?:call|phone|ring) (?:you|some|any|support)\w*"
    r"|\b(?:schedule|book|arrange|have) (?:a |an )?(?:phone |video |zoom |quick )?(?:call|meeting|demo"
    r"|appointment) with (?:you|your|sales|support|some ?one)\b",
    # No machine.
    r"\b(?:not|don't|do not|no longer|never) (?:want|wanna|need|like|wish"
    r"|going)(?: to)?(?: \w+)? ?(?:(?:with|to|by|from|at|in) )?(?:a|an|this|your|some|any|the"
    r"|another)? ?(?:stupid |damn |dumb )?(?:chat-?)?"
    r"(?:bots?|robots?|machines?|computer|automat(?:ed|ic) (?:\w+ )?(?:repl\w+|answers?|responses?"
    r"|messages?|texts?))\b",
    r"\b(?:talk|speak|chat|talking|speaking|chatting|argue|arguing|dealing|deal|writing) (?:to|with) (?:a "
    r"|an |this |your |some |the )?(?:\w+ )?(?:chat-?)?(?:bot|robot|machine|computer|ai)s?\b",
    r"\b(?:stop|no more|enough|sick|tired|fed up)(?: \w+){0,4} (?:chat-?bots?|bots?|robots?|robot|canned"
    r"|automat(?:ed|ic)|ai)[- ]?(?:generated )?(?:repl\w+|answers?|responses?|messages? from you|texts?"
    r"|nonsense|(?= *[.!?]|$))",
    r"\b(?:no|not a|not an|without|instead of a|instead of an) (?:stupid |damn )?(?:chat-?)?(?:bots?"
    r"|robots?)\b(?= *(?:$|[.!?,;\n]|please|again|anymore|answer))|\bkeep getting (?:\w+ )?automat\w+",
    r"\b(?:file|make|lodge|submit|raise|register) (?:a|an|my) (?:\w+ )?complaint\b",
    # German
    r"\b(?:mit|zu) (?:\w+ ){0,4}?(?:mensch(?:en)?|mitarbeiter(?:in|n)?|person|berater(?:in)?|kolleg\w+"
    r"|jemand(?:em|en)?|vorgesetzten?|kundendienst|kundenservice|support-?mitarbeiter\w*"
    r"|ansprechpartner\w*)"
    r"(?: \w+){0,3} (?:sprechen|reden|chatten|telefonieren|verbinden|verbunden|schreiben|kommunizieren"
    r"|sprache)",
    r"\b(?:sprech|red|telefonier|verbind)\w* (?:sie |sie mich |mich "
    r"|ich )?(?:bitte )?mit (?:\w+ ){0,2}(?:mensch\w*|mitarbeiter\w*|person|jemand\w*|berater\w*"
    r"|kolleg\w+)",
    r"\b(?:echte[nrsm]?|richtige[nrsm]?|menschliche[nrsm]?|lebendige[nr]?) (?:mensch\w*|person\w*"
    r"|mitarbeiter\w*|ansprechpartner\w*|berater\w*|kontakt|antwort|hilfe|support)\b|\b(?:einen|ein"
    r"|kein) mensch(?:en)?\b",
    r"\bruf(?:en|t)? (?:sie )?(?:mich|uns)\b|\b(?:mich|uns) (?:\w+ )?(?:anrufen|zuruckrufen|zuruckruft)\b"
    r"|\b(?:um |einen? )ruckruf\b|\bkein(?:en|em|er)? (?:chat-?)?(?:bot|roboter|maschine|automat\w*)\b"
    r"|\bjemanden? sprechen\b",
    # French
    r"\b(?:parler|discuter|echanger|communiquer|joindre|contacter|parle)(?: \w+){0,2}? ?(?:a|avec"
    r"|au)? ?(?:un |une |quelqu'un|votre |des |de |vos )(?:\w+ ){0,2}?(?:humain\w*|personne|conseill\w+"
    r"|agents?|operat\w+|responsable|superieur|service client|quelqu'un)?",
    r"\b(?:un |une )(?:vrai[e]? |veritable |etre )+(?:humain|personne|conseill\w+|agent|interlocut\w+)"
    r"|\bun humain\b|\bvraie personne\b|\bquelqu'un (?:peut|pourrait|pourra)\w*.{0,20}(?:appeler|rappeler"
    r"|contacter)",
    r"\brappelez?-(?:moi|nous)\b|\bappelez?-moi\b|\bpas (?:a |avec |de |d')?(?:un |une )?(?:robot|machine"
    r"|bot)\b|\bservice client\b",
    # Spanish
    r"\b(?:hablar|comunic\w+|chatear|contactar|contacto|hable|paseme"
    r"|ponerme) (?:directamente )?con (?:\w+ ){0,3}?(?:persona|human[oa]|agente|representante|asesor\w*"
    r"|operador\w*|alguien|encargad[oa]|responsable|supervisor\w*|gerente)\b",
    r"\bpersona (?:real|de verdad|humana|de carne)\b|\bser humano\b|\bun humano\b|\b(?:llamen|llame|llama"
    r"|llamad)me\b|\bque me llamen?\b|\b(?:me|nos) (?:pueden|puede|podrian|podeis) llamar\b"
    r"|\bno (?:quiero )?(?:hablar con )?(?:un |una )?(?:robots?|bots?|maquinas?)\b",
    # Italian
    r"\b(?:parlare|comunicare|chattare|parlo"
    r"|mettermi in contatto) (?:direttamente )?con (?:\w+'? ?){0,3}?(?:persona|umano|operat\w+|assistente"
    r"|responsabile|agente|qualcuno|essere umano|consulente)\b",
    r"\bpersona (?:vera|reale|in carne)\b|\boperator[ei] uman[oi]\b|\bessere umano\b|\b(?:richiama"
    r"|chiama)(?:temi|mi)\b|\bmi (?:chiami|chiamate|richiami|richiamate|potete chiamare|puo chiamare"
    r"|potete richiamare)\b|\bnon (?:\w+ ){0,3}(?:un )?(?:robot|bot)\b",
    # Portuguese
    r"\b(?:falar|conversar|contato|contacto) (?:diretamente )?com (?:\w+ ){0,3}?(?:pessoa|human[oa]"
    r"|atendente|agente|representante|alguem|operador\w*|responsavel|gerente|supervisor\w*)\b",
    r"\bpessoa (?:real|de verdade|humana)\b|\batendente\b|\b(?:me ligue|me liguem|liguem-me|ligue-me"
    r"|podem me ligar|pode me ligar)\b|\bum humano\b|\bnao quero (?:falar com )?(?:um |uma )?(?:robo|bot"
    r"|maquina)\b",
    # Dutch
    r"\b(?:met|een) (?:een |echt |echte )*(?:mens|persoon|medewerker|iemand|collega|leidinggevende"
    r"|mens van vlees)(?: \w+){0,2}? (?:spreken|praten|chatten|bellen|contact|te woord)",
    r"\b(?:spreken|praten|chatten|bellen|doorverbonden|doorverbinden|contact) (?:\w+ )?met (?:een |jullie "
    r"|echt |echte )*(?:mens|persoon|medewerker|iemand|collega)\b|\biemand (?:te )?spreken\b"
    r"|\biemand aan de (?:lijn|telefoon)\b",
    r"\bechte? (?:mens|persoon|medewerker)\b|\bbel(?:t|len)? (?:me|mij)\b|\b(?:terugbellen|teruggebeld"
    r"|terugbelt)\b|\bgeen (?:chat-?)?(?:bot|robot|computer)\b|\bmedewerker spreken\b",
)  # fmt: skip
_BARE: Final = re.compile(
    r"\W*(?:(?:hi|hello|hey|please|pls|a|an|the|ok|okay|no|just|i said|want|need|i want|i need|real|bitte"
    r"|un|une|una|um|uma|een|ein|por favor|s'il vous plait|per favore)\W+)*"
    r"(?:humans?|persons?|people|agents?|representatives?|operators?|somebody|someone|supervisor|manager"
    r"|mensch|mitarbeiter|humain|personne|conseiller|persona|humano|agente|operador"
    r"|operatore|umano|pessoa|mens|persoon|medewerker|call me|speak to you)(?:\W+(?:please|pls|now|bitte"
    r"|por favor|s'il vous plait|per favore|alstublieft|asap|here))*\W*"
)
_WHATSAPP_WORDS: Final = re.compile(r"\b(?:humans?|agents?|representatives?)\b")


def _asks_for_person(masked: str, channel: Channel) -> bool:
    if any(_BARE.fullmatch(line) for line in masked.split("\n")):
        return True
    return bool(_HUMAN.search(masked)) or (channel == "whatsapp" and bool(_WHATSAPP_WORDS.search(masked)))


_PRICING: Final = _any(
    r"\b(?:prices?|pricing|priced|price ?list|price ?tag)\b|\b(?:discount|rebate|voucher|coupon"
    r"|promo(?:tion)?(?: code)?)s?\b|\bspecial (?:offer|terms|deal)s?\b",
    r"\bhow much\b.{0,60}\b(?:costs?|charge|pay|paying|plans?|subscription|seats?|licen[cs]es?|upgrade"
    r"|upgrading|package|a month|per month|a year|per year|monthly|yearly|annually|users?|people"
    r"|your (?:product|service|tool|software|app))\b",
    r"\bhow much (?:is|are|for|would|will) (?:it|this|that|tallywren|the app|your \w+|a \w+|one|\d+)\b"
    r"|\bhow much\W*$",
    r"\bwhat(?:'s| is| are| does| do| would| will| did)?\b.{0,60}\bcosts?\b|\b(?:cost|fee|rate"
    r"|charge)s? (?:of|for|per) (?:\w+ ){0,3}(?:plan|subscription|seat|licen[cs]e|user|upgrade|month|year"
    r"|package|tier)s?\b",
    r"\b(?:cheaper|cheapest|too expensive|more expensive|affordable|expensive)\b|\b(?:a|an|your|for a"
    r"|price) (?:quote|quotation)\b|\bquote (?:for|me|us)\b|\b(?:subscription|licen[cs]e|monthly|annual"
    r"|yearly|upgrade) (?:fee|cost|price|charge)s?\b",
    r"\b(?:does|will|would) (?:\w+ ){0,5}cost (?:extra|more|us|me|anything|money)\b|\bfree (?:plan|version"
    r"|tier)\b|\bcosts? us\b",
    r"\bpreis(?:e|liste|nachlass)?\b|\bwas kostet\b|\bwie ?viel kostet\b|\bkosten (?:fur|pro|von)\b"
    r"|\brabatt\w*|\bangebot (?:fur|uber)\b|\bprix\b|\btarifs?\b|\bcombien (?:coute|ca coute|est-ce)\b"
    r"|\bremise\b|\bdevis\b",
    r"\bprecios?\b|\bcuanto (?:cuesta|vale|cuestan)\b|\bdescuentos?\b|\bpresupuesto para\b|\bprezz[oi]\b"
    r"|\bquanto costa\b|\bsconto\b|\bpreventivo\b|\bprecos?\b|\bquanto custa\b|\bdescontos?\b|\bprijs(?:en"
    r"|lijst)?\b|\bwat kost\b|\bhoeveel kost\b|\bkorting\b",
)  # fmt: skip
_OWN_TRADE: Final = re.compile(
    r"\b(?:clients?|my customers?|our customers?|my own customers?|our own customers?|one of (?:my|our"
    r"|the) (?:clients|customers)|customer'?s|kunden|clientes?|clienti|klanten"
    r"|line items?|invoice lines?|on (?:an?|the|my|our) invoices?|in (?:an?|the|my|our) (?:report|invoice"
    r"|project|budget|template)s?|hourly|projects?|expenses?|timesheets?|import(?:ed|ing)?|csv"
    r"|columns?|fields?|button|api|per hour|rate card)\b"
)
_ADDRESSED: Final = re.compile(
    r"\b(?:you (?:charge|charged|bill|billed|renewed|took|debited|offer|give|refund|owe)|your (?:prices?"
    r"|pricing|plans?|company|product|service|rates?|fees?|refund|charge)|do you (?:charge|offer|give"
    r"|have)|(?:our|my|the|your) subscription"
    r"|tallywren charged|(?:studio|solo|company|pro|business|enterprise|premium|basic|team) plan|plans?"
    r"|subscription|upgrad\w+|seats?|licen[cs]es?"
    r"|from you|refund (?:me|us)|give (?:me|us)|my money|our money|charged (?:me|us|my|our))\b"
)
_REFUNDING: Final = re.compile(
    r"\bhow (?:do|can|would|should) (?:i|we|one|you) (?:\w+ )?(?:issue |give |make |process |record |do "
    r"|send )?(?:out )?(?:a |an |the )?(?:partial |full )?refund(?:ing|s)?\b(?! (?:me|us|from you|of my"
    r"|for my|of our|for our (?:sub|plan)))"
)


def _about_us(sentences: list[str], pattern: re.Pattern[str]) -> bool:
    """Whether the matter is between the customer and us, rather than between them and their own clients."""
    return any(
        pattern.search(sentence)
        and not (pattern is _REFUND and _REFUNDING.search(sentence))
        and (not _OWN_TRADE.search(sentence) or _ADDRESSED.search(sentence))
        for sentence in sentences
    )
