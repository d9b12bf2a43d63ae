"""Vectors -> nearest neighbors: exact, approximate, fused, or taken from published lists."""
