"""What mail programs and people write around a reply, in the languages we meet: read by `quoting`."""

import re
from typing import Final


def _any(*phrases: str) -> str:
    return "|".join(phrases)


WROTE: Final = re.compile(
    r"\b(?:"
    + _any(
        "wrote|writes",
        "schrieb|geschrieben|schrieben",
        "a écrit|a ecrit|écrivait",
        "escribió|escribio|escribió lo siguiente",
        "ha scritto|scrisse|scritto",
        "escreveu",
        "schreef|geschreven",
        r"napisał(?:a|\(a\)|/a)?|pisze|napisali",
        "skrev|skrifaði",
        "kirjoitti",
        r"napsal(?:a|\(a\))?|napísal(?:a|\(a\))?|píše",
        "írta|ezt írta",
        "a scris",
        r"пишет|написал(?:а|\(а\))?|пише|написав",
        "yazdı|yazmış",
        "έγραψε",
        "đã viết",
        "menulis",
    )
    + r")\b(?:[^:]{0,200}[:：]\W*|\s*-{2,}\s*)$|"
    r"(?:のメール|書きました|写道|寫道|作成|작성|님이 쓴 글|כתב|كتب)[^:：]{0,40}[:：]?\W*$",
    re.IGNORECASE,
)
"""The end of the line above a quotation."""

LEAD: Final = re.compile(
    r"\W{0,6}(?:on|at|in a message|am|le|el|il|em|no dia|a|op|w dniu|dnia|den|på|d\.|dne|dňa|v|pe|la|vào"
    r"|(?:mon|tue|wed|thu|fri|sat|sun|mo|di|mi|do|fr|sa|so|lun|mar|mer|mié|jeu|jue|ven|vie|sam|sáb|dim|dom|seg|ter|qua"
    r"|qui|sex|ma|wo|vr|za|zo|pon|wt|śr|czw|pt|sob|niedz|man|tir|ons|tor|fre|lør|søn)\w*\b\.?,?"
    r"|\d|[\w.'-]+@|\S+ (?:\S+ ){0,3}<)",
    re.IGNORECASE,
)
"""The beginning of such a line, when it was broken into several."""

SEPARATOR: Final = re.compile(
    r"\W*[-_=*]{2,}\s*(?:"
    + _any(
        "original (?:message|mail|e-mail)|reply message|message (?:from|history)",
        "original-?nachricht|ursprüngliche (?:nachricht|mail|e-mail)|originalnachricht",
        "message d['’]origine|(?:message|mail|courriel) (?:original|initial)",
        "mensaje original",
        "messaggio originale",
        "mensagem original",
        "oorspronkelijk bericht|origineel bericht",
        "oryginalna wiadomość|wiadomość oryginalna|original message text",
        "ursprungligt meddelande|originalmeddelande|oprindelig (?:meddelelse|besked)|opprinnelig melding",
        "alkuperäinen viesti|původní (?:zpráva|e-mail)|eredeti üzenet|исходное сообщение|orijinal (?:mesaj|ileti)",
        "原始邮件|原始郵件|元のメッセージ|원본 메시지",
    )
    + r")\s*[-_=*]{2,}\W*|.{0,30}\b(?:type|write|add) your (?:reply|response|answer) above this line\b.{0,30}",
    re.IGNORECASE,
)

FORWARDED: Final = re.compile(
    r"\W*(?:[-_=*]{2,}\s*(?:"
    + _any(
        "forwarded (?:message|mail|by)(?: .{0,80})?|forward(?:ed)? message",
        "weitergeleitete (?:nachricht|mail|e-mail)",
        "message (?:transféré|réexpédié)|courriel transféré",
        "mensaje reenviado|forwarded message",
        "messaggio inoltrato",
        "mensagem (?:encaminhada|reencaminhada)",
        "doorgestuurd bericht|forwarded bericht",
        "przekazana wiadomość|wiadomość przekazana|treść przekazanej wiadomości",
        "vidarebefordrat meddelande|videresendt (?:melding|meddelelse|besked)|välitetty viesti",
        "přeposlaná zpráva|továbbított üzenet|пересылаемое сообщение|yönlendirilen ileti|転送メッセージ|转发邮件",
    )
    + r")\s*[-_=*]{2,}|(?:"
    + _any(
        "begin forwarded message",
        "anfang der weitergeleiteten (?:nachricht|e-mail)",
        "début du (?:message|courriel) (?:transféré|réexpédié)",
        "inicio del mensaje reenviado",
        "inizio (?:del )?messaggio inoltrato",
        "início da mensagem (?:reencaminhada|encaminhada)",
        "begin doorgestuurd bericht",
        "początek przekazywanej wiadomości",
        "vidarebefordrat brev|start på videresendt|välitetty viesti alkaa",
    )
    + r")\s*:)\W*",
    re.IGNORECASE,
)

_LABELS: Final = {
    "from": "from|von|de|da|van|od|från|fra|lähettäjä|feladó|de la|от|от кого|від|kimden|gönderen|expéditeur|remitente|"
    "mittente|remetente|afzender|nadawca|差出人|发件人|發件人|寄件者|보낸 사람|από|מאת",
    "date": "sent|date|date sent|gesendet|gesendet am|datum|envoyé|envoyé le|enviado|enviado el|enviado em|enviada em|"
    "fecha|data|inviato|inviato il|verzonden|verzonden op|wysłano|wysłane|skickat|sendt|dato|lähetetty|päivämäärä|"
    "odesláno|küldve|отправлено|дата|gönderildi|gönderilme tarihi|tarih|送信日時|日時|日付|发送时间|日期|寄件日期|보낸 날짜",
    "to": "to|an|à|pour|a|para|aan|do|komu|till|til|vastaanottaja|címzett|кому|kime|destinataire|destinatario|"
    "destinatário|宛先|收件人|收件者|받는 사람",
    "subject": "subject|betreff|objet|asunto|oggetto|assunto|onderwerp|temat|ämne|emne|aihe|předmět|tárgy|subiect|тема|"
    "konu|件名|主题|主旨|主題|제목|θέμα",
    "cc": "cc|kopie|kopia|copie|cópia|copia|dw|udw|bcc|reply-to|antwort an|répondre à|responder a|копия|importance",
}
LABEL: Final = re.compile(
    r"[\s*_]{0,6}(?:"
    + "|".join(f"(?P<{role}>{words})" for role, words in _LABELS.items())
    + r")[*_\s]{0,3}[:：](?!//)",
    re.IGNORECASE,
)
"""A line of the header block that some programs put above the mail they answer."""

SENT_FROM: Final = re.compile(
    r"\W*(?:"
    + _any(
        r"(?:sent|sent from|sent with|sent via) (?:from |via |using |with )?(?:my |the )?\[?(?:i(?:phone|pad|os)|android"
        r"|mobile|phone|cell|blackberry|samsung|galaxy|huawei|xiaomi|pixel|outlook|yahoo|mail for|windows|proton ?mail|aol"
        r"|gmail|spark|airmail|tutanota|tuta|t-mobile|verizon|at&t|mailbird|nine|bluemail|superhuman|fastmail"
        r"|hey\b).{0,90}",
        r"(?:get|download|try) (?:outlook|bluemail|spark|yahoo).{0,60}",
        r"(?:von|aus) (?:meinem|unterwegs|der|outlook|yahoo|mobile).{0,60}(?:gesendet|geschickt)\b.{0,60}",
        r"(?:gesendet|diese nachricht wurde) (?:von|mit|aus)(?: der)?(?: meinem| outlook| mail| yahoo| gmx| web\.de).{0,80}",
        r"(?:outlook für|holen sie sich outlook).{0,60}",
        r"envoyé (?:de|depuis|à partir de|avec) (?:mon|ma|outlook|yahoo|l['’]|mail|courrier|orange|la messagerie).{0,80}",
        r"(?:télécharger|obtenir|obtenez|téléchargez) outlook.{0,60}",
        r"enviado (?:desde|do|da|de|a partir do|pelo) (?:mi|meu|minha|outlook|yahoo|correo|email|mail|o|el).{0,80}",
        r"(?:obtener|obter|obtenha|descargar|consiga) (?:o )?outlook.{0,60}",
        r"inviato (?:da|dal|con) (?:i(?:phone|pad)|mio|outlook|yahoo|posta|tiscali|libero|smartphone|mail).{0,80}",
        r"(?:scarica|ottieni) outlook.{0,60}",
        r"(?:verstuurd|verzonden) (?:vanaf|vanuit|met|van|via) (?:mijn|outlook|yahoo|mail|samsung).{0,80}",
        r"(?:download|haal) outlook.{0,60}",
        r"(?:wysłane|wysłano) z (?:mojego|i(?:phone|pad)|telefonu|aplikacji|programu|urządzenia|outlook|poczt).{0,80}",
        r"(?:pobierz) (?:aplikację )?outlook.{0,60}",
        r"(?:skickat|sendt|lähetetty|odesláno|отправлено|gönderildi) (?:från|fra|z|из|с).{0,60}",
        r".{0,20}(?:iPhone|iPad|Android)(?:から送信|发送|傳送|에서 보냄|'?(?:den|dan|umdan) gönderildi)",
    )
    + r")\W*",
    re.IGNORECASE,
)

CLOSING: Final = re.compile(
    r"\W*(?:"
    + _any(
        r"(?:with )?(?:kind(?:est)?|best|warm(?:est)?|many|my best)?\s?(?:regards|wishes)|cheers|sincerely(?: yours)?|yours"
        r"(?: \w+)?|(?:many )?thanks(?: \w+){0,4}|thank you(?: \w+){0,5}|all the best|best|br|thx",
        r"(?:mit )?(?:freundlichen?|besten?|vielen?|schönen?|herzlichen?|liebe[nr]?|beste|viele|schöne|liebe|herzliche)"
        r" (?:grüßen?|gruessen?|gruß|dank.{0,20})|mfg|lg|vg|gruß|grüße|danke(?: \w+){0,3}|hochachtungsvoll",
        r"(?:bien )?(?:cordialement|sincèrement|amicalement)|bien à vous|salutations.{0,20}|merci(?: \w+){0,4}|cdlt",
        r"(?:un )?(?:cordial )?saludos?(?: cordial(?:es)?)?|atentamente|(?:muchas )?gracias(?: \w+){0,4}",
        r"(?:cordiali|distinti) saluti|cordialmente|(?:molte )?grazie(?: \w+){0,3}|saluti",
        r"atenciosamente|(?:melhores |com os melhores )?cumprimentos|(?:muito )?obrigad[oa](?: \w+){0,3}|abraços?",
        r"(?:met )?(?:vriendelijke|hartelijke) groet(?:en|jes)?|groet(?:en|jes)?|mvg|bedankt|alvast bedankt|dank je wel",
        r"pozdrawiam(?: serdecznie)?|z poważaniem|pozdrowienia|dziękuję|z góry dziękuję|med vänlig hälsning|mvh|hälsningar",
    )
    + r")\W*",
    re.IGNORECASE,
)

CONTACT: Final = re.compile(
    r"\W*(?:(?:tel|phone|mobile|mob|cell|direct|office|fax|e-?mail|mail|web|website|www|handy|telefon|tél|téléphone|móvil"
    r"|teléfono|cellulare|telefoon|komórka|[tmpfwe])\b\.?\s*[:|.]?\s*\S{0,40}[\d@.].{0,60}|(?:https?://|www\.)\S+"
    r"|\+?[\d(][\d\s()/.-]{6,24}|\S+@\S+\.\S+|[^|]{1,60}(?:\s\|\s[^|]{1,60}){1,5})\W*",
    re.IGNORECASE,
)
"""A line of a business card: nothing but a number or an address."""

DISCLAIMER: Final = re.compile(
    r"\W*(?:"
    + _any(
        r"(?:this|the (?:information|content)s?) .{0,80}(?:e-?mail|message|communication).{0,160}(?:confidential|privileged"
        r"|intended (?:only|solely|for)|legally protected)|confidentiality (?:notice|note)|disclaimer\s*:|legal notice\s*:"
        r"|please consider the environment|think before (?:you )?print",
        r"(?:diese (?:e-?mail|nachricht)|der inhalt dieser).{0,160}(?:vertraulich|bestimmt|rechtlich geschützt)"
        r"|bitte (?:denken|prüfen) sie.{0,40}(?:umwelt|ausdruck)",
        r"(?:ce (?:message|courriel|mail)|cet e-?mail|les informations contenues).{0,160}(?:confidentiel|destiné)",
        r"(?:este (?:mensaje|correo)|la información contenida).{0,160}(?:confidencial|destinatari)|aviso legal",
        r"(?:questo messaggio|il presente messaggio|le informazioni contenute|questa e-?mail).{0,160}"
        r"(?:riservat|confidenzial)",
        r"(?:esta mensagem|este e-?mail|as informações).{0,160}(?:confidencia|destinat)",
        r"(?:dit bericht|deze e-?mail|de informatie).{0,160}(?:vertrouwelijk|bestemd)",
        r"(?:niniejsza|ta|treść tej) wiadomoś.{0,160}(?:poufn|przeznaczon)",
    )
    + ")",
    re.IGNORECASE,
)
