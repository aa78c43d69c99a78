"""The command `optuna-llm`."""
