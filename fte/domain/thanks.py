"""Whether a message says thanks and nothing else: then a resolved conversation stays resolved.

A message is thanks when it is made of known phrases only, at least one of which thanks. Anything else (a question
mark, a negation, a request, an unknown word, another language) is doubtful, and what is doubtful reopens:
a Polish *tak* is a yes, a Danish one thanks.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final

THANKS_MAX: Final = 200
"""Characters beyond which a message is not looked at: nobody thanks at that length and says nothing else."""

_THANKS: Final = """
thanks|thank you|thank u|thanks you|thankyou|thank you kindly|thx|thnx|tnx|tks|thks|thanx|thnks|ty|tysm|tyvm
ta|cheers|many thanks
much appreciated|much obliged|i appreciate it|i really appreciate it|appreciate it|appreciated|i thank you
bless you
danke|dankeschön|danke schön|danke sehr|dankesehr|vielen dank|herzlichen dank|besten dank|tausend dank
lieben dank|ganz lieben dank
ich danke ihnen|ich danke dir|danke dir|danke ihnen|danke euch|merci vielmals|vielen lieben dank|dank ihnen
schönen dank|thx
gracias|muchas gracias|muchísimas gracias|muchisimas gracias|mil gracias|gracias a ti|gracias a ustedes
te lo agradezco|se lo agradezco
muy agradecido|muy agradecida|grcs|grax|muy amable
merci|merci beaucoup|merci bien|mille mercis|mille merci|un grand merci|grand merci|merci infiniment
je vous remercie|je te remercie|mrc|mercii
obrigado|obrigada|muito obrigado|muito obrigada|obg|obgd|brigado|brigada|valeu|agradeço|muito agradecido
agradecido|agradecida
grazie|grazie mille|mille grazie|molte grazie|tante grazie|grazie infinite|grazie tante|ti ringrazio
vi ringrazio|la ringrazio
bedankt|dank je|dank je wel|dank u|dank u wel|dankjewel|dankuwel|hartelijk dank|hartelijk bedankt
heel erg bedankt|super bedankt|thnx|thanks
veel dank|heel veel dank|bedankt voor alles
teşekkürler|tesekkurler|teşekkür ederim|tesekkur ederim|çok teşekkürler|çok teşekkür ederim|cok tesekkurler
cok tesekkur ederim|tşk|tsk|tşkler
sağ olun|sağol|sağ ol|sagol|sag olun|sağolun|eyvallah|teşekkür ediyorum
شكرا|شكراً|شكرا جزيلا|شكراً جزيلاً|شكرا لك|شكراً لك|شكرا لكم|شكراً لكم|شكرا كثيرا|ألف شكر|الف شكر|مشكور
مشكورين|جزاك الله خيرا|جزاكم الله خيرا|ممنون|تسلم
धन्यवाद|बहुत धन्यवाद|बहुत बहुत धन्यवाद|आपका धन्यवाद|आपका बहुत धन्यवाद|शुक्रिया|बहुत शुक्रिया
बहुत बहुत शुक्रिया|आभार|dhanyavad|dhanyawad|shukriya|bahut dhanyavad|bahut shukriya
dziękuję|dziekuje|dziękujemy|dziękuję bardzo|bardzo dziękuję|bardzo dziękujemy|serdecznie dziękuję|dzięki|dzieki
wielkie dzięki|dzięki wielkie|dziękuje|dzięki bardzo
děkuji|dekuji|děkujeme|děkuju|díky|diky|moc děkuji|moc díky|mockrát děkuji|mnohokrát děkuji|velmi děkuji|děkuji moc
díky moc|děkuji vám|děkuji mnohokrát
tack|tackar|tack så mycket|tack så jättemycket|stort tack|tusen tack|många tack|tack snälla|tackar så mycket
tak for hjælpen|tak for svaret|tak for alt|tak for hurtig hjælp|tak for det hurtige svar|mange tak|tusind tak
tak skal du have|tak skal i have|mange mange tak
takk|tusen takk|mange takk|takk skal du ha|takk skal dere ha|hjertelig takk
спасибо|большое спасибо|спасибо большое|огромное спасибо|спасибо огромное|благодарю|благодарю вас|спс|спасибо вам
спасибо вам большое|благодарим|благодарим вас
дякую|щиро дякую|дуже дякую|дякую дуже|дякую вам|красно дякую|дякуємо|щиро дякуємо
谢谢|谢谢你|谢谢您|谢谢你们|多谢|感谢|非常感谢|十分感谢|太感谢了|谢谢啦|谢了|謝謝|謝謝你|謝謝您|多謝|感謝|非常謝謝
非常谢谢|感谢您|感谢你们
ありがとう|ありがとうございます|ありがとうございました|有難うございます|有難うございました|感謝します|感謝いたします
感謝しています|助かりました|大変助かりました
감사합니다|감사해요|고맙습니다|고마워요|감사드립니다|정말 감사합니다|대단히 감사합니다|정말 고맙습니다|너무 감사합니다
kiitos|paljon kiitoksia|kiitos paljon|suuri kiitos|suurkiitos|kiitos avusta|kiitti|kiitoksia|iso kiitos
ευχαριστώ|ευχαριστώ πολύ|σας ευχαριστώ|σας ευχαριστώ πολύ|ευχαριστούμε|ευχαριστούμε πολύ|χίλια ευχαριστώ
efxaristo|efxaristo poly|efxaristw|efharisto
terima kasih|terima kasih banyak|terimakasih|makasih|makasih banyak|trims|makasih ya|terima kasih ya
mulțumesc|multumesc|mulțumesc mult|multumesc mult|mulțumim|multumim|vă mulțumesc|va multumesc|mersi|mersi mult
cảm ơn|cám ơn|cảm ơn bạn|cảm ơn nhiều|cảm ơn bạn nhiều|xin cảm ơn|cảm ơn ạ|cam on|cam on ban|cam on nhieu
köszönöm|koszonom|köszönöm szépen|koszonom szepen|nagyon köszönöm|köszi|koszi|kösz|köszönjük|nagyon szépen köszönöm
"""
_BESIDES: Final = """
so much|so very much|very much|a lot|a million|a bunch|a ton|again|once again|kindly|indeed|everyone|all
team|guys|folks|everybody|sir|madam|mate
for your help|for the help|for all your help|for all the help|for helping|for helping me|for helping me out
for helping out|for your support
for the support|for your time|for your patience|for your quick reply|for the quick reply|for your fast reply
for the fast reply
for your quick response|for the quick response|for the fast response|for your prompt reply
for your prompt response|for your reply|for the reply
for the quick help|for your quick help|for your answer|for the answer|for the info|for the information
for everything|for letting me know
for your assistance|for the assistance|for sorting this|for sorting it out|for sorting this out
for fixing it|for fixing this|for the fix
for the update|for the clarification|for clarifying|for explaining|for the explanation|for that|for this
ok|okay|oki|okey|k|kk|alright|great|perfect|awesome|excellent|wonderful|fantastic|brilliant|lovely|super
cool|nice|amazing|got it|understood
good|very good|very helpful|really helpful|so helpful|you are the best|you're the best|youre the best
you rock|great help|great support|great service|great job
it works|it works now|that works|that worked|it worked|works now|works perfectly|it works perfectly
works like a charm|all good|all good now|all set
that helped|that helped a lot|this helped|that helps|that helps a lot|problem solved|issue solved|solved
that solved it|that fixed it|it is fixed|it's fixed now
have a nice day|have a great day|have a good day|have a good one|have a lovely day|have a nice weekend
have a great weekend|good day|take care|bye|goodbye
kind regards|best regards|regards|best|best wishes|warm regards|sincerely|hi|hello|hey|dear team|hi team
hello team|yes|yeah|yep|lol|haha|really|very|much|wow
für die hilfe|für ihre hilfe|für deine hilfe|für eure hilfe|für die schnelle hilfe|für die schnelle antwort
für ihre schnelle antwort|für die antwort
für die info|für die information|für alles|für ihre mühe|für die mühe|für die rückmeldung
für die schnelle rückmeldung|fuer die hilfe|fuer ihre hilfe
hat geklappt|es hat geklappt|hat funktioniert|es funktioniert|es funktioniert jetzt|funktioniert jetzt
jetzt geht es|jetzt geht's|alles klar|alles gut|prima|toll|wunderbar|klasse
sehr gut|gut|schönen tag|einen schönen tag|schönen tag noch|einen schönen tag noch|schönes wochenende
mit freundlichen grüßen|freundliche grüße|viele grüße|liebe grüße|lg|vg|mfg
hallo|ja|top|spitze|genial|nochmals|nochmal|noch einmal|sehr nett
por tu ayuda|por su ayuda|por la ayuda|por todo|por la respuesta|por su respuesta|por tu respuesta
por la información|por la rápida respuesta|por responder|por su tiempo
perfecto|genial|excelente|muy bien|bien|vale|de acuerdo|listo|todo bien|ya funciona|funciona|ya está
ya quedó|solucionado|resuelto|hola|sí|si|buen día|que tengas un buen día
que tenga un buen día|buenas tardes|un saludo|saludos|saludos cordiales|un abrazo|estupendo|todo perfecto
muchas|de nuevo|otra vez|equipo
pour votre aide|pour ton aide|pour l'aide|pour tout|pour votre réponse|pour la réponse
pour votre réponse rapide|pour votre rapidité|pour les informations|pour l'info|à vous|a vous|à toi
parfait|super|génial|excellent|très bien|tres bien|d'accord|ça marche|ca marche|ça fonctionne|c'est bon
c'est parfait|tout est bon|problème résolu|résolu|bonjour|oui|bonne journée
bonne soirée|bon week-end|cordialement|bien cordialement|salutations|bien à vous|encore|encore une fois
beaucoup|l'équipe|à toute l'équipe
pela ajuda|pela sua ajuda|pela resposta|pela rápida resposta|pela atenção|por tudo|pelo suporte|pelo retorno
perfeito|ótimo|otimo|excelente|muito bom|tudo certo|tudo bem|deu certo|funcionou
está funcionando|agora funciona|resolvido|beleza|blz|olá|oi|sim|bom dia|boa tarde|boa noite|tenha um bom dia
um abraço|abraços|abs|atenciosamente|mesmo|demais|de novo|show
per l'aiuto|per il vostro aiuto|per il tuo aiuto|per il suo aiuto|per la risposta|per la rapida risposta
per tutto|per la disponibilità|per l'informazione|per le informazioni|per il supporto
perfetto|ottimo|eccellente|va bene|benissimo|tutto ok|tutto bene|funziona|ora funziona|risolto
problema risolto|ciao|salve|buongiorno|buona giornata|buona serata|cordiali saluti|saluti|sì|ancora
gentilissimi|gentilissimo|gentilissima
voor je hulp|voor jullie hulp|voor uw hulp|voor de hulp|voor de snelle hulp|voor de snelle reactie
voor je snelle reactie|voor uw snelle reactie|voor het antwoord|voor je antwoord|voor de informatie
voor de moeite|voor alles
perfect|prima|top|geweldig|fijn|super|goed|heel goed|het werkt|het werkt nu|werkt nu|het is gelukt|gelukt
opgelost|hoi|hallo|ja|oké|fijne dag|een fijne dag|fijne dag nog|fijn weekend|met vriendelijke groet|groetjes
groeten|mvg|nogmaals
yardımınız için|yardımın için|yardımlarınız için|yardım için|her şey için|ilginiz için|cevabınız için
cevap için|hızlı cevap için|desteğiniz için|tekrar
mükemmel|harika|süper|tamam|tamamdır|çok iyi|güzel|çalışıyor|şimdi çalışıyor|oldu|çözüldü|merhaba|selam|evet
iyi günler|iyi akşamlar|kolay gelsin|iyi çalışmalar|saygılar|saygılarımla|iyi haftalar
على المساعدة|على مساعدتك|على مساعدتكم|للمساعدة|على الرد|على الرد السريع|على سرعة الرد|على كل شيء|ممتاز|رائع
تمام|حسنا|حسناً|جيد|تم|تم الحل|مرحبا|السلام عليكم|نعم|يوم سعيد|مع السلامة|جدا|جداً|كثيرا|جزيلا|لكم|لك
مرة أخرى
मदद के लिए|आपकी मदद के लिए|सहायता के लिए|आपकी सहायता के लिए|जवाब के लिए|सब कुछ के लिए|ठीक है|बहुत अच्छा
बढ़िया|अच्छा|हो गया|काम कर रहा है|नमस्ते|हाँ|जी|हां|आपका|बहुत|सर|जी हाँ|समस्या हल हो गई
theek hai|thik hai|ji|bahut accha
za pomoc|za szybką pomoc|za odpowiedź|za szybką odpowiedź|za wszystko|za informację|za informacje|państwu|wam
raz jeszcze
jeszcze raz|świetnie|super|doskonale|działa|już działa|wszystko działa|teraz działa|ok|tak|dzień dobry|pozdrawiam
miłego dnia|dobrego dnia|z poważaniem|udało się|jasne|rozumiem|cześć
za pomoc|za rychlou pomoc|za odpověď|za rychlou odpověď|za všechno|za informaci|ještě jednou|skvělé|super|výborně
funguje
už funguje|už to funguje|ano|dobrý den|hezký den|s pozdravem|přeji hezký den|pomohlo to|ahoj
för hjälpen|för snabb hjälp|för den snabba hjälpen|för svaret|för snabbt svar|för det snabba svaret|för allt|för infon
för informationen|igen|perfekt|toppen|jättebra|bra|det fungerar|det fungerar nu|nu fungerar det|fungerar nu|ja|hej
ha en bra dag|trevlig dag|med vänliga hälsningar|mvh|hälsningar|det löste sig
for hjælpen|for hurtig hjælp|for den hurtige hjælp|for svaret|for hurtigt svar|for det hurtige svar|for alt
for informationen|igen|perfekt|super|fint|godt|det virker|det virker nu|nu virker det|hej|hav en god dag|god dag
med venlig hilsen|mvh|hilsen
for hjelpen|for rask hjelp|for den raske hjelpen|for svaret|for raskt svar|for det raske svaret|for alt
for informasjonen|igjen|flott|supert|bra|det fungerer|det fungerer nå|nå fungerer det|hei|ha en fin dag|god dag
med vennlig hilsen|hilsen
за помощь|за быструю помощь|за ответ|за быстрый ответ|за всё|за все|за информацию|вам|ещё раз|еще раз|отлично|супер
прекрасно|хорошо|понятно|всё работает|все работает|работает|теперь работает|теперь всё работает|заработало|да
добрый день|здравствуйте|привет|хорошего дня|с уважением|всего доброго|очень помогло|помогло|получилось|ок
за допомогу|за швидку допомогу|за відповідь|за швидку відповідь|за все|за інформацію|вам|ще раз|чудово|супер|добре
зрозуміло|все працює|працює|тепер працює|запрацювало|так|добрий день|вітаю|привіт|гарного дня|з повагою|допомогло
您的帮助|你的帮助|你们的帮助|的帮助|帮助|您的回复|你的回复|的回复|回复|帮忙|您的帮忙|解决了|问题解决了|可以了|好的
好了|太好了|太棒了|已经可以了
现在可以了|收到|明白了|没问题了|你好|您好|祝好|再见|非常|幫助|您的幫助|解決了|好用了|的幫助
本当に|誠に|どうも|大変|とても|早速|迅速な対応|迅速なご対応|ご対応|対応|ご返信|返信|ご回答|回答|お返事|ご連絡
のご対応|いただき|いただいて
くださり|して|を|に|無事解決しました|解決しました|解決できました|できました|直りました|うまくいきました
わかりました|分かりました|了解です|了解しました
承知しました|よろしくお願いします|よろしくお願いいたします|お世話になりました|こんにちは|はい|完璧です
素晴らしいです|で|へ
정말|너무|도움|도와주셔서|도와 주셔서|빠른 답변|답변|빠른 도움|해결됐어요|해결되었습니다|해결됐습니다|잘 됩니다
잘 돼요|이제 됩니다|됐어요|네|예
안녕하세요|좋아요|좋습니다|완벽해요|알겠습니다|수고하세요|수고하셨습니다|좋은 하루 되세요|답변 주셔서|빠른 답변에
"""
_THANKING_SIGNS: Final = "🙏👍👏❤💙💚💛💜🧡💖💕🤝🫶💐🌹🥰😍🤗😘👌💯"
_FRIENDLY_SIGNS: Final = "😊🙂😀😃😄😁😉☺😌😎🎉🥳✅✔🌟⭐✨🙌🤩🌸🌷"
_TYPED_SIGNS: Final = re.compile(r"(?<!\w)(?:[:;=]-?[)dDpP]+|\^\^|<3|xo+|xx+)(?!\w)")
_NOT_TYPOS: Final = """
think|thinks|thanked|tanks|planks|blanks|danks|shanks|pranks|ranks|banks|cranks|grace|gracie|graces|dance
dances|danken|mercy|merch|value|values|valet|cheer|chars|cheese|brigade
"""
_QUESTIONS: Final = "?？؟¿"
_JOINTS: Final = re.compile(r"[\s,.!;:~*_()\"'“”„«»¡…。、،।–—-]+")
_UNSPACED: Final = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")


def only_thanks(text: str, name: str = "") -> bool:
    """Whether the text thanks and says nothing else. `name` is the sender's, who may have signed with it."""
    if not text.strip() or len(text) > THANKS_MAX or any(mark in text for mark in _QUESTIONS):
        return False
    text, thanked = _without_signs(text)
    words = [piece for word in _words(text) for piece in _apart(word)]
    known = set(_words(name))
    while words:
        phrase, length = _phrase(words)
        if length:
            thanked = thanked or phrase in _thanks()
            words = words[length:]
        elif thanked and words[0] in known:
            words = words[1:]
        else:
            return False
    return thanked


def _without_signs(text: str) -> tuple[str, bool]:
    """The text without the emoji known to be friendly, and whether one of them thanks."""
    thanked = any(sign in text for sign in _THANKING_SIGNS)
    text = "".join(
        " " if character in _THANKING_SIGNS or character in _FRIENDLY_SIGNS else character
        for character in text
        if character not in "\ufe0f\u200d" and not "\U0001f3fb" <= character <= "\U0001f3ff"
    )
    return _TYPED_SIGNS.sub(" ", text), thanked


def _words(text: str) -> list[str]:
    folded = unicodedata.normalize("NFKC", text.replace("’", "'")).replace("İ", "i").casefold()
    return [word for word in _JOINTS.split(folded) if word]


def _apart(word: str) -> list[str]:
    """What is written without spaces, cut into known phrases; whole where that leaves anything over."""
    if not _UNSPACED.search(word) or not _known_pieces().fullmatch(word):
        return [word]
    return _known_piece().findall(word)


def _phrase(words: list[str]) -> tuple[str, int]:
    """The longest known phrase the words begin with, and its length in words; length 0 when there is none."""
    phrases = _phrases()
    for length in range(min(len(words), _longest()), 0, -1):
        phrase = " ".join(words[:length])
        if phrase in phrases:
            return phrase, length
    meant = _meant(words[0])
    return (meant, 1) if meant else ("", 0)


def _meant(word: str) -> str:
    """The word of thanks a word is one slip away from: a letter more, less, other, or two exchanged."""
    if len(word) < 5 or word in _other_words():
        return ""
    squeezed = re.sub(r"(.)\1+", r"\1", word)
    for right in _one_word():
        if squeezed == re.sub(r"(.)\1+", r"\1", right) or _one_slip(word, right):
            return right
    return ""


def _one_slip(word: str, right: str) -> bool:
    if word[0] != right[0] or abs(len(word) - len(right)) > 1:
        return False
    start = next(
        (i for i, (a, b) in enumerate(zip(word, right, strict=False)) if a != b), min(len(word), len(right))
    )
    rest, wanted = word[start:], right[start:]
    return (
        rest[1:] == wanted[1:]
        or rest[1:] == wanted
        or rest == wanted[1:]
        or (rest[2:] == wanted[2:] and rest[:2] == wanted[1::-1])
    )


@lru_cache(maxsize=1)
def _thanks() -> frozenset[str]:
    return _read(_THANKS)


@lru_cache(maxsize=1)
def _other_words() -> frozenset[str]:
    return _read(_NOT_TYPOS)


@lru_cache(maxsize=1)
def _phrases() -> frozenset[str]:
    return _thanks() | _read(_BESIDES)


@lru_cache(maxsize=1)
def _known_piece() -> re.Pattern[str]:
    pieces = sorted(filter(_UNSPACED.search, _thanks() | _read(_BESIDES)), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, pieces)))


@lru_cache(maxsize=1)
def _known_pieces() -> re.Pattern[str]:
    return re.compile(f"(?>{_known_piece().pattern})+")


@lru_cache(maxsize=1)
def _one_word() -> tuple[str, ...]:
    return tuple(sorted(phrase for phrase in _thanks() if " " not in phrase and len(phrase) >= 5))


@lru_cache(maxsize=1)
def _longest() -> int:
    return max(len(phrase.split()) for phrase in _phrases())


def _read(table: str) -> frozenset[str]:
    return frozenset(
        " ".join(_words(phrase))
        for line in table.splitlines()
        for phrase in line.split("|")
        if phrase.strip()
    )
