"""The words people greet and close with, for patterns that ignore case: what surrounds them differs by who writes."""

from typing import Final

GREETINGS: Final = (
    r"(?:hi|hello|hey|dear|good (?:morning|afternoon|evening|day)|greetings"
    r"|hallo|guten (?:tag|morgen|abend)|liebe[rs]?|sehr geehrte[rs]?|moin"
    r"|bonjour|bonsoir|salut|ch[eè]r(?:e|s|es)?"
    r"|hola|buen[oa]s (?:d[ií]as|tardes|noches)|estimad[oa]s?"
    r"|ciao|salve|gentile|buongiorno|olá|prezad[oa]|beste|dzień dobry|dobrý den|hej|hei"
    r"|merhaba|sayın|здравствуйте|вітаємо|مرحبا|नमस्ते|안녕하세요)"
)
CLOSINGS: Final = (
    r"(?:(?:with )?(?:kind|best|warm|many)(?:est)? (?:regards|wishes|thanks)|regards|cheers|sincerely"
    r"|yours(?: sincerely| faithfully)?|all the best"
    r"|(?:mit )?(?:viele|liebe|beste|freundliche)n? gr[uü](?:ß|ss)en?|gru(?:ß|ss)"
    r"|(?:bien )?cordialement|atentamente|(?:un )?(?:cordial )?saludos?|cordiali saluti|atenciosamente"
    r"|met vriendelijke groet|z poważaniem|s pozdravem|vänliga hälsningar|venn?lig hilsen|saygılarımızla"
    r"|с уважением|з повагою|감사합니다)"
)
