"""Images decoded and preprocessed once, for all models that take them alike."""
