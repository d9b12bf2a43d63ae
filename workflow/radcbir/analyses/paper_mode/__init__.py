"""The figures as the paper's scripts compute them, and what each of their quirks changes."""
