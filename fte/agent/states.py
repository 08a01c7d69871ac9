"""Whether a sentence says how a thing of the customer's stands: done, under way, or open again.

No run looks at an account, a payment or an order, so no answer can know. What a help page says in general stands in a
condition ("once your account is closed") or names one afterwards, and is no statement about this customer.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final


@dataclass(frozen=True, slots=True)
class _Words:
    """Of one language: what points at a thing, the things, what says how they stand, and how."""

    whose: str
    things: str
    stands: str
    how: str
    depends: str
    """What makes a statement depend on something else, or a rule."""


_LANGUAGES: Final = (
    _Words(
        whose="your|the|this|that|all(?: of)?(?: your| the)?|an?|our",
        things="accounts?|refunds?|payments?|money|charges?|data|plans?|limits?|passwords?|links?|cases?|bugs?"
        "|errors?|issues?"
        "|problems?|subscriptions?|orders?|seats?|cards?|requests?|tickets?|trials?|access|workspaces?|invoices?|credits?",
        stands="is|are|was|were|gets?|got|has been|have been|stands|runs",
        how=r"reset|deleted|gone|wiped|erased|removed|(?:un|b|unb)lock\w*|open again|(?:re|de)?activated|active|restored"
        r"|cancel+ed|ended|closed|refunded|returned|reversed|dropped|waived|raised|lowered|increased|extended|upgraded"
        r"|downgraded|updated|approved|granted|solved|fixed|resolved|repaired|being \w+|under ?way|on (?:its|the|their) way"
        r"|in progress|in the (?:queue|works)|heading \w+|coming|sorted|done|completed?|confirmed|credited|declined"
        r"|free again"
        r"|with (?:our|the) \w+|back (?:on|in|with)\b|now\b|longer now",
        depends=r"if|whether|depending|when|whenever|once|unless|until|as soon as|after|before|every|each"
        r"|automatically|at the (?:end|start)"
        r"|from the (?:next|following)|only|while",
    ),
    _Words(
        whose=r"ihr\w{0,2}|dein\w{0,2}|eue?r\w{0,2}|der|die|das|alle(?: ihre)?",
        things=r"\w*konto|\w*account|geld|\w*zahlung|\w*erstattung|abbuchung|\w*daten|\w*abo|abonnement|vertrag|\w*passwort"
        r"|kennwort|\w*link|zugang|limit|anfrage|bestellung|fehler|problem|tarif|testphase|kündigung",
        stands="ist|sind|wurden?|war(?:en)?|läuft|laufen|kommt",
        how=r"gelöscht|weg|(?:ent|ge)sperrt|freigeschaltet|freigegeben|gekündigt|storniert|\w*erstattet|überwiesen|zurück\w*"
        r"|geändert|aktualisiert|behoben|gelöst|erledigt|unterwegs|wieder|genehmigt|bestätigt|verlängert|erhöht|raus"
        r"|ver(?:schickt|sendet)|aktiv\w*|beendet|geschlossen|in arbeit|im gange?|bereits|jetzt|schon|nun",
        depends=r"wenn|falls|sobald|sofern|nachdem|bevor|bis|jede\w*|automatisch|zum ende|am ende|nach|nur|solange|während",
    ),
    _Words(
        whose="votre|vos|ton|tes|ta|le|la|les|l'",
        things="comptes?|remboursements?|paiements?|argent|données|abonnement|mot de passe|lien|accès|demande"
        "|commande|problème"
        "|bug|erreur|forfait|essai|limite",
        stands="est|sont|a été|ont été|était|sera|seront",
        how=r"(?:dé)?bloqu\w*|supprim\w*|effac\w*|résili\w*|annul\w*|rembours\w*|réinitialis\w*|mis\w* à jour"
        r"|résolu\w*|corrig\w*"
        r"|réglé\w*|en (?:route|cours|chemin)|(?:de|à) nouveau|approuv\w*|prolong\w*|augment\w*|activ\w*|clos\w*|rétabli\w*"
        r"|parti\w*|maintenant|déjà",
        depends=r"si|quand|lorsqu\w*|dès|une fois|jusqu\w*|après|avant|chaque|automatiquement|à la fin|seulement|tant",
    ),
    _Words(
        whose="su|sus|tu|tus|el|la|los|las",
        things="cuenta|reembolso|pago|dinero|datos|suscripción|contraseña|enlace|acceso|solicitud|pedido|problema|error|plan"
        "|prueba|límite|cargo",
        stands="está|están|fue|fueron|ha sido|han sido|queda|quedó|va|ya está",
        how=r"(?:des)?bloquead\w*|eliminad\w*|borrad\w*|cancelad\w*|reembolsad\w*|devuelt\w*|restablecid\w*|actualizad\w*"
        r"|resuelt\w*|arreglad\w*|en (?:camino|curso)|de nuevo|aprobad\w*|ampliad\w*|aumentad\w*|activ\w*|cerrad\w*|list\w"
        r"|hech\w|ahora|ya",
        depends=r"si|cuando|una vez|en cuanto|hasta|después|antes|cada|automáticamente|al final|solo|sólo|mientras",
    ),
    _Words(
        whose="il|la|i|le|l'|lo",
        things="conto|account|rimborso|pagamento|denaro|soldi|dati|abbonamento|password|link|accesso|richiesta|ordine"
        "|problema"
        "|errore|piano|prova|limite|addebito",
        stands=r"è|sono|è stat\w|sono stat\w",
        how=r"(?:s)?bloccat\w|eliminat\w|cancellat\w|annullat\w|rimborsat\w|reimpostat\w|aggiornat\w|risolt\w"
        r"|in (?:corso|arrivo)"
        r"|di nuovo|approvat\w|prolungat\w|aumentat\w|attiv\w+|chius\w|fatt\w|ora|già",
        depends=r"se|quando|una volta|appena|fino|dopo|prima|ogni|automaticamente|alla fine|solo|mentre",
    ),
    _Words(
        whose="o|a|os|as|seu|sua|seus|suas",
        things="conta|reembolso|pagamento|dinheiro|dados|assinatura|senha|link|acesso|pedido|problema|erro|plano"
        "|teste|limite"
        "|cobrança",
        stands="está|estão|foi|foram|já está",
        how=r"(?:des)?bloquead\w|excluíd\w|apagad\w|cancelad\w|reembolsad\w|devolvid\w|redefinid\w|atualizad\w|resolvid\w"
        r"|corrigid\w|a caminho|em andamento|de novo|aprovad\w|aumentad\w|ativ\w+|encerrad\w|fechad\w|feit\w|pront\w"
        r"|agora|já",
        depends=r"se|quando|uma vez|assim que|até|depois|após|antes|cada|automaticamente|no final|só|enquanto",
    ),
    _Words(
        whose="uw|je|jouw|jullie|de|het",
        things="account|terugbetaling|betaling|geld|gegevens|abonnement|wachtwoord|link|toegang|verzoek|bestelling"
        "|probleem|fout"
        "|proefperiode|limiet",
        stands="is|zijn|werd|werden",
        how=r"weer|terug\w+|verwijderd|gewist|opgezegd|geannuleerd|gereset|bijgewerkt|opgelost|onderweg|bezig|goedgekeurd"
        r"|verlengd|verhoogd|actief|beëindigd|gesloten|(?:ge)?(?:de)?blokkeerd|nu|al",
        depends=r"als|wanneer|zodra|tenzij|tot|nadat|voordat|elke|automatisch|aan het einde|alleen|zolang",
    ),
    _Words(
        whose=r"ditt|din|dina|dit|dine|er|ert|era|deres",
        things=r"konto\w*|peng(?:ar(?:na)?|ene?)|återbetalning\w*|tilbagebetaling\w*|refusjon\w*|data|uppgifter"
        r"|abonn?emang\w*"
        r"|abonnement\w*|lösenord\w*|adgangskode\w*|passord\w*|länk\w*|ärende\w*|sak\w*|fel\w*",
        stands="är|er|har|blev|ble|har blivit|er blevet|har blitt",
        how=r"återbetal\w*|tilbagebetal\w*|refundert|rader\w*|slette\w*|avslut\w*|opsagt|återställ\w*|nulstillet"
        r"|tilbakestilt"
        r"|(?:lå|o)s?t upp|upplåst|låst op|låst|öppen|öppet|åb[en]+t?|igen|på (?:väg|vej|vei)|klar\w*|löst|løst"
        r"|godkän\w*|godk\w+|nu|nå",
        depends=r"om|när|når|så snart|hvis|tills|indtil|efter|etter|före|varje|hver|automatisk\w*|bara|kun",
    ),
    _Words(
        whose=r"twoj\w|twój|pana|pani|państwa",
        things="konto|zwrot|płatność|pieniądze|dane|subskrypcja|abonament|hasło|link|dostęp|zgłoszenie|zamówienie"
        "|problem|błąd"
        "|limit",
        stands=r"jest|są|został\w?|zostały",
        how=r"odblokowan\w|zablokowan\w|usunięt\w|anulowan\w|zwrócon\w|zlecon\w|zresetowan\w|zaktualizowan\w|rozwiązan\w"
        r"|naprawion\w|w (?:drodze|toku)|znów|ponownie|zatwierdzon\w|przedłużon\w|zwiększon\w|aktywn\w|zamknięt\w"
        r"|gotow\w|teraz|już",
        depends=r"jeśli|jeżeli|gdy|kiedy|po|dopóki|zanim|każd\w+|automatycznie|na koniec|tylko",
    ),
)
_BEGIN: Final = r"(?:^|[,;:!.–—-]\s+|\b(?:and|so|but|und|et|y|e|en|och|og|i)\s+)\W*(?:\w+[,!:]\s+)?"
"""Where a main clause begins: a statement inside another one depends on that."""
_WHO: Final = r"(?:that|which|who|die|der|das|qui|que|che|dat|som|kt[oó]r\w)\b"
_IN_ANY_CLAUSE: Final = re.compile(
    r"(?i)^\W*(?:(?:refund|payment|cancellation|password|account|access|data|subscription|charge|money|request|order|case"
    r"|upgrade|credit)s?:? (?:sent|issued|returned|done|complete|completed|approved|granted|deleted|reversed|confirmed"
    r"|cancel+ed|reset|restored|closed|solved)|approved|solved|refunded|cancel+ed)\W*$"
    r"|\b(?:passing|transferring|connecting|putting|handing|routing|forwarding) (?:you|this|it|your)\b"
    r"|\byou(?:'ve| have)(?: now| just)? been (?:put|connected|passed|transferred|moved|upgraded|refunded)"
    r"|\byou(?: now)? have (?:full )?access (?:again|now)\b"
    r"|\b(?:a|the|our) (?:person|colleague|human|team|agent|specialist) (?:takes over|is on it|knows|has (?:it|your"
    r"|this)|joins)\b"
    r"|\b(?:a|the) (?:fix|patch|correction) (?:comes|is coming|will come|goes|is) (?:out|live|on)\b"
    r"|^\W*(?:\w+[,!:] )?(?:that|this|it|everything|all)(?: of it)?(?: is|'s| was| has been)(?: all| now| already)? "
    r"(?:taken care of|fixed|solved|done|sorted|handled|settled)\b"
    r"|\b(?:expect|await) (?:your|the|a) (?:money|refund|call|payment|reply|answer)\b"
    r"|\b(?:link|code|refund|payment|money|e?-?mail) (?:went|has gone|is going) (?:out|through|back)\b"
    r"|\b(?:money|refund|payment) will be (?:with you|back|there|in your)\b"
    r"|\b(?:colleague|team|engineers?|specialist) (?:is|are) (?:already )?(?:reading|looking|working|checking|handling)\b"
    r"|\byou(?: are|'re)(?: now)? (?:first|next|\w+) in (?:line|the queue)\b"
    r"|\byour (?:\w+ )?(?:payment|transfer|charge) (?:failed|went through|bounced)\b"
    r"|\byour (?:trial|plan|subscription) (?:now )?(?:runs|ended|lasts)\b"
    r"|\bsubscription ended\b|\b(?:copy|invoice|file|receipt) is attached\b|\b(?:see|find) (?:the |it )?attached\b"
    r"|\b(?:konto|account): (?:it|es) (?:is|ist)\b|\byour (?:account|workspace)\b[^.!?]*[:,;] (?:and )?it is\b"
    r"|\b\w*(?:erstattung|überweisung|zahlung) läuft\b|^\W*(?:ya )?está (?:arreglado|hecho|resuelto|listo)\b"
    r"|\b(?:i|we) (?:can |do )?(?:see|checked|looked|found out|noted|confirm)\b[^.!?]{0,40}\b(?:your|the payment"
    r"|the refund|that you)\b"
    r"|\baccording to (?:our|my|the) (?:records?|system|data|files?)\b"
    r"|\byou(?: are|'re) (?:no longer|now|back|already|still) on\b|\bas of (?:today|now|this)\b"
    r"|\b(?:everything|nothing|all) (?:on|with|about|is|in)\b[^.!?]{0,30}\b(?:fine|wrong|order|correct|well|good)\b"
    r"|\byour (?:\w+ )?(?:case|ticket|request|message|feedback|report) (?:is|lies|sits) (?:now )?(?:with|at|on|in)\b"
    r"|\byour (?:\w+ )?(?:appointment|callback|call|booking|refund|request|order) (?:is|was) (?:\w+ )?(?:confirmed"
    r"|scheduled|booked"
    r"|planned|noted)\b|\bcall-?back is \w+|\bdiscount (?:is|was|has been) (?:applied|granted|added)\b"
    r"|^\W*(?:that(?: is|'s| has been| was) )?noted\b|\bone of (?:us|our \w+) (?:\w+s|will)\b"
    r"|\b(?:team|developers?|engineers?|specialists?|colleagues?) (?:has|have|is|are) (?:already |now )?(?:started"
    r"|aware|begun|on it)\b"
    r"|^\W*done\W*$|\bconsider (?:it|this|that|your \w+) \w+ed\b|^\W*just (?:sent|reset|changed|added|did|cancel+ed)\b"
    r"|\b(?:switching|moving|upgrading|signing) you (?:over|to|up)\b|\b(?:per|at|as per) your request\b"
    r"|\b(?:our|the) (?:records?|system|logs?) (?:shows?|says?)\b|\bi(?:'ve| have) seen to\b|\bwhich i (?:did|have)\b"
    r"|\byou asked for (?:went|is|was|has)\b|\bthis (?:has been|was|is) (?:logged|recorded|passed|forwarded|reported)\b"
    r"|\b(?:request|refund|dispute|case|ticket|deletion|change|issue|bug)\b[^,.;!?]{0,30} (?:is being|was|got) "
    r"(?:handled|reviewed|processed|corrected|fixed|solved)\b|\bis (?:reviewing|handling|checking|looking into) your\b"
    r"|\b(?:invoice|address|number|name|owner\w*) (?:got|was just|is now) (?:\w+ed|on file)\b|\block is gone\b"
    r"|\bwurden? veranlasst\b|\bacabo de \w+|\bya quedó\b|\bestamos \w+ndo su\b|\bho appena\b|\bacabei de\b"
    r"|\ba été (?:corrigé|renvoyé|transmis)e?\b|\bje viens de\b|^\W*geregeld\b|\bverifiquei\b|\bik zie in (?:je|uw)\b"
    r"|\bliegt (?:jetzt |nun )?bei[mr]?\b|\bentre les mains\b|\ben manos del?\b|\bligt (?:nu )?bij\b|\bestá com [ao]s?\b"
    r"|\b(?:virement|remboursement) est parti\b|\b(?:devolución|reembolso) (?:salió|fue)\b|\bkündigung ist durch\b"
)
"""Wordings that are a statement by themselves, wherever they stand: fragments, and kinds that were let through before."""
_ASKS: Final = re.compile(r"[?？]\W*$")


@lru_cache(maxsize=1)
def _statements() -> tuple[tuple[re.Pattern[str], re.Pattern[str]], ...]:
    """Of each language the statement, and what would make it a rule."""
    return tuple(
        (
            re.compile(
                rf"(?i){_BEGIN}(?:(?:{words.whose})(?:\s+"
                rf"|(?<=')))?(?:[\w'-]+ ){{0,2}}?(?:{words.things})(?: (?!{_WHO})\w+)?? "
                rf"(?:{words.stands})(?: \w+){{0,2}}? (?:{words.how})"
            ),
            re.compile(rf"(?i)\b(?:{words.depends})\b"),
        )
        for words in _LANGUAGES
    )


def states(sentence: str) -> bool:
    """Whether it says that something of the customer's is done, under way or as it was, and not under which condition."""
    if _ASKS.search(sentence):
        return False
    return bool(_IN_ANY_CLAUSE.search(sentence)) or any(
        says.search(sentence) is not None and depends.search(sentence) is None
        for says, depends in _statements()
    )
