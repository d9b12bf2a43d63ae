"""The user's own query images: their list, their vectors, what they find."""
