"""Another space for frozen vectors: linear maps that are fitted on the index split alone."""
