"""What is expected of configurations: by the study's surrogate, by the model, by both."""
