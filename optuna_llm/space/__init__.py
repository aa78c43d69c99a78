"""What can be tried: the search space as numbers, and candidates drawn from it."""
