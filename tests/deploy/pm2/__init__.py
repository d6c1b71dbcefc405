"""Real PM2 from npm, as an operator has it; package-lock.json pins it."""
