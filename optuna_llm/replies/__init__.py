"""What a model answered becomes configurations: whatever form it has, nothing usable is lost."""
