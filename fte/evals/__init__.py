"""Does the agent do what it must? Cases in files, a judge of pure functions, figures, and two runs compared."""
