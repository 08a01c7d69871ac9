"""What only says thanks, and what says more and must be read: when in doubt, it must be read."""

import pytest

from fte.domain.thanks import THANKS_MAX, only_thanks
from tests.support import is_quick

THANKS = r"""
Thanks
thanks!
Thank you
Thank you!!!
thank you so much
Thanks a lot
Many thanks
thx
tnx!
ty
TYSM
cheers
Cheers mate
thanks 👍
👍
🙏🙏
❤️
👍🏽
Thank you 😊
Great, thanks!
Perfect, thank you very much.
Ok thanks
Got it, thanks :)
That worked, thanks!
It works now. Thank you for your help!
Thanks for the quick reply
thanks for everything, have a nice day
Awesome!!! Thank you so much for all your help
Thanks again
Thank you.\nKind regards\nAda
Thanks, Ada
Hi team, thanks for letting me know
Much appreciated
I really appreciate it
Problem solved, thank you
thnaks
thakns
tahnks
thankss
thanksss
thanks you
thankyou
Danke
Danke schön!
Vielen Dank für die schnelle Hilfe
Super, danke!
Danke, hat geklappt
Alles klar, vielen Dank. Mit freundlichen Grüßen
dankee
Gracias
¡Muchas gracias!
Muchas gracias por su ayuda
Perfecto, gracias
mil gracias 🙏
grácias
gracais
Merci
Merci beaucoup !
Merci pour votre aide
Parfait, merci
Je vous remercie. Bonne journée
Obrigado
Muito obrigada!
obrigado pela ajuda
Deu certo, obrigado
valeu 👍
obriagdo
Grazie
Grazie mille!
Perfetto, grazie per l'aiuto
mille grazie, buona giornata
Bedankt
Dank je wel!
Hartelijk bedankt voor de snelle reactie
Top, bedankt
het werkt, dank u wel
Teşekkürler
Teşekkür ederim
Çok teşekkür ederim yardımınız için
tamam teşekkürler
TEŞEKKÜRLER
sağ olun
شكرا
شكراً جزيلاً
شكرا لك على المساعدة
تمام شكرا
धन्यवाद
बहुत बहुत धन्यवाद
शुक्रिया 🙏
ठीक है, धन्यवाद
आपकी मदद के लिए धन्यवाद
Dziękuję bardzo za pomoc!
Super, dzięki
Dziękuję, działa. Miłego dnia
Mockrát děkuji za rychlou odpověď
Skvělé, díky moc!
Tack så mycket för hjälpen!
Toppen, tack
Mange tak for hjælpen
Perfekt, tusind tak!
Tusen takk for raskt svar
Flott, takk!
Спасибо большое за помощь!
Отлично, всё работает. Спасибо!
Щиро дякую за допомогу
Дякую, все працює!
谢谢！
非常感谢您的帮助。
好的，谢谢
问题解决了，谢谢你们
ありがとうございます！
解決しました。本当にありがとうございました。
迅速なご対応ありがとうございます
감사합니다!
도와주셔서 감사합니다
네, 해결됐어요. 정말 감사합니다
Kiitos paljon!
Σας ευχαριστώ πολύ!
efxaristo poly
Terima kasih banyak
Mulțumesc mult!
Cảm ơn bạn nhiều
Nagyon köszönöm!
"""
MORE = r"""
Thanks?
Thanks, but it still fails
No thanks
no thanks, it still fails
Thanks, not working
Thanks, it does not work
Thank you, please also send the invoice
Thanks in advance
Thanks, can you also check my other order
thanks for nothing
Thanks, one more thing
Thank you. When will it arrive
Thanks, I need help
Thanks, help
Thanks, cancel my subscription
thanks refund
Thanks 😡
Thanks 👎
👎
😡
😊
?
ok
Ok
yes
It works now
Great
perfect
solved
I think so
I think
Thinks
tanks
hello
help
still broken
Thank you but the error is back
Thanks... the error is back
Thanks, error 402
thanks #12345
Thanks https://example.com
Thanks Bob
Is it done? Thanks
Can you call me? Thank you!
Thanks I'll try it
Will try, thanks
Thanks, I will wait for the refund
I can't thank you enough, yet the export fails
Danke, aber es geht nicht
Nein danke
Danke, funktioniert nicht
Danke, noch eine Frage
Danke im Voraus
Danke für nichts
Bitte
Vielen Dank, wann kommt die Rechnung
Gracias, pero no funciona
No gracias
no, gracias
Gracias, necesito ayuda
¿Gracias?
Gracias de antemano
Merci, mais ça ne marche pas
Non merci
Merci d'avance
Merci de me rappeler
Merci de répondre
Obrigado, mas não funciona
Não obrigado
Obrigado, preciso de ajuda
Grazie, ma non funziona
No grazie
Grazie in anticipo
Grazie di rispondere
Bedankt, maar het werkt niet
Nee bedankt
Alvast bedankt
Bedankt, nog een vraag
Teşekkürler ama çalışmıyor
Hayır teşekkürler
Teşekkürler, bir sorum var
شكرا لكن لا يعمل
لا شكرا
شكرا، متى يصل الطلب؟
धन्यवाद, लेकिन काम नहीं कर रहा
नहीं धन्यवाद
धन्यवाद, एक और सवाल
aitäh
ขอบคุณ
Thanks для
Ada
Thanks Ada refund
\u200b
...
Thanks\n\n> On Monday you wrote
Thanks {refund}
Thanks $5
Thanks < b >
Dziękuję, ale nadal nie działa
Nie, dziękuję
Dziękuję, mam jeszcze pytanie
Děkuji, ale nefunguje to
Tack, men det fungerar inte
Nej tack
Tack på förhand
Tak, men det virker ikke
Takk, men det hjelper ikke
Takk på forhånd
Спасибо, но не работает
Спасибо, когда придёт счёт
Заранее спасибо
Дякую, але не працює
谢谢，但是还是不行
谢谢，请把发票发给我
不用了，谢谢
先谢谢了
ありがとうございます。でもまだ動きません
ありがとう、もう一つ質問があります
よろしくお願いします
감사합니다만 아직 안 됩니다
Kiitos, mutta se ei toimi
Ευχαριστώ, αλλά δεν δουλεύει
Terima kasih, tapi belum bisa
Mulțumesc, dar nu merge
Cảm ơn, nhưng vẫn lỗi
Köszönöm, de nem működik
감사합니다, 질문이 하나 더 있어요
Спасибо за ничего
Tack för ingenting
谢谢你们浪费我的时间
Tak
好的
"""


def lines(table: str) -> list[str]:
    return [line.replace("\\n", "\n") for line in table.strip().splitlines()]


@pytest.mark.parametrize("text", lines(THANKS))
def test_thanks_alone_is_known(text: str) -> None:
    assert only_thanks(text, "Ada Lovelace")


@pytest.mark.parametrize("text", ["Herzlichen Dank und", *lines(MORE)])
def test_anything_more_or_doubtful_is_not(text: str) -> None:
    assert not only_thanks(text, "Ada Lovelace")


def test_the_table_is_large_enough() -> None:
    assert len(lines(THANKS)) > 60 and len(lines(MORE)) > 60


def test_hostile_repetition_takes_no_time() -> None:
    """Where no spaces part the words, a text can be cut in very many ways."""
    text = "非常感谢" * 49 + "x"
    assert not only_thanks(text)
    assert is_quick(lambda: only_thanks(text), 0.1)


def test_nothing_and_very_much_are_not_thanks() -> None:
    assert not only_thanks("")
    assert not only_thanks(" \n")
    assert not only_thanks("thanks " * THANKS_MAX)


@pytest.mark.parametrize("text", lines(THANKS))
@pytest.mark.parametrize("more", ["?", " but no", " not", " please help", " 12", " 😠", " refund"])
def test_thanks_with_anything_after_it_is_not(text: str, more: str) -> None:
    assert not only_thanks(text + more, "Ada Lovelace")
