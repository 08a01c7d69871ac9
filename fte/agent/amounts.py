"""Money in words: amounts, and shares taken off a price, that a text names without a figure, in the languages we know.

A number is a word made of the parts of number words ("neunundzwanzig"), right before the word for a currency or for
percent, or right behind one for what something costs. Everything is compared folded.
"""

import re
from typing import Final

from fte.domain.languages import fold

_PARTS: Final = """
    two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen
    twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million dozen
    ein und zwei drei vier fünf sechs sieben acht neun zehn elf zwölf sechzehn siebzehn zwanzig dreißig vierzig fünfzig
    sechzig siebzig achtzig neunzig hundert tausend
    een en twee drie vijf zes zeven negen tien elf twaalf dertien veertien twintig dertig veertig vijftig zestig zeventig
    tachtig negentig honderd duizend
    deux trois quatre cinq sept huit neuf dix onze douze treize quatorze quinze seize vingt vingts trente quarante cinquante
    soixante cent cents mille
    dos tres cuatro cinco seis siete ocho nueve diez doce trece catorce quince dieci veinte veinti treinta cuarenta
    cincuenta sesenta setenta ochenta noventa cien ciento cientos mil
    tre quattro cinque sei sette otto nove undici dodici tredici quattordici quindici sedici diciassette diciotto
    diciannove venti vent trenta trent quaranta quarant cinquanta cinquant sessanta settanta ottanta novanta cento mila
    dois três quatro sete oito dez doze dezesseis dezasseis dezessete dezassete dezoito dezenove dezanove vinte trinta
    quarenta cinquenta sessenta oitenta cem duzentos trezentos quinhentos
    två fyra fem sex sju åtta nio tio elva tolv tretton fjorton femton sexton sjutton arton nitton tjugo trettio fyrtio
    femtio sextio sjuttio åttio nittio hundra tusen
    fire seks syv otte åtte ni ti tretten fjorten femten seksten sytten atten nitten og tyve tjue tredive tretti fyrre
    førti halvtreds femti tres seksti halvfjerds sytti firs åtti halvfems nitti hundrede hundre tusind
    dwa trzy cztery pięć sześć siedem osiem dziewięć dziesięć naście dwanaście dziewiętnaście piętnaście dwadzieścia
    trzydzieści czterdzieści dziesiąt sto dwieście tysiąc
    dva tři čtyři pět šest sedm osm devět deset náct devatenáct patnáct dvacet třicet čtyřicet desát padesát devadesát
    iki üç dört beş altı yedi sekiz dokuz yirmi otuz kırk elli altmış yetmiş seksen doksan yüz bin
    два три четыре пять шесть семь восемь девять десять надцать двенадцать девятнадцать пятнадцать двадцать тридцать
    сорок десят пятьдесят девяносто сто двести тысяча тысяч
    чотири п'ять шість сім вісім дев'ять надцять дванадцять дев'ятнадцять двадцять тридцять п'ятдесят тисяча тисяч
    ثلاثة أربعة خمسة ستة سبعة ثمانية تسعة عشرة عشر عشرون عشرين ثلاثون ثلاثين أربعون أربعين خمسون خمسين مئة مائة ألف
    दो तीन चार पाँच पांच दस बीस तीस चालीस पचास सौ हज़ार हजार उन्नीस पंद्रह
"""
_NOT_ALONE: Final = r"(?:ein|und|een|en|og)(?!\w)"
"""Parts that are other words when they stand alone, as in "Euro und Dollar"."""
_CURRENCY: Final = (
    r"(?:usd|eur|gbp|chf|aud|cad|inr|jpy|brl|pln|czk|sek|dkk|nok|eur[oae]s?|dol+ar\w*|pounds?|cents?|bucks|francs?|franken"
    r"|francos?|franchi|pfund|pond|livres?|libras?|sterlin\w*|rupees?|yen|pesos?|reais|kronor|kroner|korun\w*|zlot\w*|liras?"
    r"|доллар\w*|долар\w*|евро|євро|рубл\w*|гривен\w*|دولار\w*|يورو|ريال\w*|درهم\w*|रुपये|रुपए|डॉलर|यूरो)"
)
_PERCENT: Final = (
    r"(?:%|per ?cent|prozent|pour cent|por ?cien(?:to)?|per cento|por ?cento|procent\w*|prosent|процент\w*|відсотк\w*"
    r"|प्रतिशत|بالمئة|بالمائة|في المئة|في المائة)"
)
_CHEAPER: Final = (
    r"(?:off|cheaper|less|günstiger|billig(?:er|are|ere)|moins cher|más barato|goedkoper|taniej|levněji)"
)
_REDUCTION: Final = (
    r"(?:discount|rebate|reduction|rabatt?|nachlass|remise|rabais|réduction|descuento|rebaja|sconto|desconto|korting"
    r"|zniżk|slev|indirim|скидк|знижк|avslag|خصم|تخفيض|छूट)"
)
_COSTS: Final = (
    r"(?:costs?|price is|priced at|kostet|preis ist|coûte|prix est|cuesta|precio es|costa|custa|kost|kostar|koster|kosztuje"
    r"|stojí|стоит|коштує)(?: (?:about|only|just|nur|etwa|seulement|solo|só|slechts))?"
)
_EACH: Final = r"(?: (?:a|an|per|each|every|monthly|pro|im|par|por|al|om|i|w|za|на|в)\b| ?[.,;!?]| ?$)"


def _spelled_numbers() -> str:
    parts = sorted({fold(part) for part in _PARTS.split()}, key=len, reverse=True)
    return rf"(?<!\w)(?!{_NOT_ALONE})(?:{'|'.join(parts)})+(?!\w)"


_NUMBER: Final = _spelled_numbers()
_MONEY: Final = re.compile(
    fold(
        rf"(?:{_NUMBER}|(?<!\w)one)[ -](?:(?:us|american|canadian|australian|de) |d')?{_CURRENCY}(?!\w)"
        rf"|(?<!\w){_COSTS} {_NUMBER}(?:[ -](?:and |y |et |e )?{_NUMBER})*{_EACH}"
        r"|[一二三四五六七八九十百千万零两]+ ?(?:块钱|块|元|美元|欧元|円|ドル|ユーロ)"
        r"|(?:[일이삼사오육칠팔구]?[십백천만])+[일이삼사오육칠팔구]? ?(?:원|달러|유로)"
    )
)
_SHARE: Final = (
    rf"(?:{_NUMBER}|(?<!\d)\d{{1,3}}(?:[.,]\d{{1,2}})?)[ -]?{_PERCENT}|(?<!\w)(?:yüzde |% ?)(?:{_NUMBER}|\d)"
)
_LESS: Final = re.compile(fold(rf"(?:{_SHARE}) {_CHEAPER}(?!\w)"))
_SHARES: Final = re.compile(fold(_SHARE))
_REDUCED: Final = re.compile(fold(rf"(?<!\w){_REDUCTION}"))


def names_amount(text: str) -> bool:
    """Whether the text names an amount of money, or what something costs, in words."""
    return bool(_MONEY.search(fold(text)))


def names_reduction(sentence: str) -> bool:
    """Whether the sentence takes a share, in words or figures, off a price."""
    folded = fold(sentence)
    return bool(_LESS.search(folded) or (_REDUCED.search(folded) and _SHARES.search(folded)))
