"""One turn: the agent that answers it, its tools, its rules, its models. It imports nothing."""
