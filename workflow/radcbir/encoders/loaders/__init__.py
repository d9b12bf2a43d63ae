"""The families of encoders: one module for each loader that a card can name."""
