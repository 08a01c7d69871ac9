"""Which language a text is in, by its frequent words or its script: enough to see an answer in the wrong one."""

import re
from typing import Final

_FREQUENT: Final[dict[str, frozenset[str]]] = {
    code: frozenset(words.split())
    for code, words in {
        "en": "the and to of you is a in for it that this with we on are your have be will our not from can if or",
        "de": "der die das und ist sie ich wir nicht ein eine zu den mit von für auf dem im wird ihre ihr an oder sind",
        "fr": "le la les et est vous je nous un une des de du pas pour que dans sur votre avec au ce cette ou ne sont",
        "es": "el la los las y es usted que de un una en para no con su por se al lo le del este esta o como son",
        "it": "il lo la gli e è di che un una per non con su del della in le si sono ha questo questa i al alla",
        "pt": "o a os as e é de que um uma em para não com seu sua por do da no na se ao você este esta são",
        "nl": "de het een en is van ik u je wij we niet voor met op dat dit te zijn uw jouw aan door of bij",
        "sv": "och att det som en ett är på för med inte du vi av den jag till har kan din ditt om",
        "da": "og at det som en et er på for med ikke du vi af den jeg til har kan din dit om dig jer hos",
        "no": "og det som en et er på for med ikke du vi av den jeg til har kan din ditt om deg dere hos",
        "pl": "i w na nie się to jest do z że o dla po przez jak lub pan pani my proszę od czy za",
        "tr": "ve bir bu için ile de da ne değil olarak size sizin biz çok daha var gibi mesajınızı",
        "cs": "a je se na to že v s pro není do jsme vaše nebo jako o po by jste",
    }.items()
}
_SCRIPTS: Final = (
    ("ja", re.compile("[\u3040-\u30ff]")),
    ("ko", re.compile("[\uac00-\ud7af]")),
    ("zh", re.compile("[\u4e00-\u9fff]")),
    ("ar", re.compile("[\u0600-\u06ff]")),
    ("he", re.compile("[\u0590-\u05ff]")),
    ("hi", re.compile("[\u0900-\u097f]")),
    ("el", re.compile("[\u0370-\u03ff]")),
    ("uk", re.compile("[іїєґ]")),
    ("ru", re.compile("[\u0400-\u04ff]")),
)


def language(text: str) -> str:
    """The code of the language most of the text is in; empty when nothing tells."""
    lower = text.lower()
    letters = sum(character.isalpha() for character in lower) or 1
    for code, script in _SCRIPTS:
        if len(script.findall(lower)) > (0.2 * letters if code != "uk" else 0.02 * letters):
            return code
    words = re.findall(r"[^\W\d_]+", lower)
    counts = {code: sum(word in frequent for word in words) for code, frequent in _FREQUENT.items()}
    best = max(counts, key=lambda code: counts[code])
    return best if counts[best] else ""
