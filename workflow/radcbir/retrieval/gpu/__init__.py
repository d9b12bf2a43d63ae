"""Candidates of the exact search by a GPU, in a process of its own."""
