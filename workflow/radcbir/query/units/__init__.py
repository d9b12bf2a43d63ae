"""Series, studies and patients of the user's own as queries."""
