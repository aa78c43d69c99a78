"""What was tried: a study as samplers read it, and what they write into it."""
