"""A study by questions and answers of plain data: what commands for agents and shells do."""
