"""From the files that a provider of images hands out to a dataset CSV: one module per provider, and their registry."""
