"""``python -m optuna_llm`` is the command ``optuna-llm``."""

from __future__ import annotations

import sys

from optuna_llm.command.cli import main


if __name__ == "__main__":
    sys.exit(main())
