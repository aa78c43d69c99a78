"""A process that runs foreign code with nothing in reach, and what that promises.

``isolation.py`` locks a process in, ``child.py`` is that process, ``process.py`` starts it and
talks to it, ``level.py`` says what is enough, ``probe.py`` what this machine offers.
"""
