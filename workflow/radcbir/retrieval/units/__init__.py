"""Series, studies and patients as what is retrieved: their rows in the pool, and their vectors."""
