"""The mail that tells a customer of the web form that there is an answer.

It goes to an address nobody has proven, so it holds nothing anybody typed into the form: whoever enters a stranger's
address must not be able to write to them through us.
"""


def notice_subject(reference: str) -> str:
    return f"There is an answer to your request {reference}"


def notice_text(company: str, reference: str, ticket_url: str) -> str:
    """The whole text; `ticket_url` is where the answer is."""
    return (
        f"Hello,\n\nthere is an answer to the request {reference} that was sent to {company} through the web form"
        f" with this address.\n\nRead it and answer here:\n{ticket_url}\n\n"
        "You get at most one such mail a day. If the request is not yours, please ignore this mail.\n"
    )
