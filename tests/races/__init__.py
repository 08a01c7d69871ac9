"""Races for one conversation: operators, the agent, the sender, the customer and the sweeper all want it at once.

`make races RACES=10000 SEED=7` runs many, `python -m tests.races --help` says the rest; `test_races.py` is the short form.
Some hundred conversations are under way at any time, on a real PostgreSQL, with senders and workers as tasks and as
processes that are killed. The provider writes down every hand-over. A judge then reads what everybody was told.

Something else that races for a conversation, such as approving a draft, joins as a function in
`race.PARTS`, and what must hold of it afterwards as one in `race.LOOKS`.
"""
