"""Model cards: image encoders described as data."""
